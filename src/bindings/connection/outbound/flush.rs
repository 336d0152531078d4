//! From the queue to the wire: writes the queue, calls the callbacks of frames that are written, and wakes
//! senders that wait for room.

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
    /// True if no sender waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all senders that wait now.
    pub fn take(&mut self) -> Vec<Py<Waiter>> {
        std::mem::take(&mut self.0)
    }

    /// Adds a new waiter. It does not look for a duplicate, because a program that awaits nothing adds one on
    /// each `send`.
    fn add(&mut self, waiter: Py<Waiter>) {
        self.0.push(waiter);
    }

    /// Adds a waiter unless it is among them already.
    fn add_again(&mut self, waiter: Py<Waiter>) {
        if !self.0.iter().any(|one| one.is(&waiter)) {
            self.0.push(waiter);
        }
    }

    /// Records for all of them that there was room, in case they only run after the connection has ended.
    fn grant(&self, py: Python<'_>) {
        self.0.iter().for_each(|waiter| waiter.get().grant(py));
    }

    /// Takes the senders for which there was room.
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

/// Returns what the sender of a frame awaits. It is done if there is room, and otherwise waits until the
/// queue has fallen to the low-water mark.
#[inline]
pub fn when_room(connection: &Bound<'_, Connection>, queued: &Queued) -> PyResult<Py<PyAny>> {
    if queued.is_full() { await_room(connection) } else { Done::ready(connection.py()) }
}

fn await_room(connection: &Bound<'_, Connection>) -> PyResult<Py<PyAny>> {
    let (py, this) = (connection.py(), connection.get());
    // A queue above the mark has usually been written at once by now. Only what is left here and in a
    // transport of the loop counts.
    let left = buffered_amount(this, py);
    if !connection.with(|session| session.is_above_mark(left)) {
        return Done::ready(py);
    }
    let waiter = Py::new(py, Waiter::new(connection.clone().unbind(), Wish::Room))?;
    let kept = waiter.clone_ref(py);
    this.state.with(py, |state| state.senders.add(kept));
    Ok(Py::new(py, Awaitable::new(waiter))?.into_any())
}

/// Returns a value if a sender may go on: at most the low-water mark is queued, or the wire is gone.
pub fn look_for_room(connection: &Bound<'_, Connection>) -> Found {
    let (py, this) = (connection.py(), connection.get());
    let left = bytes_on_wire(this, py);
    if this.is_connected(py) && !connection.with(|session| session.has_room_after(left)) {
        return Found::Nothing;
    }
    Found::Value(py.None())
}

/// Arranges for `waiter` to be woken when there is room.
pub fn wake_when_room(connection: &Bound<'_, Connection>, waiter: &Bound<'_, Waiter>) {
    let waiter = waiter.clone().unbind();
    connection.get().state.with(connection.py(), |state| state.senders.add_again(waiter));
}

/// Wakes all senders that wait, because the connection is lost.
pub fn wake_senders(connection: &Bound<'_, Connection>) {
    let waiters = connection.get().state.with(connection.py(), |state| state.senders.take());
    wake(connection, waiters);
}

// What is written --------------------------------------------------------------------------------

/// True if a mark or a sender waits for something to be written.
#[inline]
pub fn awaits_writes(connection: &Connection, py: Python<'_>) -> bool {
    connection.state.with(py, |state| state.session.has_marks() || !state.senders.is_empty())
}

/// Calls the callbacks of frames that are written, and wakes senders if there is room. `left` bytes are still
/// queued.
pub fn written(connection: &Bound<'_, Connection>, left: usize) {
    let (py, this) = (connection.py(), connection.get());
    let total = total_queued(this, py).saturating_sub(left as u64);
    // There is room for the senders that wait now, but not for those that only begin to wait in a callback.
    let waiters = this.state.with(py, |state| {
        if state.session.has_room_after(left) { state.senders.take() } else { Vec::new() }
    });
    call_back(connection, total);
    for waiter in waiters {
        waiter.get().grant(py);
        Waiter::wake(waiter.bind(py), this.reactor(py));
    }
}

