//! What a connection knows: its wire, its receiver and sender, who takes its messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::bindings::connection::awaitable::{Awaitable, Waiter};
use crate::bindings::connection::counts::Counts;
use crate::bindings::connection::outbound::compress_queue::Outgoing;
use crate::bindings::convert::bytes_buffer::BytesBuffer;
#[cfg(unix)]
use crate::bindings::event_loop::prefetch::Reach;
#[cfg(unix)]
use crate::engine::Token;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Ahead, Receiver};
use crate::protocol::sender::Sender;

/// Messages, and bytes of messages, that wait while nobody has asked for any: then reading stops (or
/// they are dropped, `discard`).
const UNCLAIMED: (usize, usize) = (16, 64 * 1024);
/// The same where a program iterates: more, so that one read is one wake-up.
const CLAIMED: (usize, usize) = (1024, 64 * 1024);

/// What carries the bytes.
pub enum Wire {
    /// Nothing yet, or no more.
    None,
    /// A socket of the engine.
    #[cfg(unix)]
    Engine(Token),
    /// A transport of the loop; what is queued for it at the end of the tick, and whether it has
    /// asked to wait.
    Loop { queued: Vec<u8>, written: u64, blocked: bool },
}

/// The forms of a binary message, ws's `binaryType` without "blob" (the API makes those of bytes).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BinaryType {
    Bytes,
    ByteArray,
    Fragments,
}

/// How the outgoing half ends: each is more than the one before.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    #[default]
    Open,
    /// The transport's writing half is ended.
    Half,
    /// The transport is closed.
    Whole,
}

/// The options that stay what they are.
pub struct Settings {
    pub is_server: bool,
    pub auto_pong: bool,
    pub allow_synchronous_events: bool,
    pub skip_utf8_validation: bool,
    pub max_pending_auto_pongs: usize,
    pub high_water_mark: usize,
    /// No message is queued while more than the mark is.
    pub refuse_above_mark: bool,
    /// Bytes read while nothing is delivered, so that pings in them are answered.
    pub read_ahead: usize,
    /// Messages that may be compressed or inflated by threads at once.
    pub concurrency_limit: usize,
}

/// Where the flow of messages stands.
#[derive(Default)]
pub struct Flow {
    /// `start` was called.
    pub started: bool,
    /// The program called `pause`.
    pub paused: bool,
    /// The queue is full: nothing is delivered until it is taken from.
    pub stalled: bool,
    /// Why the next event must wait, in one byte because every message asks: `NEXT_TICK`, `INFLATING`,
    /// `READY`.
    waits: u8,
    /// Frames are being delivered: a nested call leaves it to the outer one.
    pub delivering: bool,
    /// A close frame or a fault came: what follows is no frame.
    pub concluded: bool,
    /// The peer's FIN has come, and the owner may not have been told.
    pub eof: bool,
    pub eof_told: bool,
    /// The transport is gone, and the owner may not have been told.
    pub lost: bool,
    pub lost_told: bool,
    /// Why a frame is not queued at once, in one byte likewise: `ENDS`, `BEHIND`.
    gate: u8,
    /// What was asked for: nothing is queued any more, and when all is written, it is done.
    pub ending: Ending,
    /// What was done of it.
    pub ended: Ending,
    /// Reading of the wire is off.
    pub reading_off: bool,
    /// Somebody iterates or has called `recv`, and no listener has come since.
    pub claimed: bool,
    /// The task that waited for a message was woken, and has not come for it yet.
    pub owed: bool,
    /// Bytes came since somebody asked.
    pub active: bool,
    /// The message was refused whose further fragments are to come.
    pub refusing: bool,
    /// The next tick tells what a call of the program's has written.
    pub telling: bool,
    /// How far in the outgoing stream that was.
    pub written_out: u64,
}

/// The next event waits for the next tick (`allow_synchronous_events=False`).
const NEXT_TICK: u8 = 1;
/// A thread inflates: nothing is delivered until it is done.
const INFLATING: u8 = 2;
/// The receiver, or the connection's fault, has something to deliver without more bytes from the peer: what a
/// thread made, or what was received directly.
const READY: u8 = 4;

/// The end was asked for.
const ENDS: u8 = 1;
/// A thread compresses a message that was sent before.
const BEHIND: u8 = 2;

impl Flow {
    #[inline]
    pub const fn waits_for_tick(&self) -> bool {
        self.waits & NEXT_TICK != 0
    }

