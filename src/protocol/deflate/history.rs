//! The last bytes that a decompressor gave out: what is needed to restore it.

use crate::protocol::buffer::OutOfMemory;

use super::params::MAX_WINDOW;

/// At most one window of output. It grows with what there is to remember, up to `window` bytes, and is
/// a ring from then on.
#[derive(Default)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// Where the oldest byte is, and the next one goes, once the window is full.
    oldest: usize,
}

impl History {
    /// Appends output. `window` is the most to remember, in bytes, the same at every call.
    pub(super) fn push(&mut self, output: &[u8], window: usize) -> Result<(), OutOfMemory> {
        let output = last(output, window);
        let room = window.saturating_sub(self.bytes.len());
        let (grow, wrap) = output.split_at(room.min(output.len()));
        if !grow.is_empty() {
            self.reserve(grow.len(), room)?;
            self.bytes.extend_from_slice(grow);
        }
        self.overwrite(wrap);
        Ok(())
    }

    /// Doubles as it grows, but never past the window.
    fn reserve(&mut self, additional: usize, room: usize) -> Result<(), OutOfMemory> {
        let len = self.bytes.len();
        if additional > self.bytes.capacity() - len {
            self.bytes.try_reserve_exact(additional.max(len).min(room))?;
        }
        Ok(())
    }

    /// `output` is no longer than the window, which is full.
    fn overwrite(&mut self, output: &[u8]) {
        let to_end = output.len().min(self.bytes.len() - self.oldest);
        let (first, second) = output.split_at(to_end);
        self.bytes[self.oldest..self.oldest + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
        self.oldest += output.len();
        if self.oldest >= self.bytes.len() {
            self.oldest -= self.bytes.len();
        }
    }

    /// Fills `out` with what was `back` bytes ago and follows; no more than `back` bytes. `None` where so much
    /// is not remembered.
    #[inline]
    pub(super) fn copy(&self, back: usize, out: &mut [u8]) -> Option<()> {
        let len = self.bytes.len();
        let start = len.checked_sub(back)? + self.oldest;
        let start = if start >= len { start - len } else { start };
        let end = start + out.len();
        if let Some(bytes) = self.bytes.get(start..end) {
            out.copy_from_slice(bytes);
        } else {
            let (first, second) = out.split_at_mut(len - start);
            first.copy_from_slice(&self.bytes[start..]);
            second.copy_from_slice(self.bytes.get(..second.len())?);
        }
        Some(())
    }

    /// What is remembered, the older part first.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        [older, newer]
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() != 0 {
            *self = Self::default();
        }
    }

    /// Memory held, in bytes.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The last `count` bytes of `bytes`, or all of them.
pub(super) fn last(bytes: &[u8], count: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(count.min(MAX_WINDOW))..]
}
