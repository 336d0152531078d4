//! Reading a long frame straight into the `bytes` that the listener will get.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::bindings::convert::bytes_buffer::BytesBuffer;
use crate::engine::Read;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::Receiver;

/// One `read` into the message, where at least `at_least` bytes of its frame are missing.
/// None where no such frame is on its way.
pub fn receive(
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
