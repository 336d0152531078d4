//! Long messages of a connection that a thread compresses (`offload/`), in order: frames that are sent
//! meanwhile wait here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::frame_sink::{Unput, put_waiting};
use crate::bindings::connection::state::{Ending, State, Wire, Written};
use crate::bindings::convert::owned_payload::Source;
use crate::bindings::convert::payload::Payload;
use crate::bindings::offload::jobs;
use crate::bindings::offload::thread_pool::{Deflation, LONG, Task};
use crate::protocol::error::ProtocolError;
use crate::protocol::sender::{DataFrame, SendOptions};

/// A frame that waits for those before it.
pub struct Waiting {
    pub frame: DataFrame,
    pub mask: Option<[u8; 4]>,
    pub source: Source,
    pub callback: Option<Py<PyAny>>,
    pub auto_pong: bool,
}

impl Waiting {
    fn is_long(&self) -> bool {
        self.frame.compress && self.source.as_slice().len() > LONG
    }
}

/// What is sent while a payload is being compressed elsewhere, and that payload.
pub struct Outgoing {
    pub waiting: VecDeque<Waiting>,
    /// Bytes of payload that wait, that of the job included, before compression.
    pub bytes: usize,
    /// Of the job.
    len: usize,
    pub callback: Option<Py<PyAny>>,
    pub cancelled: Arc<AtomicBool>,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl State {
    /// Whether a sender may go on where `left` bytes are queued for the wire.
    pub fn has_room_after(&self, left: usize) -> bool {
        let elsewhere = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.bytes);
        left + elsewhere <= self.settings.high_water_mark / 4
    }

    /// Has `frame` wait for the thread that compresses a message before it.
    fn wait_behind(&mut self, frame: Waiting) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.bytes += frame.source.as_slice().len();
            outgoing.waiting.push_back(frame);
        }
    }
}

impl Connection {
    /// Bytes of payload that wait for a thread; without a wire they wait for nothing but to be dropped.
    pub fn bytes_elsewhere(&self, py: Python<'_>) -> usize {
        self.state.with(py, |state| match (&state.wire, &state.outgoing) {
            (Wire::None, _) | (_, None) => 0,
            (_, Some(outgoing)) => outgoing.bytes,
        })
    }

