//! The destination of a message that is inflated, before its length is known: a spare buffer while it is short, then
//! storage of its own.

use crate::protocol::buffer::{MessageBuffer, OutOfMemory};
use crate::protocol::error::ProtocolError;
use crate::simd::utf8::Utf8;

/// A message beyond this many bytes gets storage of its own. For a shorter one, a copy is cheaper.
const LONG: usize = 64 * 1024;

/// A spare buffer that becomes a `B` once it would hold more than 64 KiB.
pub(super) struct Spill<B> {
    scratch: Vec<u8>,
    buffer: Option<B>,
}

impl<B: MessageBuffer> Spill<B> {
    /// An empty message in `scratch`, whose content is dropped.
    pub(super) fn new(mut scratch: Vec<u8>) -> Self {
        scratch.clear();
        Self { scratch, buffer: None }
    }

    /// The spare buffer, which holds the message unless there is a `B`.
    pub(super) fn into_parts(self) -> (Vec<u8>, Option<B>) {
        (self.scratch, self.buffer)
    }

    /// The spare buffer, and the message as a `B`.
    pub(super) fn into_buffer(mut self) -> Result<(Vec<u8>, B), OutOfMemory> {
        let buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => {
                let mut buffer = B::with_capacity(self.scratch.len())?;
                buffer.extend(&self.scratch)?;
                buffer
            }
        };
        Ok((self.scratch, buffer))
    }

    /// Whether the text within `limit` is valid UTF-8. If inflating failed, it need not be complete.
    pub(super) fn is_utf8(&self, limit: Option<u64>, inflated: &Result<(), ProtocolError>) -> bool {
        let text = self.as_slice();
        let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut utf8 = Utf8::new();
        utf8.feed(&text[..text.len().min(most)]).is_ok()
            && (inflated.is_err() || utf8.finish().is_ok())
    }

    /// Moves the message to a `B` if `additional` more bytes make it long.
    fn spill(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let needed = self.scratch.len().saturating_add(additional);
        if self.buffer.is_none() && needed > LONG {
            let mut buffer = B::with_capacity(needed.saturating_mul(2))?;
            buffer.extend(&self.scratch)?;
            self.scratch.clear();
            self.buffer = Some(buffer);
        }
        Ok(())
    }
}

impl<B: MessageBuffer> MessageBuffer for Spill<B> {
    fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        let mut spill = Self::new(Vec::new());
        spill.reserve(capacity)?;
        Ok(spill)
    }

    /// Makes room in the spare buffer up to its bound. Room alone does not make the message long, so only
    /// [`MessageBuffer::extend`] moves it to a `B`.
    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        match &mut self.buffer {
            Some(buffer) => buffer.reserve(additional),
            None => {
                let bounded = additional.min(LONG.saturating_sub(self.scratch.len()));
                Ok(self.scratch.try_reserve(bounded)?)
            }
        }
    }

    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        match &mut self.buffer {
            Some(buffer) => buffer.reserve_exact(additional),
            None => self.reserve(additional),
        }
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn capacity(&self) -> usize {
        self.buffer.as_ref().map_or(self.scratch.capacity(), B::capacity)
    }

    fn as_slice(&self) -> &[u8] {
        self.buffer.as_ref().map_or(self.scratch.as_slice(), B::as_slice)
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.buffer {
            Some(buffer) => buffer.as_mut_slice(),
            None => &mut self.scratch,
        }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.spill(bytes.len())?;
        match &mut self.buffer {
            Some(buffer) => buffer.extend(bytes),
            None => MessageBuffer::extend(&mut self.scratch, bytes),
        }
    }

    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        mask: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory> {
        self.spill(bytes.len())?;
        match &mut self.buffer {
            Some(buffer) => buffer.extend_unmasked(bytes, mask, phase),
            None => self.scratch.extend_unmasked(bytes, mask, phase),
        }
    }
}
