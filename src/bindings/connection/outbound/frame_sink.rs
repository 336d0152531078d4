//! Where a frame is put: the queue of an engine's socket, or the bytes for a transport of the loop. The queue
//! is written at the end of the batch or tick.

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

/// A queue of more than this many bytes is written at once instead of at the end of the tick.
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

    /// The position in the outgoing stream at which the last frame ends.
    pub fn total(&self) -> u64 {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.total_queued(),
            Self::Loop(queue) => queue.total_queued(),
        }
    }

    /// Puts a frame. If its payload has a large, immutable `source` and needs no mask, it is written in
    /// place.
    #[inline(always)] // every message passes here
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

    /// Puts a frame whose payload was made for it and is already masked.
    pub fn put_made(&mut self, header: &FrameHeader, payload: Vec<u8>) {
        self.tail().extend_from_slice(write_header(header).as_ref());
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.hold(Held::Made(payload)),
            Self::Loop(queue) => queue.tail().extend_from_slice(&payload),
        }
    }

    /// Puts a frame that other connections get, too.
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

/// What became of a frame that was put.
pub struct Queued {
    length: usize,
    is_dirty: bool,
    /// True if more than the high-water mark is queued, or a transport of the loop has asked us to stop
    /// writing.
    is_full: bool,
}

impl Queued {
    /// The frame waits for a thread. How much is queued has to be looked up.
    pub const BEHIND: Self = Self { length: 0, is_dirty: false, is_full: true };

    /// True if the sender of the frame may have to wait.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }
}

/// What a frame is made with: the session, and what the connections of the loop share.
pub type Making<'a> = (&'a mut Session<PyObjects>, &'a mut Shared);

/// Borrows everything that a frame is made with, and lets `make` put the frame into the queue. Returns `None`
/// if no frame is taken now: the wire is gone, the end was asked for, or other frames wait before it.
#[inline]
pub fn enqueue<R>(
    connection: &Connection,
    py: Python<'_>,
    make: impl FnOnce(Making<'_>, &mut FrameSink<'_>) -> R,
) -> Option<(R, Queued)> {
    enqueue_if(connection, py, false, make)
}

/// Does the same for a frame that has waited for a thread, whatever was asked for since.
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

/// Follows up on a queued frame: writes a long queue at once, and otherwise arranges for it to be written
/// later. Raises if the event loop takes no calls.
#[inline]
pub fn settle(connection: &Bound<'_, Connection>, queued: &Queued) -> PyResult<()> {
    if queued.length > FLUSH_AT {
        flush::write_out(connection);
    } else if queued.is_dirty {
        let (py, this) = (connection.py(), connection.get());
        let reactor = this.reactor_bound(py);
        if !this.state.with(py, |state| state.wire.is_loop()) {
            return Reactor::schedule_flush(reactor);
        } else if !connection.with(|session| session.is_delivering()) {
            // An answer is written at the end of the delivery instead, see `flush_answers`.
            return Reactor::mark_dirty(reactor, connection);
        }
    }
    Ok(())
}

/// Does the same for a frame that no caller is waiting for.
pub fn settle_later(connection: &Bound<'_, Connection>, queued: &Queued) {
    if let Err(error) = settle(connection, queued) {
        let py = connection.py();
        connection.get().reactor(py).report(py, "wsrs could not schedule a flush", error);
    }
}
