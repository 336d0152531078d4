//! `Connection`: one WebSocket connection as an `asyncio.BufferedProtocol`, on a socket of the engine or on
//! any transport of the loop.

pub mod asyncio_protocol;
pub mod awaitable;
pub mod class;
pub mod counts;
pub mod inbound;
pub mod outbound;
pub mod state;
pub mod wire;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use self::awaitable::{Awaitable, Wish};
use self::inbound::inbox;
use self::outbound::{control, flush, send};
use self::state::State;
use crate::bindings::api::per_message_deflate::PerMessageDeflate;
use crate::bindings::convert::payload::Payload;
use crate::bindings::convert::{integers, send_args};
#[cfg(unix)]
use crate::bindings::event_loop::prefetch::Prefetch;
use crate::bindings::event_loop::reactor::Reactor;
#[cfg(unix)]
use crate::bindings::event_loop::sockets::Held;
use crate::bindings::event_loop::table;
use crate::bindings::py::context::Context;
use crate::bindings::py::gil_cell::GilCell;
#[cfg(unix)]
use crate::engine::{OutQueue, Token};
use crate::protocol::Role;
use crate::protocol::frame::Opcode;
use crate::session::{Form, Limits, Session, Settings, delivery};

/// See `wsrs._backend.contract.Connection`, the protocol that this class shares with the pure core.
#[pyclass(frozen, subclass, weakref, module = "wsrs._core")]
pub struct Connection {
    reactor: Py<Reactor>,
    /// The context in which listeners, and everything else of the program, are called for this connection.
    pub(in crate::bindings) context: Context,
    pub(in crate::bindings) state: GilCell<State>,
}

impl Connection {
    #[inline]
    pub fn reactor(&self, _py: Python<'_>) -> &Reactor {
        self.reactor.get()
    }

