//! The queue of a connection's wire: frames are put into it, and leave at the end of the batch or tick.

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::broadcast::SharedFrame;
use crate::bindings::connection::state::{State, Wire};
use crate::bindings::convert::payload::Payload;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
#[cfg(unix)]
use crate::bindings::event_loop::sockets::Held;
#[cfg(unix)]
use crate::bindings::event_loop::transport::HOLD_MIN;
use crate::bindings::offload::thread_pool::LONG;
#[cfg(unix)]
use crate::engine::OutQueue;
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, append_frame, write_header};
use crate::protocol::sender::{DataFrame, SendOptions};

/// A queue beyond this many bytes leaves at once instead of at the end of the tick.
const FLUSH_AT: usize = 64 * 1024;

/// Where a frame is put: the queue of a socket, or the bytes for a transport of the loop.
pub enum Out<'a> {
    #[cfg(unix)]
    Engine(&'a mut OutQueue<Held>),
    Loop {
        queued: &'a mut Vec<u8>,
        written: u64,
    },
}

impl Out<'_> {
    fn tail(&mut self) -> &mut Vec<u8> {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.tail(),
            Self::Loop { queued, .. } => queued,
        }
    }

    fn len(&self) -> usize {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.len(),
            Self::Loop { queued, .. } => queued.len(),
        }
    }

    pub fn total(&self) -> u64 {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.total_queued(),
            Self::Loop { queued, written } => *written + queued.len() as u64,
        }
    }

    /// Puts a frame: a large immutable payload that needs no mask stays where it is.
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
            Self::Loop { queued, .. } => queued.extend_from_slice(&payload),
        }
    }

    /// Puts a frame that others get too.
    #[inline]
    pub fn put_shared(&mut self, py: Python<'_>, frame: &SharedFrame) {
        self.tail().extend_from_slice(&frame.bytes);
        let Some(payload) = &frame.payload else { return };
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.hold(Held::Bytes(payload.clone_ref(py))),
            Self::Loop { queued, .. } => queued.extend_from_slice(payload.as_bytes(py)),
        }
    }
}

/// What became of a frame.
pub struct Queued {
    pub length: usize,
    dirty: bool,
}

impl Connection {
    /// Borrows everything that a frame is made with, and lets `make` put it in the queue; `None` where
    /// none is taken now: the wire is gone, the end was asked for, or others are before it.
    #[inline]
    pub fn enqueue<R>(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&mut State, &mut Shared, &mut Out<'_>) -> R,
    ) -> Option<(R, Queued)> {
        self.enqueue_if(py, false, make)
    }

    /// The same for a frame that has waited for a thread, whatever was asked for since.
    #[inline]
    pub fn enqueue_anyhow<R>(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&mut State, &mut Shared, &mut Out<'_>) -> R,
    ) -> Option<(R, Queued)> {
        self.enqueue_if(py, true, make)
    }

    #[inline(always)]
    fn enqueue_if<R>(
        &self,
        py: Python<'_>,
        anyhow: bool,
        make: impl FnOnce(&mut State, &mut Shared, &mut Out<'_>) -> R,
    ) -> Option<(R, Queued)> {
        let reactor = self.reactor(py);
        reactor.with_shared(py, |shared| {
            self.state.with(py, |state| {
                if !anyhow && !state.flow.takes_frames_now() {
                    return None;
                }
                let mut wire = std::mem::replace(&mut state.wire, Wire::None);
                let made = match &mut wire {
                    Wire::None => None,
                    #[cfg(unix)]
                    Wire::Engine(token) => reactor.sockets.with(py, |sockets| {
                        let engine = sockets.engine()?;
                        let queue = engine.out(*token)?;
                        let mut out = Out::Engine(queue);
                        let made = make(state, shared, &mut out);
                        let length = out.len();
                        let dirty = length <= FLUSH_AT && engine.mark_dirty(*token);
                        Some((made, Queued { length, dirty }))
                    }),
                    Wire::Loop { queued, written, .. } => {
                        let dirty = queued.is_empty();
                        let mut out = Out::Loop { queued, written: *written };
                        let made = make(state, shared, &mut out);
                        let length = out.len();
                        Some((made, Queued { length, dirty }))
                    }
                };
                state.wire = wire;
                made
            })
        })
    }

    /// After a frame was queued: writes at once what is much, else sees to it that it is written.
    #[inline]
    pub fn settle(slf: &Bound<'_, Self>, queued: &Queued) {
        let (py, this) = (slf.py(), slf.get());
        if queued.length > FLUSH_AT {
            Self::write_out(slf);
        } else if queued.dirty {
            let reactor = this.reactor_bound(py);
            match this.state.with(py, |s| (matches!(s.wire, Wire::Loop { .. }), s.flow.delivering))
            {
                (false, _) => Reactor::schedule_flush(reactor),
                (true, false) => Reactor::mark_dirty(reactor, slf),
                // An answer: it leaves at the end of the delivery, see `flush_answers`.
                (true, true) => {}
            }
        }
    }
}

/// Why a message was not put.
pub enum Unput {
    /// It is to be compressed, and long: a thread does that.
    Long(DataFrame),
    Fault(ProtocolError),
}

/// Frames a message into `out`, compressed where that was agreed and is wished.
#[inline]
pub fn put_message(
    state: &mut State,
    shared: &mut Shared,
    out: &mut Out<'_>,
    payload: &Payload<'_>,
    options: &SendOptions,
    mask: Option<[u8; 4]>,
) -> Result<(), Unput> {
    let data = payload.as_slice();
    state.counts.sent(data.len(), options.fin);
    let frame = state.sender.begin(data.len(), options);
    let header = frame.header(data.len() as u64, mask);
    if !frame.compress {
        out.put(&header, data, Some(payload));
        return Ok(());
    }
    if data.len() > LONG {
        return Err(Unput::Long(frame));
    }
    put_compressed(state, shared, out, (&frame, &header), data).map_err(Unput::Fault)
}

/// Puts a frame that waited for a thread, whose header was decided before.
#[cold]
pub fn put_waiting(
    state: &mut State,
    shared: &mut Shared,
    out: &mut Out<'_>,
    (frame, mask): (&DataFrame, Option<[u8; 4]>),
    data: &[u8],
    source: Option<&Payload<'_>>,
) -> Result<(), ProtocolError> {
    let header = frame.header(data.len() as u64, mask);
    if frame.compress {
        return put_compressed(state, shared, out, (frame, &header), data);
    }
    out.put(&header, data, source);
    Ok(())
}

#[inline(never)]
fn put_compressed(
    state: &mut State,
    shared: &mut Shared,
    out: &mut Out<'_>,
    (frame, header): (&DataFrame, &FrameHeader),
    data: &[u8],
) -> Result<(), ProtocolError> {
    let mut scratch = shared.codec.take_scratch();
    let outcome = state.sender.compress(&mut shared.codec, frame, data, &mut scratch);
    if outcome.is_ok() {
        let header = FrameHeader { length: scratch.len() as u64, ..*header };
        append_frame(out.tail(), &header, &scratch);
    }
    shared.codec.give_scratch(scratch);
    outcome
}
