//! Where a frame is put: the queue of a socket, or the bytes for a transport of the loop. What is queued leaves at
//! the end of the batch or tick.

use pyo3::prelude::*;

use super::broadcast::SharedFrame;
use super::flush;
use crate::bindings::connection::Connection;
use crate::bindings::connection::state::{PyObjects, State};
use crate::bindings::connection::wire::{LoopQueue, Target};
use crate::bindings::convert::payload::Payload;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
#[cfg(unix)]
use crate::bindings::event_loop::sockets::Held;
#[cfg(unix)]
use crate::bindings::event_loop::transport::HOLD_MIN;
#[cfg(unix)]
use crate::engine::OutQueue;
use crate::protocol::frame::{FrameHeader, append_frame, write_header};
use crate::session::{Host, Session};

/// A queue beyond this many bytes leaves at once instead of at the end of the tick.
const FLUSH_AT: usize = 64 * 1024;

/// Where a frame is put.
pub enum FrameSink<'a> {
    #[cfg(unix)]
    Engine(&'a mut OutQueue<Held>),
    Loop(&'a mut LoopQueue),
}

impl FrameSink<'_> {
    pub fn tail(&mut self) -> &mut Vec<u8> {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.tail(),
            Self::Loop(queue) => queue.tail(),
        }
    }

    fn len(&self) -> usize {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.len(),
            Self::Loop(queue) => queue.len(),
        }
    }

    /// The place in the outgoing stream where the last frame ends.
    pub fn total(&self) -> u64 {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.total_queued(),
            Self::Loop(queue) => queue.total_queued(),
        }
    }

    /// Puts a frame. A large immutable `source` of its payload that needs no mask stays where it is.
    #[inline(always)] // the way of every message
    pub fn put(&mut self, header: &FrameHeader, payload: &[u8], source: Option<&Payload<'_>>) {
        #[cfg(unix)]
        if let (Self::Engine(queue), Some(Payload::Bytes(bytes)), None) =
            (&mut *self, source, header.mask)
            && payload.len() >= HOLD_MIN
        {
            queue.push(write_header(header).as_ref());
            queue.hold(Held::Bytes(bytes.clone().unbind()));
            return;
        }
        let _ = source;
        append_frame(self.tail(), header, payload);
    }

    /// Puts a frame whose payload, masked, was made for it.
    pub fn put_made(&mut self, header: &FrameHeader, payload: Vec<u8>) {
        self.tail().extend_from_slice(write_header(header).as_ref());
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.hold(Held::Made(payload)),
            Self::Loop(queue) => queue.tail().extend_from_slice(&payload),
        }
    }

    /// Puts a frame that others get too.
    #[inline]
    pub fn put_shared(&mut self, py: Python<'_>, frame: &SharedFrame) {
        let (bytes, payload) = frame.parts();
        self.tail().extend_from_slice(bytes);
        let Some(payload) = payload else { return };
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.hold(Held::Bytes(payload.clone_ref(py))),
            Self::Loop(queue) => queue.tail().extend_from_slice(payload.as_bytes(py)),
        }
    }
}

/// What became of a frame.
pub struct Queued {
    length: usize,
    is_dirty: bool,
    /// More is queued than a sender need not wait for, or a transport of the loop has asked to wait.
    is_full: bool,
}

impl Queued {
    /// It waits for a thread: how much is queued has to be asked.
    pub const BEHIND: Self = Self { length: 0, is_dirty: false, is_full: true };

    /// Whether its sender may have to wait.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }
}

/// What a frame is made with.
pub type Making<'a> = (&'a mut Session<PyObjects>, &'a mut Shared);

/// Borrows everything that a frame is made with, and lets `make` put it in the queue; `None` where none is
/// taken now: the wire is gone, the end was asked for, or others are before it.
#[inline]
pub fn enqueue<R>(
    connection: &Connection,
    py: Python<'_>,
    make: impl FnOnce(Making<'_>, &mut FrameSink<'_>) -> R,
) -> Option<(R, Queued)> {
    enqueue_if(connection, py, false, make)
}

/// The same for a frame that has waited for a thread, whatever was asked for since.
#[inline]
pub fn enqueue_anyhow<R>(
    connection: &Connection,
    py: Python<'_>,
    make: impl FnOnce(Making<'_>, &mut FrameSink<'_>) -> R,
) -> Option<(R, Queued)> {
    enqueue_if(connection, py, true, make)
}

#[inline(always)]
fn enqueue_if<R>(
    connection: &Connection,
    py: Python<'_>,
    anyhow: bool,
    make: impl FnOnce(Making<'_>, &mut FrameSink<'_>) -> R,
) -> Option<(R, Queued)> {
    let reactor = connection.reactor(py);
    reactor.with_shared(py, |shared| {
        connection.state.with(py, |state| {
            let State { wire, session, .. } = state;
            if !anyhow && !session.takes_frames_now() {
                return None;
            }
            match wire.target() {
                Target::Nothing => None,
                #[cfg(unix)]
                Target::Engine(token) => reactor.with_sockets(py, |sockets| {
                    let engine = sockets.engine()?;
                    let mut sink = FrameSink::Engine(engine.out(token)?);
                    let made = make((&mut *session, &mut *shared), &mut sink);
                    let length = sink.len();
                    let is_dirty = length <= FLUSH_AT && engine.mark_dirty(token);
                    let is_full = session.is_above_mark(length);
                    Some((made, Queued { length, is_dirty, is_full }))
                }),
                Target::Loop(queue) => {
                    let (is_dirty, is_blocked) = (queue.len() == 0, queue.is_blocked());
                    let mut sink = FrameSink::Loop(queue);
                    let made = make((&mut *session, &mut *shared), &mut sink);
                    let length = sink.len();
                    let is_full = is_blocked || session.is_above_mark(length);
                    Some((made, Queued { length, is_dirty, is_full }))
                }
            }
        })
    })
}

/// After a frame was queued: writes at once what is much, else sees to it that it is written.
#[inline]
pub fn settle(connection: &Bound<'_, Connection>, queued: &Queued) {
    if queued.length > FLUSH_AT {
        flush::write_out(connection);
    } else if queued.is_dirty {
        let (py, this) = (connection.py(), connection.get());
        let reactor = this.reactor_bound(py);
        if !this.state.with(py, |state| state.wire.is_loop()) {
            Reactor::schedule_flush(reactor);
        } else if !connection.with(|session| session.is_delivering()) {
            // An answer leaves at the end of the delivery instead, see `flush_answers`.
            Reactor::mark_dirty(reactor, connection);
        }
    }
}
