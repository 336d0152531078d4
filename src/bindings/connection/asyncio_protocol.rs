//! The asyncio side of a connection: the methods that its transport calls, and how that transport is ended.

#![allow(unsafe_code)]

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};

use super::Connection;
use super::outbound::{flush, send};
use crate::bindings::event_loop::slices;
use crate::session::{Ending, Host, Soon, delivery};

/// Size in bytes of the buffer that a transport of the loop is offered for a read.
const LOOP_READ: usize = 64 * 1024;

impl Connection {
    /// The buffer into which a transport of the loop reads next. All connections of the loop share it: a
    /// transport asks for it, reads and calls `buffer_updated` without a break. One that finds nothing to read,
    /// such as a TLS transport with a part of a record, would otherwise pin a buffer of its own.
    pub fn offer_buffer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        let reactor = self.reactor(py);
        let found = reactor.with_shared(py, |shared| shared.loop_buffer(py));
        let buffer = found.unwrap_or_else(|| {
            let made = PyByteArray::new(py, &[0; LOOP_READ]).unbind();
            let kept = made.clone_ref(py);
            reactor.with_shared(py, |shared| shared.set_loop_buffer(kept));
            made
        });
        // It has to be a view, because asyncio's TLS transport writes into slices of it.
        PyMemoryView::from(buffer.bind(py))
    }

    fn call_transport(&self, py: Python<'_>, method: &str) {
        if let Some(transport) = self.transport_object(py)
            && let Err(error) = transport.call_method0(py, method)
        {
            self.reactor(py).report(py, "a transport's method failed", error);
        }
    }
}

/// Connects the connection to its transport, which belongs to the engine or to the loop.
pub fn connection_made(
    connection: &Bound<'_, Connection>,
    transport: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (py, this) = (connection.py(), connection.get());
    let kept = transport.clone().unbind();
    #[cfg(unix)]
    if let Some(own) = crate::bindings::event_loop::transport::of_engine(transport) {
        if !own.get().reactor().is(&this.reactor) {
            return Err(PyRuntimeError::new_err("the transport belongs to another loop"));
        }
        let token = own.get().token();
        let written = this
            .reactor(py)
            .with_sockets(py, |sockets| Some(sockets.engine()?.out_ref(token)?.total_queued()));
        let old = this.state.with(py, |state| {
            state.session.connect(written.unwrap_or(0));
            state.wire.open_engine(token, kept)
        });
        drop(old);
        return Ok(());
    }
    // With these marks, whatever the transport cannot write at once waits in our own queue, where it is
    // counted. TLS transports pause at the mark and other transports above it: with a mark of 0, a TLS
    // transport would pause even when everything is written.
    let tls = !transport.call_method1("get_extra_info", ("sslcontext",))?.is_none();
    transport.call_method1("set_write_buffer_limits", (usize::from(tls),))?;
    let old = this.state.with(py, |state| {
        state.session.connect(0);
        state.wire.open_loop(kept)
    });
    drop(old);
    Ok(())
}

/// Delivers the `nbytes` that the transport has put into the buffer.
pub fn buffer_updated(connection: &Bound<'_, Connection>, nbytes: usize) -> PyResult<()> {
    let (py, this) = (connection.py(), connection.get());
    this.reactor(py).enter(py);
    let Some(buffer) = this.reactor(py).with_shared(py, |shared| shared.loop_buffer(py)) else {
        return Err(PyRuntimeError::new_err("buffer_updated() without get_buffer()"));
    };
    let buffer = buffer.bind(py);
    if nbytes > buffer.len() {
        return Err(PyValueError::new_err(format!("{nbytes} bytes are more than the buffer has")));
    }
    // SAFETY: the GIL is held, and no Python code runs before the bytes are copied.
    let mut bytes = unsafe { buffer.as_bytes() }[..nbytes].to_vec();
    if slices::count_and_check(this.reactor_bound(py), nbytes) {
        delivery::wait_for_slice(connection);
    }
    delivery::feed(connection, &mut bytes);
    flush::flush_answers(connection);
    Ok(())
}

