//! The bytes that wait to be written to a socket, and the buffers that are lent for them.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Once more bytes than this are queued, the caller should flush at once instead of gathering more.
pub const FLUSH_AT: usize = 64 * 1024;

/// The most pieces in one gathered write.
pub(super) const MAX_PIECES: usize = 64;

/// The most bytes in one write: macOS refuses 2^31 bytes and more instead of writing a part.
const MAX_WRITE: usize = 1 << 30;

/// A payload that is sent from where it lies, after the first `at` pushed bytes.
struct Held<H> {
    at: usize,
    payload: H,
}

/// Bytes on their way to one socket, in order. Pushed bytes lie in one buffer; between them are payloads that are held
/// without a copy.
///
/// `as_ref` of an `H` must return the same bytes at every call.
pub struct OutQueue<H> {
    /// The pushed bytes; those before `start` have been written.
    bytes: Vec<u8>,
    start: usize,
    held: VecDeque<Held<H>>,
    /// How much of the first held payload has been written.
    held_start: usize,
    /// Bytes in held payloads that are still to be written.
    held_len: usize,
    total_written: u64,
}

impl<H> OutQueue<H> {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            held: VecDeque::new(),
            held_start: 0,
            held_len: 0,
            total_written: 0,
        }
    }

    /// Bytes that are still to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start + self.held_len
    }

    /// True if nothing is to be written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the kernel has taken since the socket was made; it only grows.
    pub fn total_written(&self) -> u64 {
        self.total_written
    }

    /// Bytes that were queued since the socket was made. Everything queued by now will have been written when
    /// [`Self::total_written`] reaches the value that this has now.
    pub fn total_queued(&self) -> u64 {
        self.total_written + self.len() as u64
    }

    /// Queues a copy of `bytes`.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The buffer, for framing straight into it. Append to it only: what it holds already is queued as well.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Drops what is still to be written, and frees its memory.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.held = VecDeque::new();
        self.start = 0;
        self.held_start = 0;
        self.held_len = 0;
    }

    /// Drops what is still to be written, and returns the memory to `spare`.
    pub(super) fn clear_into(&mut self, spare: &mut SpareBuffers) {
        spare.give(std::mem::take(&mut self.bytes));
        self.clear();
    }

    /// Takes a buffer from `spare` if the queue has none.
    #[inline]
    pub(super) fn borrow_buffer(&mut self, spare: &mut SpareBuffers) {
        if self.bytes.capacity() == 0 {
            self.bytes = spare.take();
        }
    }

    /// Returns the memory of a drained queue to `spare`.
    #[inline]
    pub(super) fn return_buffer(&mut self, spare: &mut SpareBuffers) {
        debug_assert!(self.is_empty());
        self.start = 0;
        spare.give(std::mem::take(&mut self.bytes));
        if self.held.capacity() > 0 {
            self.held = VecDeque::new();
        }
    }

    /// Everything that is to be written, if it is one piece of pushed bytes.
    #[inline]
    pub(super) fn single(&self) -> Option<&[u8]> {
        let bytes = &self.bytes[self.start..];
        (self.held.is_empty() && bytes.len() <= MAX_WRITE).then_some(bytes)
    }
}

impl<H: AsRef<[u8]>> OutQueue<H> {
    /// Queues a payload without copying it. It is dropped once it has been written.
    pub fn hold(&mut self, payload: H) {
        let length = payload.as_ref().len();
        if length > 0 {
            self.held_len += length;
            self.held.push_back(Held { at: self.bytes.len(), payload });
        }
    }

    /// Lays out the next gathered write in `pieces`. Returns how many pieces and how many bytes it has.
    pub(super) fn gather<'a>(&'a self, pieces: &mut [IoSlice<'a>; MAX_PIECES]) -> (usize, usize) {
        let mut layout = Layout { pieces, count: 0, bytes: 0 };
        let mut position = self.start;
        let mut skip = self.held_start;
        for held in &self.held {
            if !layout.add(&self.bytes[position..held.at])
                || !layout.add(&held.payload.as_ref()[skip..])
            {
                return (layout.count, layout.bytes);
            }
            position = held.at;
            skip = 0;
        }
        layout.add(&self.bytes[position..]);
        (layout.count, layout.bytes)
    }

    /// Removes the first `written` bytes from the queue.
    pub(super) fn advance(&mut self, mut written: usize) {
        self.total_written += written as u64;
        while written > 0 {
            let Some(first) = self.held.front() else {
                self.start += written;
                break;
            };
            let before = written.min(first.at - self.start);
            self.start += before;
            written -= before;
            let left = first.payload.as_ref().len() - self.held_start;
            if written < left {
                self.held_start += written;
                self.held_len -= written;
                break;
            }
            written -= left;
            self.held_len -= left;
            self.held_start = 0;
            self.held.pop_front();
        }
        if self.start >= FLUSH_AT && self.start * 2 >= self.bytes.len() {
            self.compact();
        }
    }

    /// Frees the written bytes of a queue that never runs empty. They are at least half of the buffer, so each byte is
    /// moved once on average, no matter how long the queue lives.
    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        for held in &mut self.held {
            held.at -= self.start;
        }
        self.start = 0;
        if self.bytes.len() * 4 < self.bytes.capacity() {
            self.bytes.shrink_to(self.bytes.len() * 2);
        }
    }
}

struct Layout<'b, 'a> {
    pieces: &'b mut [IoSlice<'a>; MAX_PIECES],
    count: usize,
    bytes: usize,
}

impl<'a> Layout<'_, 'a> {
    /// Adds a piece as far as there is room. Returns false once the write is full.
    fn add(&mut self, piece: &'a [u8]) -> bool {
        let piece = &piece[..piece.len().min(MAX_WRITE - self.bytes)];
        if !piece.is_empty() {
            let Some(place) = self.pieces.get_mut(self.count) else {
                return false;
            };
            *place = IoSlice::new(piece);
            self.count += 1;
            self.bytes += piece.len();
        }
        self.bytes < MAX_WRITE
    }
}

/// The capacity of a fresh buffer.
const FIRST_CAPACITY: usize = 4 * 1024;
/// A larger buffer is freed instead of kept. This is what is gathered before a flush, plus the header of the piece
/// that made it full.
const MAX_KEPT: usize = FLUSH_AT + 1024;
/// The most bytes kept in all buffers together.
const MAX_KEPT_TOTAL: usize = 1024 * 1024;

/// Buffers that are lent to queues while they have something to write.
pub(super) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    total: usize,
}

impl SpareBuffers {
    pub fn new() -> Self {
        Self { buffers: Vec::new(), total: 0 }
    }

    /// The buffer that was used last, which is most likely still in the CPU's cache, or a fresh one.
    #[inline]
    fn take(&mut self) -> Vec<u8> {
        match self.buffers.pop() {
            Some(buffer) => {
                self.total -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(FIRST_CAPACITY),
        }
    }

    #[inline]
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > 0 && capacity <= MAX_KEPT && self.total + capacity <= MAX_KEPT_TOTAL {
            buffer.clear();
            self.total += capacity;
            self.buffers.push(buffer);
        }
    }

    /// The capacity of all buffers that are not lent, in bytes.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.total
    }
}