    /// Whether frames can still be sent, if after those that wait. Where none waits, a frame was not queued
    /// because the socket is gone, of which the connection is yet to be told.
    fn takes_frames(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| {
            state.flow.is_behind()
                && state.flow.ending == Ending::Open
                && !matches!(state.wire, Wire::None)
        })
    }

    /// Sends a message or fragment after those that wait for a thread, if that is why it was not queued.
    #[cold]
    pub fn send_behind(
        slf: &Bound<'_, Self>,
        payload: &Payload<'_>,
        options: &SendOptions,
        mask: Option<[u8; 4]>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if !this.takes_frames(py) {
            return Self::not_connected(slf, callback);
        }
        let source = Source::of(payload);
        let len = source.as_slice().len();
        let frame = this.state.with(py, |state| {
            state.counts.sent(len, options.fin);
            state.sender.begin(len, options)
        });
        let frame = Waiting { frame, mask, source, callback, auto_pong: false };
        this.state.with(py, |state| state.wait_behind(frame));
        Self::when_room(slf, usize::MAX)
    }

    /// The same for a control frame.
    #[cold]
    pub fn control_behind(
        slf: &Bound<'_, Self>,
        frame: Waiting,
        is_ping: bool,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if !this.takes_frames(py) {
            return Self::not_connected(slf, frame.callback);
        }
        this.state.with(py, |state| {
            state.pongs += usize::from(frame.auto_pong);
            if is_ping {
                state.counts.pinged(frame.source.as_slice());
            }
            state.wait_behind(frame);
        });
        Self::when_room(slf, usize::MAX)
    }

    /// Sends a message or fragment that could not be put as it is: one that a thread is to compress.
    #[cold]
    pub fn send_unput(
        slf: &Bound<'_, Self>,
        payload: &Payload<'_>,
        reason: Unput,
        mask: Option<[u8; 4]>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let frame = match reason {
            Unput::Long(frame) => frame,
            Unput::Fault(error) => return Err(PyValueError::new_err(error.to_string())),
        };
        // What was queued before was written meanwhile, and that may have shown that the peer is gone.
        if !slf.get().is_connected(slf.py()) {
            return Self::not_connected(slf, callback);
        }
        let source = Source::of(payload);
        let first = Waiting { frame, mask, source, callback, auto_pong: false };
        Self::compress_elsewhere(slf, first);
        Self::when_room(slf, usize::MAX)
    }

    /// Has a thread compress the payload of a frame; what is sent from now on waits for it.
    fn compress_elsewhere(slf: &Bound<'_, Self>, waiting: Waiting) {
        let (py, this) = (slf.py(), slf.get());
        let reactor = this.reactor(py);
        let Waiting { frame, mask, source, callback, .. } = waiting;
        let started = reactor.with_shared(py, |shared| {
            this.state.with(py, |state| {
                let deflater = state.sender.take_deflater(&mut shared.codec)?;
                let cancelled = Arc::new(AtomicBool::new(false));
                let len = source.as_slice().len();
                if let Some(outgoing) = &mut state.outgoing {
                    (outgoing.callback, outgoing.len) = (callback, len);
                    outgoing.cancelled = Arc::clone(&cancelled);
                } else {
                    let (waiting, cancelled) = (VecDeque::new(), Arc::clone(&cancelled));
                    let made = Outgoing { waiting, bytes: len, len, callback, cancelled };
                    state.outgoing = Some(Box::new(made));
                    state.flow.set_behind(true);
                }
                let (out, outcome) = (Vec::new(), Ok(()));
                let limit = state.settings.concurrency_limit;
                let task = Deflation { deflater, frame, mask, source, out, outcome };
                Some((Task::Deflate(Box::new(task)), limit, cancelled))
            })
        });
        let Some((task, limit, cancelled)) = started else { return };
        if let Err(error) = jobs::start(slf, task, limit, cancelled) {
            reactor.report(py, "a long message could not be compressed", error);
            Self::abort_wire(slf);
        }
    }

    /// A thread has done what this connection asked for.
    pub fn job_done(slf: &Bound<'_, Self>, task: Task) {
        match task {
            Task::Deflate(task) => Self::deflated(slf, *task),
            Task::Inflate(task) => Self::inflated(slf, task),
        }
    }

    fn deflated(slf: &Bound<'_, Self>, task: Deflation) {
        let (py, this) = (slf.py(), slf.get());
        let Deflation { deflater, frame, mask, out: made, outcome, .. } = task;
        if let Err(error) = outcome {
            let error = PyRuntimeError::new_err(error.to_string());
            this.reactor(py).report(py, "a long message could not be compressed", error);
            return Self::abort_wire(slf);
        }
        let queued = this.enqueue_anyhow(py, |state, shared, out| {
            state.sender.give_deflater(deflater, &mut shared.codec);
            let outgoing = state.outgoing.as_mut()?;
            outgoing.bytes -= std::mem::take(&mut outgoing.len);
            let callback = outgoing.callback.take();
            out.put_made(&frame.header(made.len() as u64, mask), made);
            if callback.is_some() {
                state.writes.push_back(Written { at: out.total(), callback, auto_pong: false });
            }
            Some(())
        });
        let Some((Some(()), queued)) = queued else { return };
        Self::settle(slf, &queued);
        Self::send_waiting(slf);
        // An end that was asked for has waited too.
        if this.state.with(py, |state| !state.flow.is_behind() && state.flow.ending != Ending::Open)
        {
            Self::flush(slf);
            Self::end_if_written(slf);
        } else if this.awaits_writes(py) {
            Self::flush(slf);
        }
        // Compressed it may be so little that there is room though nothing can be written.
        if this.awaits_writes(py) && !this.has_given_up(py) {
            Self::written(slf, this.bytes_on_wire(py));
        }
    }

    /// Sends what has waited, up to the next long message.
    fn send_waiting(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        loop {
            let next = this.state.with(py, |state| {
                let outgoing = state.outgoing.as_mut()?;
                let next = outgoing.waiting.pop_front();
                if let Some(next) = &next
                    && !next.is_long()
                {
                    outgoing.bytes -= next.source.as_slice().len();
                }
                if next.is_none() {
                    state.flow.set_behind(false);
                    state.outgoing = None;
                }
                next
            });
            // `Outgoing` has given everything away: no Python object is dropped with it.
            let Some(waiting) = next else { return };
            if waiting.is_long() {
                return Self::compress_elsewhere(slf, waiting);
            }
            if !Self::send_now_at_last(slf, waiting) {
                return;
            }
        }
    }

    fn send_now_at_last(slf: &Bound<'_, Self>, waiting: Waiting) -> bool {
        let (py, this) = (slf.py(), slf.get());
        let Waiting { frame, mask, source, mut callback, auto_pong } = waiting;
        let payload = source.bytes(py);
        let queued = this.enqueue_anyhow(py, |state, shared, out| {
            let data = source.as_slice();
            put_waiting(state, shared, out, (&frame, mask), data, payload.as_ref())?;
            if callback.is_some() || auto_pong {
                let callback = callback.take();
                state.writes.push_back(Written { at: out.total(), callback, auto_pong });
            }
            Ok::<_, ProtocolError>(())
        });
        match queued {
            None => {
                // The socket is gone, and the loss yet to be told: the callback with it.
                let _old = this.state.with(py, |state| match &mut state.outgoing {
                    Some(outgoing) => std::mem::replace(&mut outgoing.callback, callback),
                    None => callback,
                });
                false
            }
            Some((Ok(()), queued)) => {
                Self::settle(slf, &queued);
                true
            }
            Some((Err(error), _)) => {
                let error = PyRuntimeError::new_err(error.to_string());
                this.reactor(py).report(py, "a message could not be compressed", error);
                Self::abort_wire(slf);
                false
            }
        }
    }

    /// The wire is gone: the callbacks of what was not sent, in order.
    pub fn drop_outgoing(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let outgoing = self.state.with(py, |state| {
            state.flow.set_behind(false);
            state.outgoing.take()
        });
        let Some(mut outgoing) = outgoing else { return Vec::new() };
        let waiting = std::mem::take(&mut outgoing.waiting);
        let first = outgoing.callback.take();
        first.into_iter().chain(waiting.into_iter().filter_map(|one| one.callback)).collect()
    }
}
