//! The asyncio side of a connection: what its transport calls, and how it ends one.

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};

use crate::bindings::connection::Connection;
use crate::bindings::connection::state::{Ending, Wire};

/// Bytes that a transport of the loop is offered per read.
const LOOP_READ: usize = 64 * 1024;

impl Connection {
    /// A transport begins: one of the engine, or any of the loop.
    pub fn made(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        #[cfg(unix)]
        let wire = match crate::bindings::event_loop::transport::of_engine(transport) {
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
        #[cfg(unix)]
        let before = match wire {
            Wire::Engine(token) => this
                .reactor(py)
                .sockets
                .with(py, |sockets| Some(sockets.engine()?.out_ref(token)?.total_queued())),
            _ => None,
        };
        #[cfg(not(unix))]
        let before = None;
        let kept = transport.clone().unbind();
        let old = this.state.with(py, |state| {
            state.wire = wire;
            state.counts.begin_wire(before.unwrap_or(0));
            state.transport.replace(kept)
        });
        drop(old);
        Ok(())
    }

    /// Where a transport of the loop puts what it reads next.
    pub fn offer_buffer<'py>(
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

    /// `nbytes` are in the buffer.
    pub fn take_buffer(slf: &Bound<'_, Self>, nbytes: usize) -> PyResult<()> {
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
        Self::flush_answers(slf);
        Ok(())
    }

    /// The peer's FIN on a transport of the loop; whether that stays open.
    pub fn eof_on_transport(slf: &Bound<'_, Self>) -> PyResult<bool> {
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

    /// The transport is gone: what came before is delivered, as far as the queue has room for it now and
    /// whenever it has again; then the owner is told.
    pub fn lost(slf: &Bound<'_, Self>, exc: Option<Py<PyAny>>) {
        let (py, this) = (slf.py(), slf.get());
        Self::tell_written_out(slf);
        let (transport, writes) = this.state.with(py, |state| {
            state.drop_wire();
            state.flow.lost = true;
            state.lost_error = exc;
            state.pongs = 0;
            (state.transport.take(), std::mem::take(&mut state.writes))
        });
        drop(transport);
        let unsent = this.drop_outgoing(py);
        Self::wake_senders(slf);
        Self::deliver_queued(slf);
        Self::deliver_pending(slf);
        let written = writes.into_iter().filter_map(|written| written.callback);
        for callback in written.chain(unsent) {
            let error =
                crate::bindings::connection::outbound::send::connection_closed(py).into_value(py);
            this.reactor(py).call_back(py, &callback, error.into_any());
        }
        Self::after_delivery(slf);
    }

    /// A transport of the loop has room again.
    pub fn writing_resumed(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let live = this.state.with(py, |state| match &mut state.wire {
            Wire::Loop { blocked, .. } => {
                *blocked = false;
                true
            }
            _ => false,
        });
        if !live || this.has_given_up(py) {
            return; // that the transport holds nothing is then no sign that it has written it
        }
        Self::flush(slf);
        Self::written(slf, this.bytes_on_wire(py));
    }

    /// Ends the writing half when what is queued is written.
    pub fn end_wire(slf: &Bound<'_, Self>) {
        Self::end(slf, Ending::Half);
    }

    /// Ends the transport at once; nothing more is delivered.
    pub fn abort_wire(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let (live, waits) = this.state.with(py, |state| {
            state.flow.concluded = true;
            state.stop_jobs();
            let waits = state.flow.lost && !state.flow.lost_told;
            if waits {
                state.pending = Vec::new();
            }
            (!matches!(state.drop_wire(), Wire::None), waits)
        });
        if live {
            this.on_transport(py, "abort");
        } else if waits {
            // The loss is told behind what the queue had no room for, and that is given up.
            this.reactor(py).call_method_soon(slf.as_any(), "_go_on", slf.as_any());
        }
    }

    /// The peer's FIN. True: the transport stays open until what came before is delivered.
    pub fn at_eof(slf: &Bound<'_, Self>) -> bool {
        slf.get().state.with(slf.py(), |state| state.flow.eof = true);
        Self::after_delivery(slf);
        true
    }

    /// Closes the transport when what is queued is written.
    pub fn close_wire(slf: &Bound<'_, Self>) {
        Self::end(slf, Ending::Whole);
    }

    fn end(slf: &Bound<'_, Self>, how: Ending) {
        slf.get().state.with(slf.py(), |state| {
            if !matches!(state.wire, Wire::None) {
                state.flow.end(how);
            }
        });
        Self::flush(slf);
        Self::end_if_written(slf);
    }

    /// Ends what `end_wire` or `close_wire` asked for. A transport of the loop takes nothing after that, so
    /// it must have been given everything first; the engine's own ends when its queue is written.
    pub fn end_if_written(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        if this.state.with(py, |state| state.flow.ending == Ending::Open) || this.has_given_up(py) {
            return;
        }
        let (transport, ending) = this.state.with(py, |state| {
            let flow = &mut state.flow;
            let ready = match &state.wire {
                Wire::None => false,
                #[cfg(unix)]
                Wire::Engine(_) => true,
                Wire::Loop { queued, .. } => queued.is_empty(),
            };
            if flow.ending == flow.ended || !ready || flow.is_behind() {
                return (None, flow.ending);
            }
            flow.ended = flow.ending;
            (state.transport.as_ref().map(|one| one.clone_ref(py)), flow.ending)
        });
        let Some(transport) = transport else { return };
        match Self::end_transport(transport.bind(py), ending) {
            // The peer has reset the connection, and the loop has not noticed yet.
            Err(error) if error.is_instance_of::<PyOSError>(py) => this.on_transport(py, "abort"),
            Err(error) => this.reactor(py).report(py, "a transport's method failed", error),
            Ok(()) => {}
        }
    }

    fn end_transport(transport: &Bound<'_, PyAny>, ending: Ending) -> PyResult<()> {
        let py = transport.py();
        let half = ending == Ending::Half
            && transport.call_method0(intern!(py, "can_write_eof"))?.is_truthy()?;
        let method = if half { intern!(py, "write_eof") } else { intern!(py, "close") };
        transport.call_method0(method).map(drop)
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
}
