//! From the queue to the wire: flushing, callbacks of what is written, and senders that wait for room.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::frame_sink::Queued;
use crate::bindings::connection::awaitable::{Awaitable, Done, Found, Waiter, Wish};
use crate::bindings::connection::{Connection, asyncio_protocol};
#[cfg(unix)]
use crate::bindings::serve::write;
use crate::session::Host;

/// Senders that wait for room.
#[derive(Default)]
pub struct Senders(Vec<Py<Waiter>>);

impl Senders {
    /// Whether none waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that wait now.
    pub fn take(&mut self) -> Vec<Py<Waiter>> {
        std::mem::take(&mut self.0)
    }

    /// Adds a new one. It is not looked for, because a program that awaits nothing adds one at each `send`.
    fn add(&mut self, waiter: Py<Waiter>) {
        self.0.push(waiter);
    }

    /// Adds one that may be among them.
    fn add_again(&mut self, waiter: Py<Waiter>) {
        if !self.0.iter().any(|one| one.is(&waiter)) {
            self.0.push(waiter);
        }
    }

    /// Notes for all that there was room, if they come to ask only after the end.
    fn grant(&self, py: Python<'_>) {
        self.0.iter().for_each(|waiter| waiter.get().grant(py));
    }

    /// Those for whom there was room.
    fn take_granted(&mut self, py: Python<'_>) -> Vec<Py<Waiter>> {
        let (granted, others) =
            self.take().into_iter().partition(|waiter| waiter.get().is_granted(py));
        self.0 = others;
        granted
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.iter().try_for_each(|waiter| visit.call(waiter))
    }
}

fn wake(connection: &Bound<'_, Connection>, waiters: Vec<Py<Waiter>>) {
    let py = connection.py();
    for waiter in waiters {
        Waiter::wake(waiter.bind(py), connection.get().reactor(py));
    }
}

// Senders that wait ------------------------------------------------------------------------------

/// What the sender of a frame gets: done while there is room, else until the queue is at the low mark.
#[inline]
pub fn when_room(connection: &Bound<'_, Connection>, queued: &Queued) -> PyResult<Py<PyAny>> {
    if queued.is_full() { await_room(connection) } else { Done::ready(connection.py()) }
}

fn await_room(connection: &Bound<'_, Connection>) -> PyResult<Py<PyAny>> {
    let (py, this) = (connection.py(), connection.get());
    // What is over the mark was mostly written at once: only what is left counts, and what a transport
    // of the loop holds.
    let left = buffered_amount(this, py);
    if !connection.with(|session| session.is_above_mark(left)) {
        return Done::ready(py);
    }
    let waiter = Py::new(py, Waiter::new(connection.clone().unbind(), Wish::Room))?;
    let kept = waiter.clone_ref(py);
    this.state.with(py, |state| state.senders.add(kept));
    Ok(Py::new(py, Awaitable::new(waiter))?.into_any())
}

/// Whether a sender may go on: less than the low mark is queued, or the wire is gone.
pub fn look_for_room(connection: &Bound<'_, Connection>) -> Found {
    let (py, this) = (connection.py(), connection.get());
    let left = bytes_on_wire(this, py);
    if this.is_connected(py) && !connection.with(|session| session.has_room_after(left)) {
        return Found::Nothing;
    }
    Found::Value(py.None())
}

/// Sees to it that `waiter` is woken when there is room.
pub fn wake_when_room(connection: &Bound<'_, Connection>, waiter: &Bound<'_, Waiter>) {
    let waiter = waiter.clone().unbind();
    connection.get().state.with(connection.py(), |state| state.senders.add_again(waiter));
}

/// Lets the senders that wait go on: the connection is lost.
pub fn wake_senders(connection: &Bound<'_, Connection>) {
    let waiters = connection.get().state.with(connection.py(), |state| state.senders.take());
    wake(connection, waiters);
}

// What is written --------------------------------------------------------------------------------

/// Whether anybody must hear of what is written.
#[inline]
pub fn awaits_writes(connection: &Connection, py: Python<'_>) -> bool {
    connection.state.with(py, |state| state.session.has_marks() || !state.senders.is_empty())
}

/// Calls back for frames that are written out; `left` bytes still wait.
pub fn written(connection: &Bound<'_, Connection>, left: usize) {
    let (py, this) = (connection.py(), connection.get());
    let total = total_queued(this, py).saturating_sub(left as u64);
    // There is room for those who wait by now, not for what a callback may send.
    let waiters = this.state.with(py, |state| {
        if state.session.has_room_after(left) { state.senders.take() } else { Vec::new() }
    });
    call_back(connection, total);
    for waiter in waiters {
        waiter.get().grant(py);
        Waiter::wake(waiter.bind(py), this.reactor(py));
    }
}

