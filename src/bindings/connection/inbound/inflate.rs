//! Long messages of a connection that a thread inflates (`offload/`): what comes after is delivered after.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::convert::bytes_buffer::{BytesBuffer, Room};
use crate::bindings::offload::jobs;
use crate::bindings::offload::thread_pool::{Inflation, Task};
use crate::protocol::receiver::Work;

impl Connection {
    /// The receiver has no event. Whether that is all for now: it needs more bytes, or a thread now does
    /// what it has left. False: that is done already.
    #[cold]
    pub fn goes_on_elsewhere(slf: &Bound<'_, Self>) -> bool {
        let (py, this) = (slf.py(), slf.get());
        if !this.state.with(py, |state| state.receiver.is_working()) {
            return true;
        }
        let work = this.reactor(py).with_shared(py, |shared| {
            this.state.with(py, |state| state.receiver.take_work(&mut shared.codec))
        });
        match work {
            Some(work) => Self::go_on_inflating(slf, work),
            None => true,
        }
    }

    fn go_on_inflating(slf: &Bound<'_, Self>, mut work: Box<Work<BytesBuffer>>) -> bool {
        let (py, this) = (slf.py(), slf.get());
        let Some(storage) = work.take_storage() else {
            this.take_work_back(py, work);
            return false;
        };
        let Some(room) = storage.into_room(py) else {
            work.fail();
            this.take_work_back(py, work);
            return false;
        };
        let (cancelled, limit) = this.state.with(py, |state| {
            state.flow.set_inflating(true);
            let cancelled = state.inflating.get_or_insert_default();
            (Arc::clone(cancelled), state.settings.concurrency_limit)
        });
        let task = Task::Inflate(Inflation { work, room: Some(room) });
        if let Err(error) = jobs::start(slf, task, limit, cancelled) {
            this.reactor(py).report(py, "a long message could not be inflated", error);
            Self::abort_wire(slf);
        }
        true
    }

    fn take_work_back(&self, py: Python<'_>, work: Box<Work<BytesBuffer>>) {
        self.reactor(py).with_shared(py, |shared| {
            self.state.with(py, |state| {
                state.inflating = None;
                state.flow.set_inflating(false);
                state.receiver.give_work(work, &mut shared.codec);
            });
        });
    }

    /// A thread has inflated as much as there was room for.
    pub fn inflated(slf: &Bound<'_, Self>, task: Inflation) {
        let (py, this) = (slf.py(), slf.get());
        let Inflation { mut work, room } = task;
        if this.state.with(py, |state| state.flow.concluded) {
            this.state.with(py, |state| {
                state.inflating = None;
                state.flow.forget_ready();
            });
            drop((work, room));
            return Self::after_delivery(slf);
        }
        if let Some(room) = room {
            work.give_storage(Room::into_buffer(room));
        }
        if work.is_done() {
            this.take_work_back(py, work);
        } else if Self::go_on_inflating(slf, work) {
            return;
        }
        Self::deliver_pending(slf);
        this.state.with(py, |state| state.stall_if_full(py));
        Self::after_delivery(slf);
        Self::flush_answers(slf);
    }
}
