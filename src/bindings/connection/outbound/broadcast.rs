//! One message to many connections: framed once, compressed once for each way to compress.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::connection::Connection;
use crate::bindings::connection::state::{Ending, Wire};
use crate::bindings::convert::payload::Payload;
use crate::bindings::convert::send_args;
#[cfg(unix)]
use crate::bindings::event_loop::transport::HOLD_MIN;
use crate::protocol::deflate::Deflater;
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, Opcode, write_header};
use crate::protocol::sender::SendOptions;

/// A queue of the loop's transports is written from one buffer: nothing is held for it.
#[cfg(not(unix))]
const HOLD_MIN: usize = usize::MAX;

/// A frame without a mask, as every server sends it: made once, queued many times.
pub struct SharedFrame {
    /// The header, and the payload unless it is held.
    pub bytes: Vec<u8>,
    /// A large payload, which stays where it is.
    pub payload: Option<Py<PyBytes>>,
}

impl SharedFrame {
    fn new(opcode: Opcode, rsv1: bool, payload: &Bound<'_, PyBytes>) -> Self {
        let length = payload.as_bytes().len();
        let header = FrameHeader { fin: true, rsv1, opcode, mask: None, length: length as u64 };
        let mut bytes = write_header(&header).to_vec();
        if length >= HOLD_MIN {
            return Self { bytes, payload: Some(payload.clone().unbind()) };
        }
        bytes.extend_from_slice(payload.as_bytes());
        Self { bytes, payload: None }
    }
}

/// What became of the message on one connection; the order is that of the counts.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    /// More than the high-water mark is queued.
    Slow,
    /// A fragmented message is under way: "the fragments of one message MUST NOT be interleaved between
    /// the fragments of another message" (RFC 6455 section 5.4).
    Busy,
    Gone,
}

/// The message in all the forms that are needed.
struct Message<'py> {
    /// Immutable and ours: whatever Python code runs meanwhile, all get the same.
    data: Bound<'py, PyBytes>,
    binary: bool,
    compress: bool,
    skip_slow: bool,
    plain: SharedFrame,
    /// By compressor; without a frame where that is no shorter than the plain one.
    compressed: Vec<(Deflater, Option<SharedFrame>)>,
}

