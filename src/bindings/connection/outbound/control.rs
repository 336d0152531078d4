//! Checks and queues control frames: pings, pongs and the close frame.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::frame_sink::{enqueue, settle};
use super::send::masking_key;
use super::{compress_queue, flush};
use crate::bindings::connection::Connection;
use crate::bindings::convert::owned_payload::OwnedPayload;
use crate::protocol::close::is_valid_close_code;
use crate::protocol::frame::{MAX_CONTROL_PAYLOAD, Opcode};
use crate::protocol::sender::DataFrame;
use crate::session::{Host, Waiting};

/// Queues a control frame that the program sends. RFC 6455 section 5.5: "All control frames MUST have a
/// payload length of 125 bytes or less".
pub fn send_control(
    connection: &Bound<'_, Connection>,
    opcode: Opcode,
    payload: &[u8],
    mask: Option<bool>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    connection.get().check_thread(connection.py())?;
    if payload.len() > MAX_CONTROL_PAYLOAD {
        return Err(PyValueError::new_err(format!(
            "the data of a control frame must not be longer than 125 bytes, not {}",
            payload.len()
        )));
    }
    queue_control(connection, opcode, payload, mask, callback, false)
}

/// Queues the pong that answers a ping.
pub fn send_auto_pong(connection: &Bound<'_, Connection>, data: &[u8]) {
    let (py, this) = (connection.py(), connection.get());
    let queue = || queue_control(connection, Opcode::Pong, data, None, None, true);
    // A program's `generate_mask` is called in the context of the connection.
    let is_own = this.state.with(py, |state| state.generate_mask().is_some());
    if let Err(error) = if is_own { this.context.run(py, queue) } else { queue() } {
        this.reactor(py).report(py, "a control frame was not sent", error);
    }
}

fn queue_control(
    connection: &Bound<'_, Connection>,
    opcode: Opcode,
    payload: &[u8],
    mask: Option<bool>,
    callback: Option<Py<PyAny>>,
    auto_pong: bool,
) -> PyResult<Py<PyAny>> {
    let (py, this) = (connection.py(), connection.get());
    let mask = masking_key(this, py, mask)?;
    let frame = DataFrame { fin: true, rsv1: false, opcode, compress: false };
    let header = frame.header(payload.len() as u64, mask);
    let ping = (opcode == Opcode::Ping).then_some(payload);
    let queued = enqueue(this, py, |(session, _), sink| {
        sink.put(&header, payload, None);
        session.count_control(auto_pong, ping);
        sink.total()
    });
    let Some((at, queued)) = queued else {
        let payload = OwnedPayload::copy(payload);
        let frame = Waiting { frame, mask, payload, callback, auto_pong };
        return compress_queue::control_behind(connection, frame, ping);
    };
    if callback.is_some() || auto_pong {
        connection.with(|session| session.mark(at, callback, auto_pong));
    }
    settle(connection, &queued)?;
    flush::when_room(connection, &queued)
}

/// Queues a close frame (RFC 6455 section 5.5.1).
pub fn send_close(
    connection: &Bound<'_, Connection>,
    code: Option<u16>,
    reason: &[u8],
    mask: Option<bool>,
    callback: Option<Py<PyAny>>,
) -> PyResult<()> {
    let mut payload = Vec::new();
    if let Some(code) = code {
        if !is_valid_close_code(code) {
            return Err(PyValueError::new_err(format!(
                "{code} is not a close code that an endpoint may send"
            )));
        }
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason);
    } else if !reason.is_empty() {
        return Err(PyValueError::new_err("a close reason needs a close code"));
    }
    if payload.len() > MAX_CONTROL_PAYLOAD {
        return Err(PyValueError::new_err(format!(
            "a close reason must not be longer than 123 bytes, not {}",
            reason.len()
        )));
    }
    queue_control(connection, Opcode::Close, &payload, mask, callback, false).map(drop)
}
