//! `Connection`: one WebSocket connection as an `asyncio.BufferedProtocol`, on a socket of the engine
//! or on any transport of the loop.

use std::collections::VecDeque;

use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView, PyTuple};

use super::cell::GilCell;
use super::data::Payload;
use super::extension::PerMessageDeflate;
use super::outbound::FrameKind;
use super::reactor::Reactor;
use super::state::{BinaryType, Finish, Flow, Settings, State, Wire};
use super::waiter::{Awaitable, Waiter, Wish};
#[cfg(unix)]
use crate::engine::Token;
use crate::protocol::Role;
use crate::protocol::receiver::{Receiver, ReceiverOptions};
use crate::protocol::sender::{SendOptions, Sender};

/// Bytes that a transport of the loop is offered per read.
const LOOP_READ: usize = 64 * 1024;

/// See `wsrs._backend.Connection`, the protocol that this class has in common with the pure core.
#[pyclass(frozen, subclass, weakref, module = "wsrs._core")]
pub struct Connection {
    reactor: Py<Reactor>,
    pub(super) state: GilCell<State>,
    /// Where a transport of the loop puts what it has read; there only on such a transport.
    incoming: GilCell<Option<Py<PyByteArray>>>,
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

    /// Receives into the message itself, if a long frame is on its way; None where it is not.
    #[cfg(unix)]
    pub fn receive_direct(
        &self,
        py: Python<'_>,
        at_least: usize,
        read: impl FnOnce(&mut [std::mem::MaybeUninit<u8>]) -> crate::engine::Read,
    ) -> Option<crate::engine::Read> {
        self.state.with(py, |state| {
            if !state.pending.is_empty() || !state.may_deliver() || state.flow.delivering {
                return None;
            }
            match super::direct::receive(&mut state.receiver, at_least, read) {
                Ok(read) => read,
                Err(fault) => {
                    state.fault = Some(fault);
                    Some(crate::engine::Read::Data { n: 0, drained: true })
                }
            }
        })
    }

    /// The peer's FIN. True: the transport stays open until what came before is delivered.
    pub fn at_eof(slf: &Bound<'_, Self>) -> bool {
        slf.get().state.with(slf.py(), |state| state.flow.eof = true);
        Self::after_delivery(slf);
        true
    }

    /// Closes the transport when what is queued is written.
    pub fn close_wire(slf: &Bound<'_, Self>) {
        Self::flush(slf);
        slf.get().on_transport(slf.py(), "close");
    }

    fn on_transport(&self, py: Python<'_>, method: &str) {
        let transport = self
            .state
            .with(py, |state| state.transport.as_ref().map(|transport| transport.clone_ref(py)));
        if let Some(transport) = transport
            && let Err(error) = transport.call_method0(py, method)
        {
            self.reactor(py).report(py, "a transport's method failed", error);
        }
    }

