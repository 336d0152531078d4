//! `Connection`: one WebSocket connection as an `asyncio.BufferedProtocol`, on a socket of the engine
//! or on any transport of the loop.

pub mod asyncio_protocol;
pub mod awaitable;
pub mod counts;
pub mod inbound;
pub mod outbound;
pub mod state;

use std::collections::VecDeque;

use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyMemoryView, PyTuple, PyType};

use crate::bindings::api::per_message_deflate::PerMessageDeflate;
use crate::bindings::connection::awaitable::{Awaitable, Wish};
use crate::bindings::connection::counts::Counts;
use crate::bindings::connection::outbound::control::FrameKind;
use crate::bindings::connection::state::{BinaryType, Finish, Flow, Settings, State, Wire};
use crate::bindings::convert::payload::Payload;
use crate::bindings::convert::send_args;
#[cfg(unix)]
use crate::bindings::event_loop::prefetch::Reach;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::py::gil_cell::GilCell;
#[cfg(unix)]
use crate::engine::Token;
use crate::protocol::Role;
use crate::protocol::receiver::{Receiver, ReceiverOptions};
use crate::protocol::sender::Sender;

/// See `wsrs._backend.contract.Connection`, the protocol that this class has in common with the pure core.
#[pyclass(frozen, subclass, weakref, module = "wsrs._core")]
pub struct Connection {
    pub(in crate::bindings) reactor: Py<Reactor>,
    pub(in crate::bindings) state: GilCell<State>,
    /// Where a transport of the loop puts what it has read; there only on such a transport.
    pub(in crate::bindings) incoming: GilCell<Option<Py<PyByteArray>>>,
}

impl Connection {
    #[inline]
    pub fn reactor(&self, _py: Python<'_>) -> &Reactor {
        self.reactor.get()
    }