    #[inline]
    pub const fn wait_for_tick(&mut self, wait: bool) {
        self.waits = self.waits & !NEXT_TICK | wait as u8;
    }

    /// Whether a thread inflates.
    pub const fn is_inflating(&self) -> bool {
        self.waits & INFLATING != 0
    }

    /// A thread begins to inflate, or is done: then there is something to deliver.
    pub const fn set_inflating(&mut self, begins: bool) {
        self.waits = self.waits & NEXT_TICK | if begins { INFLATING } else { READY };
    }

    /// There is something to deliver without more bytes.
    pub const fn keep_ready(&mut self) {
        self.waits |= READY;
    }

    /// It is delivered, or will not be.
    pub const fn forget_ready(&mut self) {
        self.waits &= NEXT_TICK;
    }

    /// Whether there is something to deliver without more bytes.
    #[inline]
    pub const fn has_ready(&self) -> bool {
        self.waits & READY != 0
    }

    /// Whether the next tick or a thread brings something to deliver.
    #[inline]
    pub const fn awaits_delivery(&self) -> bool {
        self.waits != 0
    }

    /// Whether the next event must wait for the next tick or for a thread.
    #[inline]
    pub const fn must_wait(&self) -> bool {
        self.waits & (NEXT_TICK | INFLATING) != 0
    }

    /// Whether a frame may be queued now: the end was not asked for, and none waits for a thread.
    #[inline]
    pub const fn takes_frames_now(&self) -> bool {
        self.gate == 0
    }

    /// Whether a thread compresses a message that was sent before.
    #[inline]
    pub const fn is_behind(&self) -> bool {
        self.gate & BEHIND != 0
    }

    pub const fn set_behind(&mut self, behind: bool) {
        self.gate = self.gate & !BEHIND | if behind { BEHIND } else { 0 };
    }

    /// The end is asked for: `how`, at least.
    pub fn end(&mut self, how: Ending) {
        self.ending = self.ending.max(how);
        self.gate |= ENDS;
    }
}

/// What a program wants to know when a frame is written out.
pub struct Written {
    /// The place in the outgoing stream where the frame ends.
    pub at: u64,
    pub callback: Option<Py<PyAny>>,
    /// It is a pong of ours, which counts against `max_pending_auto_pongs`.
    pub auto_pong: bool,
}

/// How the messages end.
pub struct Finish {
    pub error: Py<PyAny>,
    pub orderly: bool,
}

/// The state of one connection. Dropping an object in it may run Python: take it out first.
pub struct State {
    pub wire: Wire,
    pub transport: Option<Py<PyAny>>,
    pub owner: Option<Py<PyAny>>,
    pub listener: Option<Py<PyAny>>,
    /// What the listener reads first.
    #[cfg(unix)]
    pub reach: Reach,
    pub generate_mask: Option<Py<PyAny>>,
    pub receiver: Receiver<BytesBuffer>,
    pub sender: Sender,
    pub settings: Settings,
    pub flow: Flow,
    pub binary_type: BinaryType,
    pub wants_ping: bool,
    pub wants_pong: bool,
    pub discard: bool,
    /// A fault found while a frame was received in place, not yet told.
    pub fault: Option<ProtocolError>,
    /// Bytes that came and are not delivered yet.
    pub pending: Vec<u8>,
    /// How far they were searched for pings; there only while some that were seen wait.
    pub ahead: Option<Box<Ahead>>,
    pub counts: Counts,
    /// Messages that wait for `recv`, each with its size and whether it is binary.
    pub queue: VecDeque<(Py<PyAny>, usize, bool)>,
    pub queued_bytes: usize,
    pub recv: Option<Py<Awaitable>>,
    pub next: Option<Py<Awaitable>>,
    pub finish: Option<Finish>,
    pub lost_error: Option<Py<PyAny>>,
    pub writes: VecDeque<Written>,
    pub pongs: usize,
    pub drains: Vec<Py<Waiter>>,
    /// What waits for a thread that compresses (`Flow::is_behind`); nothing overtakes it.
    pub outgoing: Option<Box<Outgoing>>,
    /// Set to true, the thread that inflates stops.
    pub inflating: Option<Arc<AtomicBool>>,
}

impl State {
    /// Whether the next frame may be delivered.
    #[inline]
    pub fn may_deliver(&self) -> bool {
        let flow = &self.flow;
        flow.started
            && !flow.concluded
            && !flow.must_wait()
            && !flow.stalled
            && (flow.lost || !flow.paused)
    }

