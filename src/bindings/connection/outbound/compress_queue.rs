//! Long messages that a thread compresses (`offload/`). Frames that are sent meanwhile wait in the session's
//! queue, so that the order is kept.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::flush;
use super::frame_sink::{FrameSink, Making, Queued, enqueue_anyhow, settle_later};
use super::send::{Unput, not_connected};
use crate::bindings::connection::inbound::inflate;
use crate::bindings::connection::state::PyObjects;
use crate::bindings::connection::{Connection, asyncio_protocol};
use crate::bindings::convert::owned_payload::OwnedPayload;
use crate::bindings::convert::payload::Payload;
use crate::bindings::offload::jobs;
use crate::bindings::offload::thread_pool::{Deflation, Task};
use crate::protocol::error::ProtocolError;
use crate::protocol::sender::{DataFrame, SendOptions};
use crate::session::{Host, Turn};

type Waiting = crate::session::Waiting<PyObjects>;

/// Queues a message or fragment behind those that wait for a thread, if that is why it was not queued at
/// once. Otherwise the connection is ending or gone, and the send fails.
#[cold]
pub fn send_behind(
    connection: &Bound<'_, Connection>,
    payload: &Payload<'_>,
    options: &SendOptions,
    mask: Option<[u8; 4]>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    if !connection.with(|session| session.takes_frames_behind()) {
        return not_connected(connection, callback);
    }
    let payload = OwnedPayload::of(payload);
    connection.with(|session| {
        let frame = session.begin_message(payload.as_ref().len(), options);
        session.wait_behind(Waiting { frame, mask, payload, callback, auto_pong: false });
    });
    flush::when_room(connection, &Queued::BEHIND)
}

/// Does the same for a control frame.
#[cold]
pub fn control_behind(
    connection: &Bound<'_, Connection>,
    frame: Waiting,
    ping: Option<&[u8]>,
) -> PyResult<Py<PyAny>> {
    if !connection.with(|session| session.takes_frames_behind()) {
        return not_connected(connection, frame.callback);
    }
    connection.with(|session| {
        session.count_control(frame.auto_pong, ping);
        session.wait_behind(frame);
    });
    flush::when_room(connection, &Queued::BEHIND)
}

/// Sends a message or fragment that could not be put as it is, because a thread has to compress it.
#[cold]
pub fn send_unput(
    connection: &Bound<'_, Connection>,
    payload: &Payload<'_>,
    reason: Unput,
    mask: Option<[u8; 4]>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let frame = match reason {
        Unput::Long(frame) => frame,
        Unput::Fault(error) => return Err(PyValueError::new_err(error.to_string())),
    };
    // Writing what was queued before may have shown meanwhile that the peer is gone.
    if !connection.get().is_connected(connection.py()) {
        return not_connected(connection, callback);
    }
    let payload = OwnedPayload::of(payload);
    let first = Waiting { frame, mask, payload, callback, auto_pong: false };
    compress_in_thread(connection, first);
    flush::when_room(connection, &Queued::BEHIND)
}

/// Has a thread compress the payload of a frame. Everything that is sent from now on waits for it.
fn compress_in_thread(connection: &Bound<'_, Connection>, waiting: Waiting) {
    let Waiting { frame, mask, payload, callback, .. } = waiting;
    let started = connection.with_codec(|session, codec| {
        let limit = session.settings().concurrency_limit;
        let len = payload.as_ref().len();
        let (deflater, queue) = session.begin_compressing(codec, len, callback)?;
        let (out, outcome) = (Vec::new(), Ok(()));
        let task = Deflation { deflater, frame, mask, payload, out, outcome };
        Some((Task::Deflate(Box::new(task)), limit, queue.cancelled()))
    });
    let Some((task, limit, cancelled)) = started else { return };
    if let Err(error) = jobs::start(connection, task, limit, cancelled) {
        give_up(connection, "a long message could not be compressed", error);
    }
}