/// As [`written`], of what a call of the program's wrote: it is told in the next tick, because ws never calls
/// back within `send`, and a callback that sends again would call itself without end.
fn written_later(connection: &Bound<'_, Connection>, left: usize) {
    let (py, this) = (connection.py(), connection.get());
    let total = total_queued(this, py).saturating_sub(left as u64);
    let first = this.state.with(py, |state| {
        let room = state.session.has_room_after(left) && !state.senders.is_empty();
        if room {
            state.senders.grant(py);
        }
        state.session.write(total, room)
    });
    if first {
        this.reactor(py).call_method_soon(
            connection.as_any(),
            "_tell_written",
            connection.as_any(),
        );
    }
}

/// Tells what [`written_later`] has left to be told; the wire may be gone since.
pub fn tell_written(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    let Some(total) = connection.with(|session| session.take_told()) else { return };
    let granted = this.state.with(py, |state| state.senders.take_granted(py));
    call_back(connection, total);
    wake(connection, granted);
}

/// Calls back for the frames that end at `total` or before.
fn call_back(connection: &Bound<'_, Connection>, total: u64) {
    let (py, this) = (connection.py(), connection.get());
    while let Some(callback) = connection.with(|session| session.take_written(total)) {
        if let Some(callback) = callback {
            this.reactor(py).call_back(py, &callback, py.None());
        }
    }
}

// Writing ----------------------------------------------------------------------------------------

/// Answers to what a transport of the loop brought leave right after it, as the engine's do.
pub fn flush_answers(connection: &Bound<'_, Connection>) {
    let now = connection
        .get()
        .state
        .with(connection.py(), |state| state.wire.is_loop() && !state.session.is_delivering());
    if now {
        flush(connection);
    }
}

/// Writes what is queued, and tells those who wait for it.
pub fn flush(connection: &Bound<'_, Connection>) {
    flush_and_tell(connection, written);
}

/// Writes what is queued, within a call of the program's: those who wait for it are told after that.
pub fn write_out(connection: &Bound<'_, Connection>) {
    flush_and_tell(connection, written_later);
}

fn flush_and_tell(
    connection: &Bound<'_, Connection>,
    tell: impl FnOnce(&Bound<'_, Connection>, usize),
) {
    let (py, this) = (connection.py(), connection.get());
    #[cfg(unix)]
    if let Some(token) = this.token(py) {
        write::flush_and_tell(this.reactor_bound(py), token, tell);
        return;
    }
    let ready = this.state.with(py, |state| {
        let transport = state.wire.transport()?.clone_ref(py);
        Some((transport, state.wire.take_queued()?))
    });
    let Some((transport, bytes)) = ready else { return };
    let data = PyBytes::new(py, &bytes);
    if let Err(error) = transport.call_method1(py, intern!(py, "write"), (data,)) {
        this.reactor(py).report(py, "the transport refused to write", error);
    }
    let gone = awaits_writes(this, py) && has_given_up(this, py);
    asyncio_protocol::end_if_written(connection);
    if awaits_writes(this, py) && !gone {
        tell(connection, bytes_on_wire(this, py));
    }
}

/// Whether the transport has ended by itself: what it holds no more was dropped, and the loss will be told.
#[cold]
pub fn has_given_up(connection: &Connection, py: Python<'_>) -> bool {
    let transport = connection.state.with(py, |state| {
        let open = state.session.is_transport_open();
        state.wire.transport().filter(|_| open).map(|one| one.clone_ref(py))
    });
    transport.is_some_and(|transport| {
        let closing = transport.call_method0(py, intern!(py, "is_closing"));
        closing.and_then(|closing| closing.is_truthy(py)).unwrap_or(false)
    })
}

/// Bytes queued here and in the transport, and those that wait to be compressed.
pub fn buffered_amount(connection: &Connection, py: Python<'_>) -> usize {
    let behind = connection.state.with(py, |state| state.session.bytes_waiting());
    bytes_on_wire(connection, py) + behind
}

/// Bytes queued here and in the transport.
pub fn bytes_on_wire(connection: &Connection, py: Python<'_>) -> usize {
    #[cfg(unix)]
    if let Some(queue) = connection.engine_queue(py, |queue| queue.len()) {
        return queue;
    }
    let (here, transport) = connection.state.with(py, |state| {
        let (here, transport) = state.wire.queued();
        (here, transport.map(|one| one.clone_ref(py)))
    });
    let there = transport.and_then(|transport| {
        let size = transport.call_method0(py, intern!(py, "get_write_buffer_size"));
        size.and_then(|size| size.extract::<usize>(py)).ok()
    });
    here + there.unwrap_or(0)
}

/// The place in the outgoing stream where what is queued ends.
fn total_queued(connection: &Connection, py: Python<'_>) -> u64 {
    #[cfg(unix)]
    if let Some(total) = connection.engine_queue(py, |queue| queue.total_queued()) {
        return total;
    }
    connection.state.with(py, |state| state.wire.written_and_total().1)
}

/// What the wire has written since it was made; 0 when it is gone.
pub fn total_written(connection: &Connection, py: Python<'_>) -> u64 {
    #[cfg(unix)]
    if let Some(written) = connection.engine_queue(py, |queue| queue.total_written()) {
        return written;
    }
    connection.state.with(py, |state| state.wire.written_and_total().0)
}
