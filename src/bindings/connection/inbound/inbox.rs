//! From the queue to the tasks that wait for messages, or to a listener that came later.

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::{Awaitable, Found, Waiter, Wish};
use crate::bindings::connection::inbound::step::{Step, take_queued};
use crate::bindings::convert::text::decode;

impl Connection {
    /// The connection's one awaitable for `wish`.
    pub fn waiter(slf: &Bound<'_, Self>, wish: Wish) -> PyResult<Py<Awaitable>> {
        let (py, this) = (slf.py(), slf.get());
        let found = this.state.with(py, |state| {
            state.flow.claimed = true;
            let slot = if wish == Wish::Next { &state.next } else { &state.recv };
            let usable = slot.as_ref().filter(|made| !made.get().waiter.get().is_spent(py));
            usable.map(|made| made.clone_ref(py))
        });
        if let Some(waiter) = found {
            return Ok(waiter);
        }
        let waiter = Py::new(py, Waiter::new(slf.clone().unbind(), wish))?;
        let made = Py::new(py, Awaitable { waiter })?;
        let kept = made.clone_ref(py);
        let spent = this.state.with(py, |state| {
            let slot = if wish == Wish::Next { &mut state.next } else { &mut state.recv };
            slot.replace(kept)
        });
        drop(spent);
        Ok(made)
    }

    /// Whether a task waits for a message, or was woken and has not come for it.
    pub fn is_claimed_by_task(slf: &Bound<'_, Self>) -> bool {
        slf.get().state.with(slf.py(), |state| state.is_claimed_by_task(slf.py()))
    }

    /// Wakes the task that waits for a message, if there is something for it.
    #[inline]
    pub fn wake_receiver(slf: &Bound<'_, Self>) {
        if slf.get().state.with(slf.py(), |state| !state.queue.is_empty() || state.finish.is_some())
        {
            Self::wake_waiting(slf);
        }
    }

    fn wake_waiting(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let waiters = this.state.with(py, |state| {
            let clone = |awaitable: &Option<Py<Awaitable>>| {
                let waiter = &awaitable.as_ref()?.get().waiter;
                waiter.get().is_waiting(py).then(|| waiter.clone_ref(py))
            };
            let waiters = [clone(&state.recv), clone(&state.next)];
            state.flow.owed |= waiters.iter().any(Option::is_some);
            waiters
        });
        for waiter in waiters.into_iter().flatten() {
            Waiter::wake(waiter.bind(py), this.reactor(py));
        }
    }

    /// What a waiter finds: the next message, room to write, the end, or nothing yet.
    pub fn look(slf: &Bound<'_, Self>, wish: Wish) -> PyResult<Found> {
        let (py, this) = (slf.py(), slf.get());
        if wish == Wish::Room {
            return Self::look_for_room(slf);
        }
        let (message, resume, end) = this.state.with(py, |state| {
            state.flow.claimed = true;
            state.flow.owed = false;
            let message = state.queue.pop_front();
            if let Some((_, size, _)) = &message {
                state.queued_bytes -= size;
            }
            let resume = state.flow.stalled && state.queue.is_empty();
            if resume {
                state.flow.stalled = false;
            }
            let end = match &state.finish {
                Some(finish) if message.is_none() => {
                    Some((finish.error.clone_ref(py), finish.orderly))
                }
                _ => None,
            };
            (message, resume, end)
        });
        if resume {
            this.reactor(py).call_method_soon(slf.as_any(), "_go_on", slf.as_any());
        }
        match (message, end) {
            (Some((data, _, false)), _) => as_text(py, data).map(Found::Value),
            (Some((data, _, true)), _) => Ok(Found::Value(data)),
            (None, Some((_, true))) if wish == Wish::Next => Err(PyStopAsyncIteration::new_err(())),
            (None, Some((error, _))) => Err(PyErr::from_value(error.into_bound(py))),
            (None, None) => Ok(Found::Nothing),
        }
    }

    /// Gives messages that waited for `recv` to a listener that has come since.
    pub fn deliver_queued(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        loop {
            let next = this.state.with(py, |state| {
                let flow = &state.flow;
                let held = flow.waits_for_tick() || (flow.paused && !flow.lost);
                if flow.claimed || flow.delivering || held {
                    return None;
                }
                let step = take_queued(py, state)?;
                state.flow.delivering = true;
                Some(step)
            });
            let Some(Step::Message { listener, data, binary }) = next else { break };
            Self::call_listener(slf, this.reactor(py), &listener, data, binary);
            this.state.with(py, |state| state.flow.delivering = false);
            Self::end_of_tick(slf, this.reactor(py));
        }
        let resume = this.state.with(py, |state| {
            let resume = state.flow.stalled && state.queue.is_empty();
            state.flow.stalled &= !resume;
            resume
        });
        if resume {
            Self::deliver_pending(slf);
            Self::after_delivery(slf);
        }
    }
}

/// A text message of the queue as str: bytes there are text that was not validated.
fn as_text(py: Python<'_>, data: Py<PyAny>) -> PyResult<Py<PyAny>> {
    match data.bind(py).cast::<PyBytes>() {
        Ok(bytes) => decode(py, bytes.as_bytes(), true),
        Err(_) => Ok(data),
    }
}