    /// Whether all that could be delivered now is what the peer has yet to send.
    #[inline]
    pub fn has_nothing_else(&self) -> bool {
        self.queue.is_empty() && self.fault.is_none()
    }

    /// Notes whether there is something to deliver without more bytes: nothing else would bring it forth.
    #[inline]
    pub fn note_ready(&mut self) {
        if self.fault.is_some() || self.receiver.has_ready() {
            self.flow.keep_ready();
        }
    }

    /// Whether the program takes nothing now.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.flow.paused || self.flow.stalled
    }

    /// Whether the queue has reached its bound.
    #[inline]
    pub fn queue_full(&self) -> bool {
        let (messages, bytes) = if self.flow.claimed { CLAIMED } else { UNCLAIMED };
        self.queue.len() >= messages || self.queued_bytes >= bytes
    }

    /// The last message that a tick delivered may have filled the queue: then the reading stops, or what
    /// nobody takes is dropped.
    pub fn stall_if_full(&mut self, py: Python<'_>) {
        let to_queue = self.listener.is_none() || self.flow.claimed;
        if to_queue && self.may_deliver() && self.queue_full() {
            if self.discard {
                self.drop_unwanted(py);
            } else {
                self.flow.stalled = true;
            }
        }
    }

    /// Drops the messages that wait, but for the first if a task waits for it.
    #[cold]
    pub fn drop_unwanted(&mut self, py: Python<'_>) {
        let owed = self.is_claimed_by_task(py);
        // Bytes, str and lists of bytes: dropping them runs no Python.
        self.queue.truncate(usize::from(owed));
        self.queued_bytes = self.queue.iter().map(|(_, size, _)| size).sum();
    }

    /// Whether a task waits for a message, or was woken and has not come for it: the next is that task's.
    pub fn is_claimed_by_task(&self, py: Python<'_>) -> bool {
        let waits = |awaitable: &Option<Py<Awaitable>>| {
            awaitable.as_ref().is_some_and(|made| made.get().waiter.get().is_waiting(py))
        };
        self.flow.owed || waits(&self.recv) || waits(&self.next)
    }

    /// Whether the peer's FIN or the loss has come, and the owner was not told.
    #[inline]
    pub fn has_end_to_tell(&self) -> bool {
        let flow = &self.flow;
        (flow.eof && !flow.eof_told) || (flow.lost && !flow.lost_told)
    }

    /// Of the peer's FIN and of the loss: whether the owner is to be told, all before it being delivered.
    pub fn ends_to_tell_now(&self) -> (bool, bool) {
        let flow = &self.flow;
        let done = flow.started
            && !flow.delivering
            && !self.owes_listener()
            && (flow.concluded || (self.pending.is_empty() && !flow.awaits_delivery()));
        // Reading ahead may find it while the program has paused.
        let held = flow.paused && !flow.concluded && !flow.lost;
        let eof = done && flow.eof && !flow.eof_told && !held;
        (eof, done && flow.lost && !flow.lost_told)
    }

    /// Whether messages that waited for `recv` are on their way to a listener that has come since.
    pub fn owes_listener(&self) -> bool {
        let flow = &self.flow;
        let held = flow.paused && !flow.lost && !flow.waits_for_tick();
        self.listener.is_some() && !flow.claimed && !self.queue.is_empty() && !held
    }

    /// Nobody wants any more what threads do for this connection.
    pub fn stop_jobs(&self) {
        let outgoing = self.outgoing.as_ref().map(|one| &one.cancelled);
        for cancelled in [outgoing, self.inflating.as_ref()].into_iter().flatten() {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// What the objects inside refer to.
    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in
            [&self.transport, &self.owner, &self.listener, &self.generate_mask, &self.lost_error]
        {
            visit.call(object)?;
        }
        self.queue.iter().try_for_each(|(message, ..)| visit.call(message))?;
        self.writes.iter().try_for_each(|written| visit.call(&written.callback))?;
        self.drains.iter().try_for_each(|waiter| visit.call(waiter))?;
        if let Some(outgoing) = &self.outgoing {
            visit.call(&outgoing.callback)?;
            outgoing.waiting.iter().try_for_each(|waiting| visit.call(&waiting.callback))?;
        }
        visit.call(&self.recv)?;
        visit.call(&self.next)?;
        self.finish.as_ref().map_or(Ok(()), |finish| visit.call(&finish.error))
    }
}
