//! Long messages that a thread inflates (`offload/`). What arrives after such a message is delivered after
//! it.

use pyo3::prelude::*;

use crate::bindings::connection::{Connection, asyncio_protocol};
use crate::bindings::convert::bytes_buffer::{BytesBuffer, Room};
use crate::bindings::offload::jobs;
use crate::bindings::offload::thread_pool::{Inflation, Task};
use crate::protocol::receiver::Work;
use crate::session::{Host, delivery};

/// Inflates what the receiver has left to do. True if that is done, false if a thread is doing it.
pub fn inflate(connection: &Bound<'_, Connection>, mut work: Box<Work<BytesBuffer>>) -> bool {
    let (py, this) = (connection.py(), connection.get());
    let Some(storage) = work.take_storage() else {
        give_back(connection, work);
        return true;
    };
    let Some(room) = storage.into_room(py) else {
        work.fail();
        give_back(connection, work);
        return true;
    };
    let (cancelled, limit) = connection.with(|session| session.begin_inflating());
    let task = Task::Inflate(Inflation { work, room: Some(room) });
    if let Err(error) = jobs::start(connection, task, limit, cancelled) {
        this.reactor(py).report(py, "a long message could not be inflated", error);
        asyncio_protocol::abort(connection);
    }
    false
}

fn give_back(connection: &Bound<'_, Connection>, work: Box<Work<BytesBuffer>>) {
    connection.with_codec(|session, codec| session.end_inflating(work, codec));
}

/// Goes on after a thread has inflated as much as there was room for.
pub fn inflated(connection: &Bound<'_, Connection>, task: Inflation) {
    let Inflation { mut work, room } = task;
    if connection.with(|session| session.is_inflated_in_vain()) {
        drop((work, room));
        return delivery::after_delivery(connection);
    }
    if let Some(room) = room {
        work.give_storage(Room::into_buffer(room));
    }
    if work.is_done() {
        give_back(connection, work);
    } else if !inflate(connection, work) {
        return;
    }
    delivery::inflated(connection);
}
