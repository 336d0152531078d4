//! Reading a long frame straight into the `bytes` that the listener will get.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::convert::bytes_buffer::BytesBuffer;
use crate::engine::Read;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::Receiver;

/// Receives into the message itself, where at least `at_least` bytes of its frame are missing. None where no
/// such frame is on its way, or where it has to wait.
#[inline]
pub fn receive_direct(
    connection: &Connection,
    py: Python<'_>,
    at_least: usize,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Read,
) -> Option<Read> {
    connection.state.with(py, |state| {
        let receiver = state.session.direct_receiver()?;
        match receive(receiver, at_least, read) {
            Ok(read) => {
                if let Some(read) = &read {
                    let bytes = if let Read::Data { n, .. } = read { *n } else { 0 };
                    state.session.direct_received(Ok(bytes));
                }
                read
            }
            Err(fault) => {
                state.session.direct_received(Err(fault));
                Some(Read::Data { n: 0, drained: true })
            }
        }
    })
}

fn receive(
    receiver: &mut Receiver<BytesBuffer>,
    at_least: usize,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Read,
) -> Result<Option<Read>, ProtocolError> {
    let Some((buffer, limit)) = receiver.direct(at_least)? else { return Ok(None) };
    let outcome = read(buffer.spare(limit));
    if let Read::Data { n, .. } = outcome {
        // SAFETY: the engine has written the first `n` bytes of the slice it was given.
        unsafe { buffer.advance(n) };
        receiver.direct_received(n)?;
    }
    Ok(Some(outcome))
}