    pub fn reactor_bound<'py>(&self, py: Python<'py>) -> &Bound<'py, Reactor> {
        self.reactor.bind(py)
    }

    pub fn is_server(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.settings.is_server)
    }

    pub fn is_connected(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| !matches!(state.wire, Wire::None))
    }

    #[cfg(unix)]
    #[inline]
    pub fn token(&self, py: Python<'_>) -> Option<Token> {
        self.state.with(py, |state| match state.wire {
            Wire::Engine(token) => Some(token),
            _ => None,
        })
    }

    /// Calls a method of the owner; what it raises goes to the loop's exception handler.
    pub fn tell_owner<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        arguments: impl PyCallArgs<'py> + IntoPyObject<'py, Target = PyTuple>,
    ) {
        let owner = self.state.with(py, |state| state.owner.as_ref().map(|one| one.clone_ref(py)));
        if let Some(owner) = owner
            && let Err(error) = owner.call_method1(py, method, arguments)
        {
            self.reactor(py).report(py, "a WebSocket's event failed", error);
        }
    }
}

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (*, r#loop, owner, is_server, max_payload = 104_857_600, max_fragments = 16_384,
        max_buffered_chunks = 262_144, max_pending_auto_pongs = 60, auto_pong = true,
        skip_utf8_validation = false, allow_synchronous_events = true, deflate = None,
        generate_mask = None, high_water_mark = 65_536, refuse_above_mark = false, read_ahead = 0))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn new(
        r#loop: &Bound<'_, PyAny>,
        owner: Py<PyAny>,
        is_server: bool,
        max_payload: u64,
        max_fragments: u32,
        max_buffered_chunks: u32,
        max_pending_auto_pongs: usize,
        auto_pong: bool,
        skip_utf8_validation: bool,
        allow_synchronous_events: bool,
        deflate: Option<&Bound<'_, PerMessageDeflate>>,
        generate_mask: Option<Py<PyAny>>,
        high_water_mark: usize,
        refuse_above_mark: bool,
        read_ahead: usize,
    ) -> PyResult<Self> {
        let role = if is_server { Role::Server } else { Role::Client };
        let params = deflate.map(|one| one.get().negotiated(r#loop.py())).transpose()?.flatten();
        let concurrency_limit = deflate.map_or(1, |one| one.get().concurrency_limit());
        let mut state = State {
            wire: Wire::None,
            transport: None,
            owner: Some(owner),
            listener: None,
            #[cfg(unix)]
            reach: Reach::default(),
            generate_mask,
            receiver: Receiver::new(ReceiverOptions {
                role,
                max_payload,
                max_fragments,
                max_buffered_chunks,
                skip_utf8_validation,
                inflate: params.as_ref().map(|(inflate, _)| *inflate),
            }),
            sender: Sender::new(role, params.map(|(_, deflate)| deflate)),
            settings: Settings {
                is_server,
                auto_pong,
                allow_synchronous_events,
                skip_utf8_validation,
                max_pending_auto_pongs,
                high_water_mark,
                refuse_above_mark,
                read_ahead,
                concurrency_limit,
            },
            flow: Flow::default(),
            binary_type: BinaryType::Bytes,
            wants_ping: false,
            wants_pong: false,
            discard: false,
            fault: None,
            pending: Vec::new(),
            ahead: None,
            counts: Counts::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            recv: None,
            next: None,
            finish: None,
            lost_error: None,
            writes: VecDeque::new(),
            pongs: 0,
            drains: Vec::new(),
            outgoing: None,
            inflating: None,
        };
        state.receiver.set_mark(crate::bindings::offload::thread_pool::LONG);
        let reactor = Reactor::of(r#loop)?;
        Ok(Self { reactor, state: GilCell::new(state), incoming: GilCell::new(None) })
    }

    // The asyncio side ---------------------------------------------------------------------------

    fn connection_made(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::made(slf, transport)
    }

    #[pyo3(signature = (sizehint = -1))]
    fn get_buffer<'py>(
        &self,
        py: Python<'py>,
        sizehint: isize,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        self.offer_buffer(py, sizehint)
    }

    fn buffer_updated(slf: &Bound<'_, Self>, nbytes: usize) -> PyResult<()> {
        Self::take_buffer(slf, nbytes)
    }

    fn eof_received(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::eof_on_transport(slf)
    }

    #[pyo3(signature = (exc = None))]
    fn connection_lost(slf: &Bound<'_, Self>, exc: Option<Py<PyAny>>) {
        Self::lost(slf, exc);
    }

    fn pause_writing(&self, py: Python<'_>) {
        self.state.with(py, |state| {
            if let Wire::Loop { blocked, .. } = &mut state.wire {
                *blocked = true;
            }
        });
    }

    fn resume_writing(slf: &Bound<'_, Self>) {
        Self::writing_resumed(slf);
    }

    // Delivery -----------------------------------------------------------------------------------

    /// Becomes the transport's protocol; what comes before `start` is kept.
    fn attach(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::connection_made(slf, transport)?;
        transport.call_method1(intern!(slf.py(), "set_protocol"), (slf,)).map(drop)
    }

    /// Begins to deliver: `head` first.
    #[pyo3(signature = (head = None))]
    fn start(slf: &Bound<'_, Self>, head: Option<&[u8]>) {
        Self::begin(slf, head);
    }

    fn pause(slf: &Bound<'_, Self>) {
        Self::hold(slf);
    }

    fn resume(slf: &Bound<'_, Self>) {
        Self::release(slf);
    }

    /// The tick has come that the next event waits for.
    fn _next_tick(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        slf.get().state.with(slf.py(), |state| state.flow.wait_for_tick(false));
        Self::go_on(slf);
    }

    /// Goes on with what waits, as far as it need not wait for a tick of its own.
    fn _go_on(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        Self::go_on(slf);
    }

    /// Tells what a call of the program's has written.
    fn _tell_written(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        Self::tell_written_out(slf);
    }

    /// Whether bytes came, or none could because reading was off, since the last call.
    fn take_activity(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| {
            std::mem::replace(&mut state.flow.active, false) || state.flow.reading_off
        })
    }

    #[getter]
    fn is_paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.flow.paused)
    }

    fn recv(slf: &Bound<'_, Self>) -> PyResult<Py<Awaitable>> {
        Self::waiter(slf, Wish::Message)
    }

    fn next(slf: &Bound<'_, Self>) -> PyResult<Py<Awaitable>> {
        Self::waiter(slf, Wish::Next)
    }

    fn finish(slf: &Bound<'_, Self>, error: Py<PyAny>, orderly: bool) {
        let old =
            slf.get().state.with(slf.py(), |state| state.finish.replace(Finish { error, orderly }));
        drop(old);
        Self::wake_receiver(slf);
    }

    #[getter]
    fn get_message_listener(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.listener.as_ref().map(|one| one.clone_ref(py)))
    }

    #[setter]
    fn set_message_listener(slf: &Bound<'_, Self>, value: Option<Py<PyAny>>) {
        Self::listen(slf, value);
    }

    #[getter]
    fn get_wants_ping(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.wants_ping)
    }

    #[setter]
    fn set_wants_ping(&self, py: Python<'_>, value: bool) {
        self.state.with(py, |state| state.wants_ping = value);
    }

    #[getter]
    fn get_wants_pong(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.wants_pong)
    }

    #[setter]
    fn set_wants_pong(&self, py: Python<'_>, value: bool) {
        self.state.with(py, |state| state.wants_pong = value);
    }

    #[getter]
    fn get_discard(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.discard)
    }

    #[setter]
    fn set_discard(slf: &Bound<'_, Self>, value: bool) {
        Self::discard_messages(slf, value);
    }

    #[getter]
    fn get_binary_type(&self, py: Python<'_>) -> &'static str {
        match self.state.with(py, |state| state.binary_type) {
            BinaryType::Bytes => "nodebuffer",
            BinaryType::ByteArray => "arraybuffer",
            BinaryType::Fragments => "fragments",
        }
    }

    #[setter]
    fn set_binary_type(&self, py: Python<'_>, value: &str) -> PyResult<()> {
        let binary_type = match value {
            "nodebuffer" => BinaryType::Bytes,
            "arraybuffer" => BinaryType::ByteArray,
            "fragments" => BinaryType::Fragments,
            other => return Err(PyValueError::new_err(format!("unknown binary type {other:?}"))),
        };
        self.state.with(py, |state| {
            state.binary_type = binary_type;
            state.receiver.set_fragments(binary_type == BinaryType::Fragments);
        });
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
        Self::send_now(slf, data, (binary, compress, fin, mask), callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn ping(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = Payload::of_optional(data)?;
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_control_with(slf, FrameKind::Ping, payload.as_slice(), mask, callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn pong(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = Payload::of_optional(data)?;
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_control_with(slf, FrameKind::Pong, payload.as_slice(), mask, callback)
    }

    #[pyo3(signature = (code, reason, mask = None, callback = None))]
    fn send_close(
        slf: &Bound<'_, Self>,
        code: Option<u16>,
        reason: &[u8],
        #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
        #[pyo3(from_py_with = send_args::callback)] callback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_close(slf, code, reason, mask, callback)
    }

    #[getter]
    fn buffered_amount(&self, py: Python<'_>) -> usize {
        self.queued_bytes(py)
    }

    #[getter]
    fn refused(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |state| state.counts.refused)
    }

    // The end ------------------------------------------------------------------------------------

    #[pyo3(name = "end")]
    fn py_end(slf: &Bound<'_, Self>) {
        Self::end_wire(slf);
    }

    fn abort(slf: &Bound<'_, Self>) {
        Self::abort_wire(slf);
    }

    #[getter]
    fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.transport.as_ref().map(|one| one.clone_ref(py)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)?;
        self.state.for_traverse(|state| state.traverse(visit)).unwrap_or(Ok(()))
    }

    /// Breaks the cycles that a listener and its WebSocket make.
    fn __clear__(&self) {
        Python::attach(|py| {
            let parts = self.state.with(py, |state| {
                (
                    (state.transport.take(), state.owner.take(), state.listener.take()),
                    (state.generate_mask.take(), state.finish.take(), state.lost_error.take()),
                    (std::mem::take(&mut state.queue), std::mem::take(&mut state.writes)),
                    (std::mem::take(&mut state.drains), state.recv.take(), state.next.take()),
                    state.outgoing.take(),
                )
            });
            drop(parts);
        });
    }
}

/// `Connection` as asyncio knows it: its transports ask whether a protocol is an instance of
/// `asyncio.BufferedProtocol`, so the class that Python sees has both bases.
pub fn connection_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let native = py.get_type::<Connection>();
    let buffered = py.import("asyncio")?.getattr("BufferedProtocol")?;
    let members = PyDict::new(py);
    members.set_item("__slots__", ())?;
    members.set_item("__module__", "wsrs._core")?;
    members.set_item("__doc__", native.getattr("__doc__")?)?;
    py.get_type::<PyType>().call1(("Connection", (native, buffered), members))
}