    fn waiter(slf: &Bound<'_, Self>, wish: Wish) -> PyResult<Py<Awaitable>> {
        let (py, this) = (slf.py(), slf.get());
        let found = this.state.with(py, |state| {
            state.flow.claimed = true;
            let slot = if wish == Wish::Next { &state.next } else { &state.recv };
            slot.as_ref().map(|waiter| waiter.clone_ref(py))
        });
        if let Some(waiter) = found {
            return Ok(waiter);
        }
        let waiter = Py::new(py, Waiter::new(slf.clone().unbind(), wish))?;
        let made = Py::new(py, Awaitable { waiter })?;
        let kept = made.clone_ref(py);
        this.state.with(py, |state| {
            let slot = if wish == Wish::Next { &mut state.next } else { &mut state.recv };
            *slot = Some(kept);
        });
        Ok(made)
    }
}

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (*, r#loop, owner, is_server, max_payload = 104_857_600, max_fragments = 16_384,
        max_buffered_chunks = 262_144, max_pending_auto_pongs = 60, auto_pong = true,
        skip_utf8_validation = false, allow_synchronous_events = true, deflate = None,
        generate_mask = None, high_water_mark = 65_536))]
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
    ) -> PyResult<Self> {
        let role = if is_server { Role::Server } else { Role::Client };
        let params = deflate.map(|one| one.get().negotiated(r#loop.py())).transpose()?.flatten();
        let state = State {
            wire: Wire::None,
            transport: None,
            owner: Some(owner),
            listener: None,
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
            },
            flow: Flow::default(),
            binary_type: BinaryType::Bytes,
            wants_ping: false,
            wants_pong: false,
            discard: false,
            fault: None,
            pending: Vec::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            recv: None,
            next: None,
            finish: None,
            lost_error: None,
            writes: VecDeque::new(),
            pongs: 0,
            drains: Vec::new(),
        };
        let reactor = Reactor::of(r#loop)?;
        Ok(Self { reactor, state: GilCell::new(state), incoming: GilCell::new(None) })
    }

    // The asyncio side ---------------------------------------------------------------------------

    fn connection_made(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        #[cfg(unix)]
        let wire = match super::transport::of_engine(transport) {
            Some(own) if own.get().reactor().is(&this.reactor) => Wire::Engine(own.get().token()),
            Some(_) => return Err(PyRuntimeError::new_err("the transport is another loop's")),
            None => Wire::Loop { queued: Vec::new(), written: 0, blocked: false },
        };
        #[cfg(not(unix))]
        let wire = Wire::Loop { queued: Vec::new(), written: 0, blocked: false };
        if matches!(wire, Wire::Loop { .. }) {
            // What it does not take at once waits here, where it is counted. TLS transports pause at
            // the mark, the others above it: at 0 the former would pause when all is written.
            let tls = !transport.call_method1("get_extra_info", ("sslcontext",))?.is_none();
            transport.call_method1("set_write_buffer_limits", (usize::from(tls),))?;
        }
        let kept = transport.clone().unbind();
        let old = this.state.with(py, |state| {
            state.wire = wire;
            state.transport.replace(kept)
        });
        drop(old);
        Ok(())
    }

    #[pyo3(signature = (sizehint = -1))]
    fn get_buffer<'py>(
        &self,
        py: Python<'py>,
        sizehint: isize,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let _ = sizehint;
        let found = self.incoming.with(py, |slot| slot.as_ref().map(|one| one.clone_ref(py)));
        let buffer = found.unwrap_or_else(|| {
            let made = PyByteArray::new(py, &[0; LOOP_READ]).unbind();
            let kept = made.clone_ref(py);
            self.incoming.with(py, |slot| *slot = Some(kept));
            made
        });
        // A view, because asyncio's TLS writes into slices of it.
        PyMemoryView::from(buffer.bind(py))
    }

    fn buffer_updated(slf: &Bound<'_, Self>, nbytes: usize) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(incoming) = this.incoming.with(py, Option::take) else {
            return Err(PyRuntimeError::new_err("buffer_updated() without get_buffer()"));
        };
        let mut bytes = incoming.bind(py).to_vec();
        if nbytes > bytes.len() {
            return Err(PyValueError::new_err(format!(
                "{nbytes} bytes are more than the buffer has"
            )));
        }
        bytes.truncate(nbytes);
        Self::feed(slf, &mut bytes);
        Ok(())
    }

    fn eof_received(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        let transport =
            this.state.with(py, |state| state.transport.as_ref().map(|one| one.clone_ref(py)));
        let keep = Self::at_eof(slf);
        // TLS cannot stay open in one direction: its transports say so, and close.
        match transport {
            Some(transport) => {
                Ok(keep
                    && transport.call_method0(py, intern!(py, "can_write_eof"))?.is_truthy(py)?)
            }
            None => Ok(keep),
        }
    }

    #[pyo3(signature = (exc = None))]
    fn connection_lost(slf: &Bound<'_, Self>, exc: Option<Py<PyAny>>) {
        let (py, this) = (slf.py(), slf.get());
        let (transport, writes) = this.state.with(py, |state| {
            state.wire = Wire::None;
            state.flow.lost = true;
            state.flow.next_tick = false;
            state.lost_error = exc;
            state.pongs = 0;
            (state.transport.take(), std::mem::take(&mut state.writes))
        });
        drop(transport);
        Self::wake_senders(slf);
        Self::deliver_pending(slf);
        for written in writes {
            if let Some(callback) = written.callback {
                let error = super::outbound::connection_closed(py);
                if let Err(error) = callback.call1(py, (error.into_value(py),)) {
                    this.reactor(py).report(py, "a send callback raised an exception", error);
                }
            }
        }
        Self::after_delivery(slf);
    }

    fn pause_writing(&self, py: Python<'_>) {
        self.state.with(py, |state| {
            if let Wire::Loop { blocked, .. } = &mut state.wire {
                *blocked = true;
            }
        });
    }

    fn resume_writing(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        this.state.with(py, |state| {
            if let Wire::Loop { blocked, .. } = &mut state.wire {
                *blocked = false;
            }
        });
        Self::flush(slf);
        Self::written(slf, this.queued_bytes(py));
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
        let (py, this) = (slf.py(), slf.get());
        this.state.with(py, |state| {
            state.flow.started = true;
            if let Some(head) = head.filter(|head| !head.is_empty()) {
                let later = std::mem::take(&mut state.pending);
                state.pending = [head, &later].concat();
            }
        });
        Self::deliver_pending(slf);
        Self::after_delivery(slf);
    }

    fn pause(slf: &Bound<'_, Self>) {
        slf.get().state.with(slf.py(), |state| state.flow.paused = true);
        Self::after_delivery(slf);
    }

    fn resume(slf: &Bound<'_, Self>) {
        slf.get().state.with(slf.py(), |state| state.flow.paused = false);
        Self::after_delivery(slf);
        slf.get().reactor(slf.py()).call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
    }

    /// Goes on with what waits, in a tick of its own.
    fn _next_tick(slf: &Bound<'_, Self>, _connection: &Bound<'_, PyAny>) {
        slf.get().state.with(slf.py(), |state| state.flow.next_tick = false);
        Self::deliver_queued(slf);
        Self::deliver_pending(slf);
        Self::after_delivery(slf);
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
        let (py, this) = (slf.py(), slf.get());
        let (old, waiting) = this.state.with(py, |state| {
            let waiting = value.is_some() && !state.queue.is_empty() && !state.flow.claimed;
            (std::mem::replace(&mut state.listener, value), waiting)
        });
        drop(old);
        if waiting {
            this.reactor(py).call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
        }
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
        let stalled = slf.get().state.with(slf.py(), |state| {
            state.discard = value;
            let stalled = value && state.flow.stalled;
            state.flow.stalled &= !stalled;
            stalled
        });
        if stalled {
            slf.get().reactor(slf.py()).call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
        }
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
        binary: Option<bool>,
        compress: Option<bool>,
        fin: bool,
        mask: Option<bool>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = Payload::of(data)?;
        let options = SendOptions {
            binary: binary.unwrap_or_else(|| !payload.is_text()),
            compress: compress.unwrap_or(true),
            fin,
        };
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_message(slf, &payload, options, mask, callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn ping(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        mask: Option<bool>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = Payload::of_optional(data)?;
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_control_with(slf, FrameKind::Ping, payload.as_slice(), mask, callback)
    }

    #[pyo3(signature = (data = None, mask = None, callback = None))]
    fn pong(
        slf: &Bound<'_, Self>,
        data: Option<&Bound<'_, PyAny>>,
        mask: Option<bool>,
        callback: Option<Py<PyAny>>,
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
        mask: Option<bool>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_close(slf, code, reason, mask, callback)
    }

    #[getter]
    fn buffered_amount(&self, py: Python<'_>) -> usize {
        self.queued_bytes(py)
    }

    // The end ------------------------------------------------------------------------------------

    fn end(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        Self::flush(slf);
        let transport = this.state.with(py, |state| {
            let live = !matches!(state.wire, Wire::None);
            state.transport.as_ref().filter(|_| live).map(|one| one.clone_ref(py))
        });
        let Some(transport) = transport else { return Ok(()) };
        let half = transport.call_method0(py, intern!(py, "can_write_eof"))?.is_truthy(py)?;
        let method = if half { "write_eof" } else { "close" };
        transport.call_method0(py, method).map(drop)
    }

    fn abort(&self, py: Python<'_>) {
        let live = self.state.with(py, |state| {
            state.flow.concluded = true;
            !matches!(std::mem::replace(&mut state.wire, Wire::None), Wire::None)
        });
        if live {
            self.on_transport(py, "abort");
        }
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
                )
            });
            drop(parts);
        });
    }
}