    pub fn reactor_bound<'py>(&self, py: Python<'py>) -> &Bound<'py, Reactor> {
        self.reactor.bind(py)
    }

    /// Raises `RuntimeError` if the loop runs in another thread.
    #[inline]
    pub fn check_thread(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)
    }

    /// The engine's socket, if one carries the bytes.
    #[cfg(unix)]
    #[inline]
    pub fn token(&self, py: Python<'_>) -> Option<Token> {
        self.state.with(py, |state| state.wire.token())
    }

    /// Calls `look` with the queue of the engine's socket. Returns None if no such socket carries the bytes.
    #[cfg(unix)]
    pub fn engine_queue<R>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&OutQueue<Held>) -> R,
    ) -> Option<R> {
        let token = self.token(py)?;
        self.reactor(py).with_sockets(py, |sockets| sockets.engine()?.out_ref(token).map(look))
    }
}

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (*, r#loop, owner, is_server, context = None, max_payload = 104_857_600, max_fragments = 16_384,
        max_buffered_chunks = 262_144, max_pending_auto_pongs = 60, auto_pong = true,
        skip_utf8_validation = false, allow_synchronous_events = true, deflate = None,
        generate_mask = None, high_water_mark = 65_536, refuse_above_mark = false, read_ahead = 0))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn new(
        r#loop: &Bound<'_, PyAny>,
        owner: Py<PyAny>,
        is_server: bool,
        context: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = integers::max_payload)] max_payload: u64,
        #[pyo3(from_py_with = integers::max_fragments)] max_fragments: u32,
        #[pyo3(from_py_with = integers::max_buffered_chunks)] max_buffered_chunks: u32,
        #[pyo3(from_py_with = integers::max_pending_auto_pongs)] max_pending_auto_pongs: usize,
        auto_pong: bool,
        skip_utf8_validation: bool,
        allow_synchronous_events: bool,
        deflate: Option<&Bound<'_, PerMessageDeflate>>,
        generate_mask: Option<Py<PyAny>>,
        #[pyo3(from_py_with = integers::high_water_mark)] high_water_mark: usize,
        refuse_above_mark: bool,
        #[pyo3(from_py_with = integers::read_ahead)] read_ahead: usize,
    ) -> PyResult<Self> {
        let role = if is_server { Role::Server } else { Role::Client };
        let params = deflate.map(|one| one.get().negotiated(r#loop.py())).transpose()?.flatten();
        let concurrency_limit = deflate.map_or(1, |one| one.get().concurrency_limit());
        let settings = Settings {
            role,
            auto_pong,
            allow_synchronous_events,
            skip_utf8_validation,
            max_pending_auto_pongs,
            high_water_mark,
            refuse_above_mark,
            read_ahead,
            concurrency_limit,
        };
        let limits = Limits { max_payload, max_fragments, max_buffered_chunks };
        let session = Session::new(settings, limits, params);
        let state = State::new(session, owner, generate_mask);
        let reactor = table::reactor_of(r#loop)?;
        let context = Context::of(r#loop.py(), context)?;
        Ok(Self { reactor, context, state: GilCell::new(state) })
    }

    // The asyncio side ---------------------------------------------------------------------------

    fn connection_made(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        asyncio_protocol::connection_made(slf, transport)
    }

    #[pyo3(signature = (sizehint = None))]
    fn get_buffer<'py>(
        &self,
        py: Python<'py>,
        sizehint: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let _ = sizehint;
        self.offer_buffer(py)
    }

    fn buffer_updated(
        slf: &Bound<'_, Self>,
        #[pyo3(from_py_with = integers::nbytes)] nbytes: usize,
    ) -> PyResult<()> {
        asyncio_protocol::buffer_updated(slf, nbytes)
    }

    fn eof_received(slf: &Bound<'_, Self>) -> PyResult<bool> {
        asyncio_protocol::eof_received(slf)
    }

    #[pyo3(signature = (exc = None))]
    fn connection_lost(slf: &Bound<'_, Self>, exc: Option<Py<PyAny>>) {
        asyncio_protocol::connection_lost(slf, exc);
    }

    fn pause_writing(&self, py: Python<'_>) {
        self.state.with(py, |state| state.wire.block(true));
    }

    fn resume_writing(slf: &Bound<'_, Self>) {
        asyncio_protocol::resume_writing(slf);
    }

    // Delivery -----------------------------------------------------------------------------------

    /// Becomes the transport's protocol. Bytes that arrive before `start` are kept.
    fn attach(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        asyncio_protocol::connection_made(slf, transport)?;
        transport.call_method1(intern!(slf.py(), "set_protocol"), (slf,)).map(drop)
    }

    /// Starts delivering, beginning with the bytes in `head`.
    #[pyo3(signature = (head = None))]
    fn start(slf: &Bound<'_, Self>, head: Option<&[u8]>) {
        delivery::start(slf, head.unwrap_or_default());
    }

    fn pause(slf: &Bound<'_, Self>) {
        delivery::pause(slf);
    }

    fn resume(slf: &Bound<'_, Self>) {
        delivery::resume(slf);
    }

    /// Runs in the tick for which the next event has waited.
    fn _next_tick(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        delivery::next_tick(slf);
    }

    /// Delivers what is waiting, except for events that need a tick of their own.
    fn _go_on(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        delivery::go_on(slf);
    }

    /// Notifies callbacks and senders of what was written during a call of the program.
    fn _tell_written(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        flush::tell_written(slf);
    }

    /// True if bytes were received since the last call, or none could be because reading was off.
    fn take_activity(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.take_activity())
    }

    #[getter]
    fn is_paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.is_paused())
    }

    fn recv(slf: &Bound<'_, Self>) -> PyResult<Py<Awaitable>> {
        inbox::recv(slf, Wish::Message)
    }

    fn next(slf: &Bound<'_, Self>) -> PyResult<Py<Awaitable>> {
        inbox::recv(slf, Wish::Next)
    }

    fn finish(slf: &Bound<'_, Self>, error: Py<PyAny>, orderly: bool) {
        inbox::finish(slf, error, orderly);
    }

    #[getter]
    fn get_message_listener(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.session.listener().map(|one| one.clone_ref(py)))
    }

    #[setter]
    fn set_message_listener(slf: &Bound<'_, Self>, value: Option<Py<PyAny>>) {
        #[cfg(unix)]
        {
            let prefetch = value.as_ref().map(|listener| Prefetch::of(listener.bind(slf.py())));
            slf.get()
                .state
                .with(slf.py(), |state| state.set_prefetch(prefetch.unwrap_or_default()));
        }
        drop(delivery::set_listener(slf, value));
    }

    #[getter]
    fn get_wants_ping(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.wants_ping())
    }

    #[setter]
    fn set_wants_ping(&self, py: Python<'_>, value: bool) {
        self.state.with(py, |state| state.session.set_wants_ping(value));
    }

    #[getter]
    fn get_wants_pong(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.wants_pong())
    }

    #[setter]
    fn set_wants_pong(&self, py: Python<'_>, value: bool) {
        self.state.with(py, |state| state.session.set_wants_pong(value));
    }

    #[getter]
    fn get_discard(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.discards())
    }

    #[setter]
    fn set_discard(slf: &Bound<'_, Self>, value: bool) {
        delivery::set_discard(slf, value);
    }

    #[getter]
    fn get_binary_type(&self, py: Python<'_>) -> &'static str {
        match self.state.with(py, |state| state.session.form()) {
            Form::ByteArray => "arraybuffer",
            Form::Fragments => "fragments",
            Form::Bytes | Form::Text => "nodebuffer",
        }
    }

    #[setter]
    fn set_binary_type(&self, py: Python<'_>, value: &str) -> PyResult<()> {
        let form = match value {
            "nodebuffer" => Form::Bytes,
            "arraybuffer" => Form::ByteArray,
            "fragments" => Form::Fragments,
            other => return Err(PyValueError::new_err(format!("unknown binary type {other:?}"))),
        };
        self.state.with(py, |state| state.session.set_form(form));
        Ok(())
    }

    // Sending ------------------------------------------------------------------------------------

    #[pyo3(signature = (data, binary = None, compress = None, fin = true, mask = None, callback = None))]
    fn send(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = send_args::binary)] binary: Option<bool>,
        #[pyo3(from_py_with = send_args::compress)] compress: Option<bool>,
        #[pyo3(from_py_with = send_args::fin)] fin: bool,
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        send::send(slf, data, (binary, compress, fin, mask), callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn ping(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = slf.get().keep(slf.py(), Payload::of_optional(data)?);
        control::send_control(slf, Opcode::Ping, payload.as_slice(), mask, callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn pong(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = slf.get().keep(slf.py(), Payload::of_optional(data)?);
        control::send_control(slf, Opcode::Pong, payload.as_slice(), mask, callback)
    }

    #[pyo3(signature = (code, reason, mask = None, callback = None))]
    fn send_close(
        slf: &Bound<'_, Self>,
        #[pyo3(from_py_with = integers::code)] code: Option<u16>,
        reason: &[u8],
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        control::send_close(slf, code, reason, mask, callback)
    }

    #[getter]
    fn buffered_amount(&self, py: Python<'_>) -> usize {
        flush::buffered_amount(self, py)
    }

    #[getter]
    fn refused(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |state| state.session.counters().refused())
    }

    // The end ------------------------------------------------------------------------------------

    fn end(slf: &Bound<'_, Self>) {
        asyncio_protocol::end(slf);
    }

    fn abort(slf: &Bound<'_, Self>) {
        asyncio_protocol::abort(slf);
    }

    #[getter]
    fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.transport_object(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)?;
        self.context.traverse(&visit)?;
        self.state.for_traverse(|state| state.traverse(visit)).unwrap_or(Ok(()))
    }

    /// Breaks the reference cycles between a listener and its WebSocket.
    fn __clear__(&self) {
        Python::attach(|py| {
            let parts = self.state.with(py, State::take_objects);
            drop(parts);
        });
    }
}
