//! From `send` to the queue: checks, frames and queues a message, at once if nothing is before it.

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

/// Why a message could not be put.
pub enum Unput {
    /// It is long and has to be compressed, which a thread does.
    Long(DataFrame),
    Fault(ProtocolError),
}

/// Returns the masking key for the next frame: none, a random one, or what the user's `generate_mask` fills
/// in. If `mask` is None, the role decides whether to mask (RFC 6455 section 5.1).
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
    key.to_vec()
        .try_into()
        .map(Some)
        .map_err(|_| PyValueError::new_err("generate_mask must leave its argument 4 bytes long"))
}

/// Sends a message or fragment as the arguments say; None stands for the default. It is framed and queued, or
/// refused if too much is queued.
#[inline]
pub fn send(
    connection: &Bound<'_, Connection>,
    data: &Bound<'_, PyAny>,
    (binary, compress, fin, mask): SendArgs,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    connection.get().check_thread(connection.py())?;
    let payload = connection.get().keep(connection.py(), Payload::of(data)?);
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

/// Does the same, however much is queued.
#[inline(always)] // every message passes here
pub fn send_anyway(
    connection: &Bound<'_, Connection>,
    payload: &Payload<'_>,
    options: SendOptions,
    mask: Option<bool>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let (py, this) = (connection.py(), connection.get());
    let key = masking_key(this, py, mask)?;
    // The reason is kept apart from the result, since the two together would not fit into registers. A value
    // that is read from memory so soon after it was written there waits for every write before it.
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
        settle(connection, &queued)?;
        return compress_queue::send_unput(connection, payload, reason, key, callback);
    }
    if callback.is_some() {
        connection.with(|session| session.mark(at, callback, false));
    }
    settle(connection, &queued)?;
    flush::when_room(connection, &queued)
}

/// Frames a message into `sink`, compressed if that was negotiated and is wanted.
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

/// True if a message or fragment is refused, because more than the high-water mark is queued even after all
/// that the kernel takes was written. A message that was begun is completed; if its first fragment was
/// refused, so are the others.
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

/// True if more than the high-water mark is queued even after all that the kernel takes was written.
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

/// Fails the send of a message that was refused, and tells the owner.
fn refused(connection: &Bound<'_, Connection>, callback: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let py = connection.py();
    let error = py.import("wsrs.errors")?.getattr("SlowPeer")?.call0()?.unbind();
    let outcome = failed(connection, callback, error);
    // In the context of the sender, whose call this is: no listener is called.
    connection.get().tell_owner_here(py, "_on_refused", ());
    outcome
}

/// Fails the send of a frame whose wire is gone.
pub fn not_connected(
    connection: &Bound<'_, Connection>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    let py = connection.py();
    failed(connection, callback, connection_closed(py).into_value(py).into_any())
}

/// Returns an awaitable that raises `error`, for a frame that was not queued. The callback of the frame is
/// called in the next tick.
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

/// Makes the `ConnectionClosed(1006)` with which a send on a lost connection fails.
pub fn connection_closed(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = CLASS
        .get_or_try_init(py, || {
            PyResult::Ok(py.import("wsrs.errors")?.getattr("ConnectionClosed")?.unbind())
        })
        .and_then(|class| class.bind(py).call1((ABNORMAL,)));
    made.map_or_else(|error| error, PyErr::from_value)
}