/// Handles the peer's FIN on a transport of the loop. True if the transport stays open until everything
/// received before is delivered.
pub fn eof_received(connection: &Bound<'_, Connection>) -> PyResult<bool> {
    let py = connection.py();
    let transport = connection.get().transport_object(py);
    delivery::receive_eof(connection);
    // TLS cannot stay open in one direction. Its transports say so in `can_write_eof`, and close.
    match transport {
        Some(transport) => transport.call_method0(py, intern!(py, "can_write_eof"))?.is_truthy(py),
        None => Ok(true),
    }
}

/// Handles the loss of the transport. What was received before is delivered, as far as the inbox has room now
/// and whenever it has room again; then the owner is told of the loss.
pub fn connection_lost(connection: &Bound<'_, Connection>, exc: Option<Py<PyAny>>) {
    let (py, this) = (connection.py(), connection.get());
    flush::tell_written(connection);
    let (transport, unsent) = this.state.with(py, |state| state.lose(exc));
    drop(transport);
    let unsent: Vec<_> = unsent.collect();
    flush::wake_senders(connection);
    delivery::deliver_inbox(connection);
    delivery::deliver_backlog(connection);
    for callback in unsent {
        let error = send::connection_closed(py).into_value(py);
        this.reactor(py).call_back(py, &callback, error.into_any());
    }
    delivery::after_delivery(connection);
}

/// Goes on writing, since a transport of the loop has room again.
pub fn resume_writing(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    let live = this.state.with(py, |state| state.wire.block(false));
    if !live || flush::has_given_up(this, py) {
        return; // then the transport may be empty without having written what it held
    }
    flush::flush(connection);
    flush::written(connection, flush::bytes_on_wire(this, py));
}

/// Ends the writing half of the transport once everything queued is written.
pub fn end(connection: &Bound<'_, Connection>) {
    end_as(connection, Ending::Half);
}

/// Closes the transport once everything queued is written.
pub fn close(connection: &Bound<'_, Connection>) {
    end_as(connection, Ending::Whole);
}

/// Aborts the transport at once. Nothing more is delivered. As in ws, what was sent before in this tick is on
/// its way, as far as the transport takes it: Node writes within `send`.
pub fn abort(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    flush::write_out(connection);
    let (was_connected, loss_is_due) = this.state.with(py, |state| {
        let was_connected = state.session.is_connected();
        state.wire.close(state.session.counters_mut());
        (was_connected, state.session.abort())
    });
    if was_connected {
        this.call_transport(py, "abort");
    } else if loss_is_due {
        connection.soon(Soon::GoOn);
    }
}

fn end_as(connection: &Bound<'_, Connection>, how: Ending) {
    connection.with(|session| session.end(how));
    flush::flush(connection);
    end_if_written(connection);
}

/// Carries out the `end` or `close` that was asked for, if everything is written.
pub fn end_if_written(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    if !connection.with(|session| session.is_ending()) || flush::has_given_up(this, py) {
        return;
    }
    let due = this.state.with(py, |state| {
        let how = state.session.take_ending(state.wire.may_end())?;
        Some((state.wire.transport()?.clone_ref(py), how))
    });
    let Some((transport, how)) = due else { return };
    match end_transport(transport.bind(py), how) {
        // The peer has reset the connection, and the loop has not noticed yet.
        Err(error) if error.is_instance_of::<PyOSError>(py) => this.call_transport(py, "abort"),
        Err(error) => this.reactor(py).report(py, "a transport's method failed", error),
        Ok(()) => {}
    }
}

fn end_transport(transport: &Bound<'_, PyAny>, how: Ending) -> PyResult<()> {
    let py = transport.py();
    let half =
        how == Ending::Half && transport.call_method0(intern!(py, "can_write_eof"))?.is_truthy()?;
    let method = if half { intern!(py, "write_eof") } else { intern!(py, "close") };
    transport.call_method0(method).map(drop)
}
