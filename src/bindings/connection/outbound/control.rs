//! Control frames: pings, pongs and the close frame, checked and queued.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::compress_queue::Waiting;
use crate::bindings::connection::state::Written;
use crate::bindings::convert::owned_payload::Source;
use crate::protocol::close::is_valid_close_code;
use crate::protocol::frame::Opcode;
use crate::protocol::sender::DataFrame;

/// RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less".
const MAX_CONTROL: usize = 125;

/// Control frames, by who sends them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    Ping,
    Pong,
    /// The pong that answers a ping.
    AutoPong,
    Close,
}

impl FrameKind {
    fn opcode(self) -> Opcode {
        match self {
            Self::Ping => Opcode::Ping,
            Self::Pong | Self::AutoPong => Opcode::Pong,
            Self::Close => Opcode::Close,
        }
    }
}

impl Connection {
    /// Queues a control frame whose length has been checked.
    pub fn queue_control(slf: &Bound<'_, Self>, kind: FrameKind, payload: &[u8]) {
        let mask = !slf.get().is_server(slf.py());
        if let Err(error) = Self::queue_control_with(slf, kind, payload, mask, None) {
            slf.get().reactor(slf.py()).report(slf.py(), "a control frame was not sent", error);
        }
    }

    pub fn queue_control_with(
        slf: &Bound<'_, Self>,
        kind: FrameKind,
        payload: &[u8],
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if payload.len() > MAX_CONTROL {
            return Err(PyValueError::new_err(format!(
                "the data of a control frame must not be longer than 125 bytes, not {}",
                payload.len()
            )));
        }
        let mask = this.masking_key(py, mask)?;
        let auto_pong = kind == FrameKind::AutoPong;
        let frame = DataFrame { fin: true, rsv1: false, opcode: kind.opcode(), compress: false };
        let header = frame.header(payload.len() as u64, mask);
        let queued = this.enqueue(py, |state, _, out| {
            out.put(&header, payload, None);
            state.pongs += usize::from(auto_pong);
            if kind == FrameKind::Ping {
                state.counts.pinged(payload);
            }
            out.total()
        });
        let Some((at, queued)) = queued else {
            let source = Source::copy(payload);
            let frame = Waiting { frame, mask, source, callback, auto_pong };
            return Self::control_behind(slf, frame, kind == FrameKind::Ping);
        };
        if callback.is_some() || auto_pong {
            this.state.with(py, |s| s.writes.push_back(Written { at, callback, auto_pong }));
        }
        Self::settle(slf, &queued);
        Self::when_room(slf, queued.length)
    }

    /// Queues a close frame (RFC 6455 section 5.5.1).
    pub fn queue_close(
        slf: &Bound<'_, Self>,
        code: Option<u16>,
        reason: &[u8],
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut payload = Vec::new();
        if let Some(code) = code {
            if !is_valid_close_code(code) {
                return Err(PyValueError::new_err(format!(
                    "{code} is no close code that an endpoint may send"
                )));
            }
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason);
        } else if !reason.is_empty() {
            return Err(PyValueError::new_err("a close reason needs a close code"));
        }
        if payload.len() > MAX_CONTROL {
            return Err(PyValueError::new_err(format!(
                "a close reason must not be longer than 123 bytes, not {}",
                reason.len()
            )));
        }
        Self::queue_control_with(slf, FrameKind::Close, &payload, mask, callback).map(drop)
    }
}
