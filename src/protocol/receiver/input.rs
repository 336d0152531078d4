//! Received bytes that are not read yet.

/// Received bytes, and how far they are read. Payload is unmasked in place.
#[derive(Debug)]
pub struct Input<'buf> {
    buf: &'buf mut [u8],
    pos: usize,
}

impl<'buf> Input<'buf> {
    /// An input of all of `buf`, of which nothing is read.
    #[inline]
    pub const fn new(buf: &'buf mut [u8]) -> Self {
        Self { buf, pos: 0 }
    }

    /// Bytes read so far.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.pos
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.buf.len() - self.pos
    }

    #[inline]
    pub(super) fn rest(&self) -> &[u8] {
        &self.buf[self.pos..]
    }

    /// Reads `count` bytes, or as many as there are, and returns where they lie.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> (usize, usize) {
        let start = self.pos;
        self.pos += count.min(self.remaining());
        (start, self.pos)
    }

    #[inline]
    pub(super) fn slice_mut(&mut self, (start, end): (usize, usize)) -> &mut [u8] {
        &mut self.buf[start..end]
    }

    pub(super) const fn drain(&mut self) {
        self.pos = self.buf.len();
    }

    /// The bytes of a range that [`Input::take`] returned.
    #[inline]
    pub(super) fn slice(&self, (start, end): (usize, usize)) -> &[u8] {
        &self.buf[start..end]
    }
}
