//! From the queue to the wire: flushing, what is told of it, and senders that wait for room.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::{Awaitable, Done, Found, Waiter, Wish};
use crate::bindings::connection::state::{Ending, Wire};
#[cfg(unix)]
use crate::bindings::serve::write;

impl Connection {
    /// What `send` returns: done while there is room, else until the queue is at the low mark.
    #[inline]
    pub fn when_room(slf: &Bound<'_, Self>, queued: usize) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let (high, held) = this.state.with(py, |state| {
            let held = matches!(state.wire, Wire::Loop { blocked: true, .. });
            (state.settings.high_water_mark, held)
        });
        // What is over the mark was mostly written at once: only what is left counts, and what a transport
        // of the loop holds.
        if (queued <= high && !held) || this.queued_bytes(py) <= high {
            return Done::ready(py);
        }
        let waiter = Py::new(py, Waiter::new(slf.clone().unbind(), Wish::Room))?;
        let kept = waiter.clone_ref(py);
        this.state.with(py, |state| state.drains.push(kept));
        Ok(Py::new(py, Awaitable { waiter })?.into_any())
    }

    /// Whether a sender may go on: less than the low mark is queued, or the wire is gone.
    pub fn look_for_room(slf: &Bound<'_, Self>) -> PyResult<Found> {
        let (py, this) = (slf.py(), slf.get());
        let low = this.state.with(py, |state| state.settings.high_water_mark / 4);
        if this.is_connected(py) && this.queued_bytes(py) > low {
            return Ok(Found::Nothing);
        }
        Ok(Found::Value(py.None()))
    }

    /// Sees to it that `waiter` is woken when there is room.
    pub fn await_room(slf: &Bound<'_, Self>, waiter: &Bound<'_, Waiter>) {
        let waiter = waiter.clone().unbind();
        slf.get().state.with(slf.py(), |state| {
            if !state.drains.iter().any(|one| one.is(&waiter)) {
                state.drains.push(waiter);
            }
        });
    }

    /// Whether anybody must hear of what was written.
    #[inline]
    pub fn awaits_writes(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| !state.writes.is_empty() || !state.drains.is_empty())
    }

    /// Calls back for frames that are written out; `left` bytes still wait.
    pub fn written(slf: &Bound<'_, Self>, left: usize) {
        let (py, this) = (slf.py(), slf.get());
        let total = this.total_queued(py).saturating_sub(left as u64);
        // There is room for those who wait by now, not for what a callback may send.
        let waiters = this.state.with(py, |state| {
            let room = state.has_room_after(left);
            if room { std::mem::take(&mut state.drains) } else { Vec::new() }
        });
        Self::call_back(slf, total);
        for waiter in waiters {
            waiter.get().grant(py);
            Waiter::wake(waiter.bind(py), this.reactor(py));
        }
    }

    /// As [`Self::written`], of what a call of the program's wrote: it is told in the next tick, because ws
    /// never calls back within `send`, and a callback that sends again would call itself without end.
    fn written_later(slf: &Bound<'_, Self>, left: usize) {
        let (py, this) = (slf.py(), slf.get());
        let total = this.total_queued(py).saturating_sub(left as u64);
        let first = this.state.with(py, |state| {
            state.flow.written_out = total;
            let room = state.has_room_after(left) && !state.drains.is_empty();
            if room {
                state.drains.iter().for_each(|waiter| waiter.get().grant(py));
            }
            let due = room || state.writes.front().is_some_and(|written| written.at <= total);
            due && !std::mem::replace(&mut state.flow.telling, true)
        });
        if first {
            this.reactor(py).call_method_soon(slf.as_any(), "_tell_written", slf.as_any());
        }
    }

    /// Tells what [`Self::written_later`] has left to be told; the wire may be gone since.
    pub fn tell_written_out(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let told = this.state.with(py, |state| {
            std::mem::take(&mut state.flow.telling).then_some(state.flow.written_out)
        });
        let Some(total) = told else { return };
        let granted = this.state.with(py, |state| {
            let (granted, others) = std::mem::take(&mut state.drains)
                .into_iter()
                .partition::<Vec<_>, _>(|waiter| waiter.get().is_granted(py));
            state.drains = others;
            granted
        });
        Self::call_back(slf, total);
        for waiter in granted {
            Waiter::wake(waiter.bind(py), this.reactor(py));
        }
    }

    /// Calls back for the frames that end at `total` or before.
    fn call_back(slf: &Bound<'_, Self>, total: u64) {
        let (py, this) = (slf.py(), slf.get());
        loop {
            let done = this.state.with(py, |state| {
                state.writes.front().filter(|written| written.at <= total)?;
                let one = state.writes.pop_front()?;
                state.pongs -= usize::from(one.auto_pong);
                Some(one)
            });
            let Some(written) = done else { break };
            if let Some(callback) = written.callback {
                this.reactor(py).call_back(py, &callback, py.None());
            }
        }
    }

    /// Lets the senders that wait go on: the connection is lost.
    pub fn wake_senders(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let waiters = this.state.with(py, |state| std::mem::take(&mut state.drains));
        for waiter in waiters {
            Waiter::wake(waiter.bind(py), this.reactor(py));
        }
    }

    /// Answers to what a transport of the loop brought leave right after it, as the engine's do.
    pub fn flush_answers(slf: &Bound<'_, Self>) {
        let now = slf.get().state.with(slf.py(), |state| {
            !state.flow.delivering && matches!(state.wire, Wire::Loop { .. })
        });
        if now {
            Self::flush(slf);
        }
    }

    /// Writes what is queued, and tells those who wait for it.
    pub fn flush(slf: &Bound<'_, Self>) {
        Self::flush_and_tell(slf, Self::written);
    }

    /// Writes what is queued, within a call of the program's: those who wait for it are told after that.
    pub fn write_out(slf: &Bound<'_, Self>) {
        Self::flush_and_tell(slf, Self::written_later);
    }

    fn flush_and_tell(slf: &Bound<'_, Self>, tell: impl FnOnce(&Bound<'_, Self>, usize)) {
        let (py, this) = (slf.py(), slf.get());
        #[cfg(unix)]
        if let Some(token) = this.token(py) {
            write::flush_and_tell(this.reactor_bound(py), token, tell);
            return;
        }
        let ready = this.state.with(py, |state| {
            let transport = state.transport.as_ref()?.clone_ref(py);
            let Wire::Loop { queued, written, blocked } = &mut state.wire else { return None };
            if *blocked || queued.is_empty() {
                return None;
            }
            *written += queued.len() as u64;
            Some((transport, std::mem::take(queued)))
        });
        let Some((transport, bytes)) = ready else { return };
        let data = PyBytes::new(py, &bytes);
        if let Err(error) = transport.call_method1(py, intern!(py, "write"), (data,)) {
            this.reactor(py).report(py, "the transport refused to write", error);
        }
        let gone = this.awaits_writes(py) && this.has_given_up(py);
        Self::end_if_written(slf);
        if this.awaits_writes(py) && !gone {
            tell(slf, this.bytes_on_wire(py));
        }
    }

    /// Whether the transport has ended by itself: what it holds no more was dropped, and the loss will be told.
    #[cold]
    pub fn has_given_up(&self, py: Python<'_>) -> bool {
        let transport = self.state.with(py, |state| {
            let transport = state.transport.as_ref().filter(|_| state.flow.ended == Ending::Open);
            transport.map(|one| one.clone_ref(py))
        });
        transport.is_some_and(|transport| {
            let closing = transport.call_method0(py, intern!(py, "is_closing"));
            closing.and_then(|closing| closing.is_truthy(py)).unwrap_or(false)
        })
    }

    /// Bytes queued here and in the transport, and those that wait to be compressed.
    pub fn queued_bytes(&self, py: Python<'_>) -> usize {
        self.bytes_on_wire(py) + self.bytes_elsewhere(py)
    }

    pub fn bytes_on_wire(&self, py: Python<'_>) -> usize {
        #[cfg(unix)]
        if let Some(token) = self.token(py) {
            return self
                .reactor(py)
                .sockets
                .with(py, |sockets| {
                    sockets.engine().and_then(|engine| engine.out_ref(token).map(|out| out.len()))
                })
                .unwrap_or(0);
        }
        let (here, transport) = self.state.with(py, |state| match &state.wire {
            Wire::Loop { queued, .. } => {
                (queued.len(), state.transport.as_ref().map(|one| one.clone_ref(py)))
            }
            _ => (0, None),
        });
        let there = transport.and_then(|transport| {
            let size = transport.call_method0(py, intern!(py, "get_write_buffer_size"));
            size.and_then(|size| size.extract::<usize>(py)).ok()
        });
        here + there.unwrap_or(0)
    }

    fn total_queued(&self, py: Python<'_>) -> u64 {
        #[cfg(unix)]
        if let Some(token) = self.token(py) {
            return self
                .reactor(py)
                .sockets
                .with(py, |sockets| {
                    sockets
                        .engine()
                        .and_then(|engine| engine.out_ref(token).map(|out| out.total_queued()))
                })
                .unwrap_or(0);
        }
        self.state.with(py, |state| match &state.wire {
            Wire::Loop { queued, written, .. } => *written + queued.len() as u64,
            _ => 0,
        })
    }
}