/// Queues `data` on `connections`; returns on how many, and on how many not: slow, busy, gone.
#[pyfunction]
#[pyo3(signature = (connections, data, binary = None, compress = None, skip_slow = true))]
pub fn broadcast(
    connections: Vec<Bound<'_, Connection>>,
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = send_args::binary)] binary: Option<bool>,
    #[pyo3(from_py_with = send_args::compress)] compress: Option<bool>,
    skip_slow: bool,
) -> PyResult<(usize, usize, usize, usize)> {
    let payload = Payload::of(data)?;
    let binary = binary.unwrap_or_else(|| !payload.is_text());
    let data = match payload {
        Payload::Bytes(bytes) => bytes,
        other => PyBytes::new(data.py(), other.as_slice()),
    };
    let opcode = if binary { Opcode::Binary } else { Opcode::Text };
    let plain = SharedFrame::new(opcode, false, &data);
    let compress = compress.unwrap_or(true);
    let mut message = Message { data, binary, compress, skip_slow, plain, compressed: Vec::new() };
    let mut counts = [0; 4];
    let mut fault = None;
    for connection in &connections {
        match message.send(connection) {
            Ok(outcome) => counts[outcome as usize] += 1,
            // One connection's fault keeps the message from nobody else.
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    match fault {
        Some(error) => Err(error),
        None => Ok((counts[0], counts[1], counts[2], counts[3])),
    }
}

impl Message<'_> {
    fn send(&mut self, connection: &Bound<'_, Connection>) -> PyResult<Outcome> {
        let (py, this) = (connection.py(), connection.get());
        if self.skip_slow && is_slow(connection) {
            this.state.with(py, |state| state.counts.skipped += 1);
            return Ok(Outcome::Slow);
        }
        let (gone, busy, apart) = this.state.with(py, |state| {
            let gone = matches!(state.wire, Wire::None) || state.flow.ending != Ending::Open;
            let busy = !gone && state.sender.is_in_message();
            state.counts.skipped += u64::from(busy);
            // Nothing overtakes what a thread compresses for this connection.
            let apart = !state.settings.is_server || state.flow.is_behind();
            (gone, busy, apart)
        });
        if gone || busy {
            return Ok(if gone { Outcome::Gone } else { Outcome::Busy });
        }
        if apart {
            return self.send_apart(connection);
        }
        let data = self.data.clone();
        let (frame, compressed) = self.frame_for(connection)?;
        let queued = this.enqueue(py, |state, shared, out| {
            out.put_shared(py, frame);
            state.counts.sent(data.as_bytes().len(), true);
            if compressed {
                state.sender.skip(&mut shared.codec, data.as_bytes());
            }
        });
        let Some(((), queued)) = queued else { return Ok(Outcome::Gone) };
        Connection::settle(connection, &queued);
        Ok(Outcome::Sent)
    }

    /// A frame of its own. A client's must have one: "the masking key needs to be unpredictable" (RFC 6455
    /// section 5.3). Whether the peer is too slow was asked before, if it was to be.
    fn send_apart(&self, connection: &Bound<'_, Connection>) -> PyResult<Outcome> {
        let options = SendOptions { binary: self.binary, compress: self.compress, fin: true };
        let payload = Payload::Bytes(self.data.clone());
        let mask = !connection.get().is_server(connection.py());
        Connection::queue_anyway(connection, &payload, options, mask, None)?;
        Ok(Outcome::Sent)
    }

    /// The frame for a server's connection, and whether it is compressed.
    fn frame_for(&mut self, connection: &Bound<'_, Connection>) -> PyResult<(&SharedFrame, bool)> {
        let (py, this) = (connection.py(), connection.get());
        let len = self.data.as_bytes().len();
        let known = &self.compressed;
        // The place of the form, or the compressor that has to make it.
        let form = this.state.with(py, |state| {
            let compressor = state.sender.shares(len).filter(|_| self.compress)?;
            let place = known.iter().position(|(one, _)| one.is_like(compressor));
            Some(place.ok_or_else(|| compressor.apart()))
        });
        let place = match form {
            None => return Ok((&self.plain, false)),
            Some(Ok(place)) => place,
            Some(Err(compressor)) => {
                self.compress(connection, compressor)?;
                self.compressed.len() - 1
            }
        };
        Ok(match &self.compressed[place].1 {
            Some(frame) => (frame, true),
            None => (&self.plain, false),
        })
    }

    /// Adds the form that `compressor` makes.
    fn compress(
        &mut self,
        connection: &Bound<'_, Connection>,
        mut compressor: Deflater,
    ) -> PyResult<()> {
        let (py, data) = (connection.py(), self.data.as_bytes());
        let made = connection.get().reactor(py).with_shared(py, |shared| {
            let mut out = shared.codec.take_scratch();
            compressor.deflate(&mut shared.codec, data, true, &mut out)?;
            Ok::<_, ProtocolError>(out)
        });
        let made = made.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let frame = (made.len() < data.len()).then(|| {
            let opcode = if self.binary { Opcode::Binary } else { Opcode::Text };
            SharedFrame::new(opcode, true, &PyBytes::new(py, &made))
        });
        connection.get().reactor(py).with_shared(py, |shared| shared.codec.give_scratch(made));
        self.compressed.push((compressor, frame));
        Ok(())
    }
}

/// Whether more than the high-water mark is queued, when all that the kernel takes is written.
fn is_slow(connection: &Bound<'_, Connection>) -> bool {
    let (py, this) = (connection.py(), connection.get());
    let high = this.state.with(py, |state| state.settings.high_water_mark);
    if this.queued_bytes(py) <= high {
        return false;
    }
    Connection::write_out(connection);
    this.queued_bytes(py) > high
}
