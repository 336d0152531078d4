//! The last bytes of a decompressor's output, from which it can be restored.

use crate::protocol::buffer::OutOfMemory;

use super::params::MAX_WINDOW;

/// At most one window of output: a buffer that grows up to `window` bytes and is a ring from then on.
#[derive(Default)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// Once the window is full: the place of the oldest byte, which the next one overwrites.
    oldest: usize,
}

impl History {
    /// Appends output. `window` is how many bytes to remember at most; every call passes the same value.
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

    /// Makes room. The buffer doubles as it grows, but never exceeds the window.
    fn reserve(&mut self, additional: usize, room: usize) -> Result<(), OutOfMemory> {
        let len = self.bytes.len();
        if additional > self.bytes.capacity() - len {
            self.bytes.try_reserve_exact(additional.max(len).min(room))?;
        }
        Ok(())
    }

    /// Writes `output`, at most one window, over the oldest bytes of a full window.
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

    /// Fills `out`, at most `back` bytes, with the output from `back` bytes ago on. Returns `None` if that is
    /// further back than the history reaches.
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

    /// The history in two parts, the older one first.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        [older, newer]
    }

    /// Forgets everything and frees the memory.
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