fn give_up(connection: &Bound<'_, Connection>, message: &str, error: PyErr) {
    let py = connection.py();
    connection.get().reactor(py).report(py, message, error);
    asyncio_protocol::abort(connection);
}

/// Takes back a job of this connection that a thread has done.
pub fn job_done(connection: &Bound<'_, Connection>, task: Task) {
    match task {
        Task::Deflate(task) => deflated(connection, *task),
        Task::Inflate(task) => inflate::inflated(connection, task),
    }
}

fn deflated(connection: &Bound<'_, Connection>, task: Deflation) {
    let (py, this) = (connection.py(), connection.get());
    let Deflation { deflater, frame, mask, out: made, outcome, .. } = task;
    if let Err(error) = outcome {
        let error = PyRuntimeError::new_err(error.to_string());
        return give_up(connection, "a long message could not be compressed", error);
    }
    let queued = enqueue_anyhow(this, py, |(session, shared), sink| {
        let callback = session.end_compressing(shared.codec(), deflater)?;
        sink.put_made(&frame.header(made.len() as u64, mask), made);
        if callback.is_some() {
            session.mark(sink.total(), callback, false);
        }
        Some(())
    });
    let Some((Some(()), queued)) = queued else { return };
    settle_later(connection, &queued);
    send_waiting(connection);
    // An end that was asked for meanwhile has waited, too.
    if connection.with(|session| !session.is_behind() && session.is_ending()) {
        flush::flush(connection);
        asyncio_protocol::end_if_written(connection);
    } else if flush::awaits_writes(this, py) {
        flush::flush(connection);
    }
    // Compressed, the message may be so short that there is room even though nothing could be written.
    if flush::awaits_writes(this, py) && !flush::has_given_up(this, py) {
        flush::written(connection, flush::bytes_on_wire(this, py));
    }
}

/// Sends the frames that have waited, up to the next long message.
fn send_waiting(connection: &Bound<'_, Connection>) {
    loop {
        match connection.with(|session| session.next_behind()) {
            Turn::Over => return,
            Turn::Thread(waiting) => return compress_in_thread(connection, waiting),
            Turn::Now(waiting) => {
                if !send_now(connection, waiting) {
                    return;
                }
            }
        }
    }
}

fn send_now(connection: &Bound<'_, Connection>, waiting: Waiting) -> bool {
    let (py, this) = (connection.py(), connection.get());
    let Waiting { frame, mask, payload, mut callback, auto_pong } = waiting;
    let source = payload.bytes(py);
    let queued = enqueue_anyhow(this, py, |mut making, sink| {
        put_waiting(&mut making, sink, (&frame, mask), payload.as_ref(), source.as_ref())?;
        if callback.is_some() || auto_pong {
            making.0.mark(sink.total(), callback.take(), auto_pong);
        }
        Ok::<_, ProtocolError>(())
    });
    match queued {
        None => {
            // The socket is gone, but the loss is not reported yet. The callback is kept until then.
            let _old = connection.with(|session| session.keep_callback(callback));
            false
        }
        Some((Ok(()), queued)) => {
            settle_later(connection, &queued);
            true
        }
        Some((Err(error), _)) => {
            let error = PyRuntimeError::new_err(error.to_string());
            give_up(connection, "a message could not be compressed", error);
            false
        }
    }
}

/// Puts a frame that waited for a thread. Its header was decided when it was sent.
fn put_waiting(
    (session, shared): &mut Making<'_>,
    sink: &mut FrameSink<'_>,
    (frame, mask): (&DataFrame, Option<[u8; 4]>),
    data: &[u8],
    source: Option<&Payload<'_>>,
) -> Result<(), ProtocolError> {
    let header = frame.header(data.len() as u64, mask);
    if frame.compress {
        let frame = (frame, &header);
        return session.append_compressed(shared.codec(), frame, data, sink.tail());
    }
    sink.put(&header, data, source);
    Ok(())
}
