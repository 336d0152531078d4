//! What waits to be written on one socket, and the buffers that are lent for it.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Queued bytes beyond which the caller should flush at once instead of gathering more.
pub const FLUSH_AT: usize = 64 * 1024;

/// The most pieces in one gathered write.
pub(super) const MAX_PIECES: usize = 64;

/// The most bytes in one write: macOS refuses 2^31 and more instead of writing less.
const MAX_WRITE: usize = 1 << 30;

/// A payload that is sent from where it lies, `at` this many bytes into the pushed ones.
struct Held<H> {
    at: usize,
    payload: H,
}

/// Bytes on their way to one socket, in order: those that were pushed lie in one buffer, payloads
/// that are held without a copy are woven in between.
///
/// `H` must give the same bytes at every call of `as_ref`.
pub struct OutQueue<H> {
    /// All pushed bytes; those before `start` have been written.
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

    /// Bytes still to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start + self.held_len
    }

    /// True when nothing is to be written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the kernel has taken since the socket was made. Only grows.
    pub fn total_written(&self) -> u64 {
        self.total_written
    }

    /// Bytes that were queued since the socket was made. What was queued at a certain moment has
    /// been written when [`Self::total_written`] reaches the value that this had then.
    pub fn total_queued(&self) -> u64 {
        self.total_written + self.len() as u64
    }

    /// Queues a copy of `bytes`.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The buffer to frame straight into. Append to it; what it holds already is queued too and
    /// must stay as it is.
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

    /// Drops what is still to be written, and gives the memory back.
    pub(super) fn clear_into(&mut self, spare: &mut SpareBuffers) {
        spare.give(std::mem::take(&mut self.bytes));
        self.clear();
    }

    /// Takes a buffer from `spare` if it has none.
    #[inline]
    pub(super) fn borrow_buffer(&mut self, spare: &mut SpareBuffers) {
        if self.bytes.capacity() == 0 {
            self.bytes = spare.take();
        }
    }

    /// Gives the memory of a drained queue back.
    #[inline]
    pub(super) fn return_buffer(&mut self, spare: &mut SpareBuffers) {
        debug_assert!(self.is_empty());
        self.start = 0;
        spare.give(std::mem::take(&mut self.bytes));
        if self.held.capacity() > 0 {
            self.held = VecDeque::new();
        }
    }

    /// Everything there is to write, when it is one piece of pushed bytes.
    #[inline]
    pub(super) fn single(&self) -> Option<&[u8]> {
        let bytes = &self.bytes[self.start..];
        (self.held.is_empty() && bytes.len() <= MAX_WRITE).then_some(bytes)
    }
}

impl<H: AsRef<[u8]>> OutQueue<H> {
    /// Queues a payload without copying it: it is dropped once it is written.
    pub fn hold(&mut self, payload: H) {
        let length = payload.as_ref().len();
        if length > 0 {
            self.held_len += length;
            self.held.push_back(Held { at: self.bytes.len(), payload });
        }
    }

    /// Lays out the next gathered write in `pieces`: how many there are, and their bytes.
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

    /// Takes the first `written` bytes out of the queue.
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

    /// Frees the written bytes of a queue that does not run empty. At least half of the buffer
    /// goes, so a byte is moved once on average, however long the queue lives.
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
    /// Adds a piece, as far as there is room; false when the write is full.
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
/// A buffer larger than this is freed instead of kept: what is gathered before a flush, and the
/// header of the piece that made it full.
const MAX_KEPT: usize = FLUSH_AT + 1024;
/// The most bytes kept in all buffers together.
const MAX_KEPT_TOTAL: usize = 1024 * 1024;

/// Buffers that are lent to queues while these have something to write.
pub(super) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    total: usize,
}

impl SpareBuffers {
    pub fn new() -> Self {
        Self { buffers: Vec::new(), total: 0 }
    }

    /// The buffer used last, the one most likely in the CPU's cache, or a fresh one.
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

    /// Bytes of all the buffers that wait to be lent.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.total
    }
}
