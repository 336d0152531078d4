//! When messages are delivered, and whether the transport reads: the start, pauses, the next tick.

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::state::Wire;
#[cfg(unix)]
use crate::bindings::event_loop::prefetch::Reach;

/// Bytes read ahead of `start`, and while each event waits for its tick (`allow_synchronous_events=False`).
const READ_AHEAD: usize = 64 * 1024;

impl Connection {
    /// Begins to deliver: `head` first.
    pub fn begin(slf: &Bound<'_, Self>, head: Option<&[u8]>) {
        let (py, this) = (slf.py(), slf.get());
        this.state.with(py, |state| {
            state.flow.started = true;
            if let Some(head) = head.filter(|head| !head.is_empty()) {
                state.counts.wire_received += head.len() as u64;
                let later = std::mem::take(&mut state.pending);
                state.pending = [head, &later].concat();
            }
        });
        Self::deliver_pending(slf);
        Self::after_delivery(slf);
        Self::flush_answers(slf);
    }

    /// Delivers nothing until `release`.
    pub fn hold(slf: &Bound<'_, Self>) {
        slf.get().state.with(slf.py(), |state| state.flow.paused = true);
        Self::after_delivery(slf);
    }

    pub fn release(slf: &Bound<'_, Self>) {
        // The transport reads again once what waits is delivered, in `_go_on`: read now, it would be
        // added to that, and with a listener that pauses at each message there would be ever more.
        // Where it reads ahead, nothing that comes until then may overtake what waits.
        let method = slf.get().state.with(slf.py(), |state| {
            let was_paused = std::mem::replace(&mut state.flow.paused, false);
            let wait = was_paused && state.settings.read_ahead > 0 && !state.flow.waits_for_tick();
            if wait {
                state.flow.wait_for_tick(true);
            }
            was_paused.then_some(if wait { "_next_tick" } else { "_go_on" })
        });
        if let Some(method) = method {
            slf.get().reactor(slf.py()).call_method_soon(slf.as_any(), method, slf.as_any());
        }
    }

    /// Goes on with what waits.
    pub fn go_on(slf: &Bound<'_, Self>) {
        Self::deliver_queued(slf);
        Self::deliver_pending(slf);
        slf.get().state.with(slf.py(), |state| state.stall_if_full(slf.py()));
        Self::after_delivery(slf);
        Self::flush_answers(slf);
    }

    /// Messages go to `value` from now on; those that wait, for none has claimed them, come first.
    pub fn listen(slf: &Bound<'_, Self>, value: Option<Py<PyAny>>) {
        let (py, this) = (slf.py(), slf.get());
        #[cfg(unix)]
        let reach = value.as_ref().map(|listener| Reach::of(listener.bind(py)));
        let (old, waiting) = this.state.with(py, |state| {
            #[cfg(unix)]
            (state.reach = reach.unwrap_or_default());
            // A listener that comes while nobody waits takes over from a `recv` that has been.
            let new = value.is_some() && state.listener.is_none();
            if new && state.flow.claimed && !state.is_claimed_by_task(py) {
                state.flow.claimed = false;
            }
            let waiting = value.is_some() && !state.queue.is_empty() && !state.flow.claimed;
            (std::mem::replace(&mut state.listener, value), waiting)
        });
        drop(old);
        if waiting {
            this.reactor(py).call_method_soon(slf.as_any(), "_go_on", slf.as_any());
        }
    }

    /// Whether messages that find no room are dropped.
    pub fn discard_messages(slf: &Bound<'_, Self>, value: bool) {
        let stalled = slf.get().state.with(slf.py(), |state| {
            state.discard = value;
            let stalled = value && state.flow.stalled;
            state.flow.stalled &= !stalled;
            stalled
        });
        if stalled {
            slf.get().reactor(slf.py()).call_method_soon(slf.as_any(), "_go_on", slf.as_any());
        }
    }

    /// The most bytes to be read at once: while the program takes nothing, as many as are read ahead.
    #[cfg(unix)]
    pub fn room_to_read(&self, py: Python<'_>) -> usize {
        self.state.with(py, |state| {
            if state.settings.read_ahead > 0 && state.is_held() {
                state.settings.read_ahead.saturating_sub(state.pending.len()).max(1)
            } else {
                usize::MAX
            }
        })
    }

    /// The transport reads while frames can be delivered, and not else.
    #[inline(always)] // its one caller is on the way of every message
    pub fn adjust_reading(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let wanted = this.state.with(py, |state| {
            let flow = &mut state.flow;
            let waits = flow.must_wait() || !flow.started;
            let ahead = waits && state.pending.len() > READ_AHEAD;
            let held =
                (flow.paused || flow.stalled) && state.pending.len() >= state.settings.read_ahead;
            let off = !flow.concluded && (held || ahead);
            let carried = !matches!(state.wire, Wire::None);
            (carried && off != flow.reading_off).then(|| {
                flow.reading_off = off;
                flow.active = true;
                off
            })
        });
        if let Some(off) = wanted {
            Self::switch_reading(slf, off);
        }
    }

    #[cold]
    fn switch_reading(slf: &Bound<'_, Self>, off: bool) {
        let (py, this) = (slf.py(), slf.get());
        let transport = this.state.with(py, |state| match state.wire {
            Wire::None => None,
            _ => state.transport.as_ref().map(|transport| transport.clone_ref(py)),
        });
        if let Some(transport) = transport {
            let method = if off { "pause_reading" } else { "resume_reading" };
            // Some loops' transports refuse it when they are closing.
            let closing = transport.call_method0(py, "is_closing");
            let outcome = match closing.and_then(|closing| closing.is_truthy(py)) {
                Ok(false) => transport.call_method0(py, method).map(drop),
                other => other.map(drop),
            };
            if let Err(error) = outcome {
                this.reactor(py).report(py, "the transport's flow control failed", error);
            }
        }
    }
}
