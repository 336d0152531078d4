//! From `send` to the queue: a message is checked, framed and queued at once, where it may be.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyByteArray;

use super::frame_sink::{FrameSink, Making, enqueue, settle};
use super::{compress_queue, flush};
use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::Done;
use crate::bindings::convert::payload::Payload;
use crate::bindings::convert::send_args::SendArgs;
use crate::bindings::event_loop::shared::Shared;
use crate::protocol::close::ABNORMAL;
use crate::protocol::error::ProtocolError;
use crate::protocol::sender::{DataFrame, SendOptions};
use crate::session::{Host, LONG};

/// Why a message was not put.
pub enum Unput {
    /// It is to be compressed, and long: a thread does that.
    Long(DataFrame),
    Fault(ProtocolError),
}

/// The key for the next frame: none, ours, or what the program's `generate_mask` fills in. `None` masks as the
/// role wants it (RFC 6455 section 5.1).
#[inline]
pub fn masking_key(
    connection: &Connection,
    py: Python<'_>,
    mask: Option<bool>,
) -> PyResult<Option<[u8; 4]>> {
    if !mask.unwrap_or_else(|| !connection.is_server(py)) {
        return Ok(None);
    }
    let generate =
        connection.state.with(py, |state| state.generate_mask().map(|one| one.clone_ref(py)));
    let Some(generate) = generate else {
        return Ok(Some(connection.reactor(py).with_shared(py, Shared::mask)));
    };
    let key = PyByteArray::new(py, &[0; 4]);
    generate.call1(py, (&key,))?;
    key.to_vec().try_into().map(Some).map_err(|_| {
        PyValueError::new_err("generate_mask must leave the 4 bytes of its argument 4 bytes long")
    })
}

/// Sends a message or fragment: binary or text, compressed, final, masked as told, else as usual. It is framed and
/// queued, unless too much is queued.
#[inline]
pub fn send(
    connection: &Bound<'_, Connection>,
    data: &Bound<'_, PyAny>,
    (binary, compress, fin, mask): SendArgs,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let payload = Payload::of(data)?;
    let options = SendOptions {
        binary: binary.unwrap_or_else(|| !payload.is_text()),
        compress: compress.unwrap_or(true),
        fin,
    };
    if refuses(connection, fin) {
        return refused(connection, callback);
    }
    send_anyway(connection, &payload, options, mask, callback)
}

/// The same however much is queued.
#[inline(always)] // the way of every message
pub fn send_anyway(
    connection: &Bound<'_, Connection>,
    payload: &Payload<'_>,
    options: SendOptions,
    mask: Option<bool>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let (py, this) = (connection.py(), connection.get());
    let key = masking_key(this, py, mask)?;
    // Beside the result, which would not fit into registers with it: read from memory again so soon
    // after it is written there, it waits for every write before it.
    let mut unput = None;
    let queued = enqueue(this, py, |making, sink| {
        if let Err(reason) = put_message(making, sink, payload, &options, key) {
            unput = Some(reason);
        }
        sink.total()
    });
    let Some((at, queued)) = queued else {
        return compress_queue::send_behind(connection, payload, &options, key, callback);
    };
    if let Some(reason) = unput {
        settle(connection, &queued);
        return compress_queue::send_unput(connection, payload, reason, key, callback);
    }
    if callback.is_some() {
        connection.with(|session| session.mark(at, callback, false));
    }
    settle(connection, &queued);
    flush::when_room(connection, &queued)
}

/// Frames a message into `sink`, compressed where that was agreed and is wished.
#[inline]
fn put_message(
    (session, shared): Making<'_>,
    sink: &mut FrameSink<'_>,
    payload: &Payload<'_>,
    options: &SendOptions,
    mask: Option<[u8; 4]>,
) -> Result<(), Unput> {
    let data = payload.as_slice();
    let frame = session.begin_message(data.len(), options);
    let header = frame.header(data.len() as u64, mask);
    if !frame.compress {
        sink.put(&header, data, Some(payload));
        return Ok(());
    }
    if data.len() > LONG {
        return Err(Unput::Long(frame));
    }
    session
        .append_compressed(shared.codec(), (&frame, &header), data, sink.tail())
        .map_err(Unput::Fault)
}

/// Whether a message or fragment is not to be queued, because more than the mark is, even after what can be
/// written has been. A message that was begun is ended; of one that was refused, all is.
#[inline]
fn refuses(connection: &Bound<'_, Connection>, fin: bool) -> bool {
    connection.with(|session| session.may_refuse()) && refuses_now(connection, fin)
}

#[cold]
fn refuses_now(connection: &Bound<'_, Connection>, fin: bool) -> bool {
    let full = connection.with(|session| session.is_refusing()) || is_full(connection);
    connection.with(|session| session.refuse(full, fin));
    full
}

/// Whether more than the high-water mark is queued, when all that the kernel takes is written.
pub fn is_full(connection: &Bound<'_, Connection>) -> bool {
    let is_above_mark = || {
        let queued = flush::buffered_amount(connection.get(), connection.py());
        connection.with(|session| session.is_above_mark(queued))
    };
    if !is_above_mark() {
        return false;
    }
    flush::write_out(connection);
    is_above_mark()
}

/// What is told of a message that was refused.
fn refused(connection: &Bound<'_, Connection>, callback: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let py = connection.py();
    let error = py.import("wsrs.errors")?.getattr("SlowPeer")?.call0()?.unbind();
    let outcome = failed(connection, callback, error);
    connection.get().tell_owner(py, "_on_refused", ());
    outcome
}

/// What is told of a frame for a wire that is gone.
pub fn not_connected(
    connection: &Bound<'_, Connection>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = connection.py();
    failed(connection, callback, connection_closed(py).into_value(py).into_any())
}

/// What the sender of a frame gets that was not queued; its callback is called in the next tick.
fn failed(
    connection: &Bound<'_, Connection>,
    callback: Option<Py<PyAny>>,
    error: Py<PyAny>,
) -> PyResult<Py<PyAny>> {
    let py = connection.py();
    if let Some(callback) = callback {
        connection.get().reactor(py).call_soon(py, &callback, error.bind(py), None)?;
    }
    Ok(Py::new(py, Done::failed(error))?.into_any())
}

/// `ConnectionClosed(1006)`: what a sender is told of a connection that is gone.
pub fn connection_closed(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = CLASS
        .get_or_try_init(py, || {
            PyResult::Ok(py.import("wsrs.errors")?.getattr("ConnectionClosed")?.unbind())
        })
        .and_then(|class| class.bind(py).call1((ABNORMAL,)));
    made.map_or_else(|error| error, PyErr::from_value)
}