/// Like [`written`], for what was written during a call of the program. Callbacks and senders are notified in
/// the next tick, because ws never calls back within `send`, and a callback that sends again would recurse
/// without end.
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

/// Notifies callbacks and senders of what [`written_later`] recorded. The wire may be gone by now.
pub fn tell_written(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    let Some(total) = connection.with(|session| session.take_told()) else { return };
    let granted = this.state.with(py, |state| state.senders.take_granted(py));
    call_back(connection, total);
    wake(connection, granted);
}

/// Calls the callbacks of the frames that end at `total` or before.
fn call_back(connection: &Bound<'_, Connection>, total: u64) {
    let (py, this) = (connection.py(), connection.get());
    while let Some(callback) = connection.with(|session| session.take_written(total)) {
        if let Some(callback) = callback {
            this.reactor(py).call_back(py, &callback, py.None());
        }
    }
}

// Writing ----------------------------------------------------------------------------------------

/// Writes the answers to what a transport of the loop has brought as soon as that is delivered, as the engine
/// does.
pub fn flush_answers(connection: &Bound<'_, Connection>) {
    let now = connection
        .get()
        .state
        .with(connection.py(), |state| state.wire.is_loop() && !state.session.is_delivering());
    if now {
        flush(connection);
    }
}

/// Writes what is queued, and notifies callbacks and senders.
pub fn flush(connection: &Bound<'_, Connection>) {
    flush_and_tell(connection, written);
}

/// Writes what is queued during a call of the program. Callbacks and senders are notified after that call.
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
    let transport = this.state.with(py, |state| {
        state.wire.transport().filter(|_| state.wire.has_queued()).map(|one| one.clone_ref(py))
    });
    let Some(transport) = transport else { return };
    // A transport that has failed drops all that it is given. What stays queued here makes senders wait at the
    // high-water mark until the loop reports the loss. Otherwise they might never let the loop run.
    if is_closing(&transport, py) {
        return;
    }
    let Some(bytes) = this.state.with(py, |state| state.wire.take_queued()) else { return };
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

/// True if the transport has closed by itself. What it no longer holds was dropped, and the loss will follow.
#[cold]
pub fn has_given_up(connection: &Connection, py: Python<'_>) -> bool {
    let transport = connection.state.with(py, |state| {
        let open = state.session.is_transport_open();
        state.wire.transport().filter(|_| open).map(|one| one.clone_ref(py))
    });
    transport.is_some_and(|transport| is_closing(&transport, py))
}

fn is_closing(transport: &Py<PyAny>, py: Python<'_>) -> bool {
    let closing = transport.call_method0(py, intern!(py, "is_closing"));
    closing.and_then(|closing| closing.is_truthy(py)).unwrap_or(false)
}

/// Number of bytes queued here and in the transport, and of those that wait to be compressed. The handshake's
/// answer does not count: the program has not sent it.
pub fn buffered_amount(connection: &Connection, py: Python<'_>) -> usize {
    let written = total_written(connection, py);
    let (behind, answer) = connection.state.with(py, |state| {
        (state.session.bytes_waiting(), state.session.counters().unsent_before(written))
    });
    bytes_on_wire(connection, py).saturating_sub(answer) + behind
}

/// Number of bytes queued here and in the transport.
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

/// The position in the outgoing stream at which the queue ends.
fn total_queued(connection: &Connection, py: Python<'_>) -> u64 {
    #[cfg(unix)]
    if let Some(total) = connection.engine_queue(py, |queue| queue.total_queued()) {
        return total;
    }
    connection.state.with(py, |state| state.wire.written_and_total().1)
}

/// Number of bytes that the wire has written since it was made; 0 once it is gone.
pub fn total_written(connection: &Connection, py: Python<'_>) -> u64 {
    #[cfg(unix)]
    if let Some(written) = connection.engine_queue(py, |queue| queue.total_written()) {
        return written;
    }
    connection.state.with(py, |state| state.wire.written_and_total().0)
}
