//! Sends one message to many connections. It is framed once, and compressed once for each way to compress it.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::frame_sink::{enqueue, settle};
use super::send::{is_full, send_anyway};
use crate::bindings::connection::Connection;
use crate::bindings::convert::payload::Payload;
use crate::bindings::convert::send_args;
#[cfg(unix)]
use crate::bindings::event_loop::transport::HOLD_MIN;
use crate::protocol::deflate::Deflater;
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, Opcode, write_header};
use crate::protocol::sender::SendOptions;
use crate::session::{BroadcastTo, Host};

/// The queue for a transport of the loop is one buffer, so no payload is written in place.
#[cfg(not(unix))]
const HOLD_MIN: usize = usize::MAX;

/// An unmasked frame, as every server sends it. It is made once and queued many times.
pub struct SharedFrame {
    /// The header, followed by the payload unless that is in `payload`.
    bytes: Vec<u8>,
    /// A large payload, which is written in place.
    payload: Option<Py<PyBytes>>,
}

impl SharedFrame {
    /// The bytes to copy into a queue, and the payload to write in place after them, if it is large.
    #[inline]
    pub fn parts(&self) -> (&[u8], Option<&Py<PyBytes>>) {
        (&self.bytes, self.payload.as_ref())
    }

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

/// What became of the message on one connection. The variants have the order of the returned counts.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    /// More than the high-water mark is queued.
    Slow,
    /// A fragmented message is under way.
    Busy,
    Gone,
}

/// The message, and its frames in each form that a connection has needed.
struct Message<'py> {
    /// Immutable, so that all connections get the same bytes whatever Python code runs meanwhile.
    data: Bound<'py, PyBytes>,
    binary: bool,
    compress: bool,
    skip_slow: bool,
    plain: SharedFrame,
    /// The compressed frame for each compressor; None if it would be no shorter than the plain one.
    compressed: Vec<(Deflater, Option<SharedFrame>)>,
}

/// Queues `data` on `connections`. Returns on how many it was queued, and on how many it was not because they
/// are slow, busy or gone.
#[pyfunction]
#[pyo3(signature = (connections, data, binary = None, compress = None, skip_slow = true))]
pub fn broadcast(
    connections: Vec<Bound<'_, Connection>>,
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = send_args::binary)] binary: Option<bool>,
    #[pyo3(from_py_with = send_args::compress)] compress: Option<bool>,
    skip_slow: bool,
) -> PyResult<(usize, usize, usize, usize)> {
    connections.iter().try_for_each(|one| one.get().check_thread(data.py()))?;
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
            // An error on one connection does not keep the message from the others.
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
        if self.skip_slow && is_full(connection) {
            connection.with(|session| session.counters_mut().skip());
            return Ok(Outcome::Slow);
        }
        match connection.with(|session| session.broadcast_to()) {
            BroadcastTo::Shared => {}
            BroadcastTo::Apart => return self.send_apart(connection),
            BroadcastTo::Busy => return Ok(Outcome::Busy),
            BroadcastTo::Gone => return Ok(Outcome::Gone),
        }
        let data = self.data.clone();
        let (frame, compressed) = self.frame_for(connection)?;
        let queued = enqueue(this, py, |(session, shared), sink| {
            sink.put_shared(py, frame);
            session.send_shared(shared.codec(), data.as_bytes(), compressed);
        });
        let Some(((), queued)) = queued else { return Ok(Outcome::Gone) };
        settle(connection, &queued)?;
        Ok(Outcome::Sent)
    }

    /// Sends the message in a frame made for this connection alone. If slow peers are to be skipped, that was
    /// checked before.
    fn send_apart(&self, connection: &Bound<'_, Connection>) -> PyResult<Outcome> {
        let options = SendOptions { binary: self.binary, compress: self.compress, fin: true };
        let payload = Payload::Bytes(self.data.clone());
        send_anyway(connection, &payload, options, None, None)?;
        Ok(Outcome::Sent)
    }

    /// Returns the frame for a server's connection, and true if it is compressed.
    fn frame_for(&mut self, connection: &Bound<'_, Connection>) -> PyResult<(&SharedFrame, bool)> {
        let len = self.data.as_bytes().len();
        let known = &self.compressed;
        // The index of the compressed form, or the compressor that has to make it.
        let form = connection.with(|session| {
            let compressor = session.shares(len).filter(|_| self.compress)?;
            let index = known.iter().position(|(one, _)| one.is_like(compressor));
            Some(index.ok_or_else(|| compressor.apart()))
        });
        let index = match form {
            None => return Ok((&self.plain, false)),
            Some(Ok(index)) => index,
            Some(Err(compressor)) => {
                self.compress(connection, compressor)?;
                self.compressed.len() - 1
            }
        };
        Ok(match &self.compressed[index].1 {
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
        let made = connection.with_codec(|_, codec| {
            let mut out = codec.take_scratch();
            compressor.deflate(codec, data, true, &mut out)?;
            Ok::<_, ProtocolError>(out)
        });
        let made = made.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let frame = (made.len() < data.len()).then(|| {
            let opcode = if self.binary { Opcode::Binary } else { Opcode::Text };
            SharedFrame::new(opcode, true, &PyBytes::new(py, &made))
        });
        connection.with_codec(|_, codec| codec.give_scratch(made));
        self.compressed.push((compressor, frame));
        Ok(())
    }
}
