//! The frames that wait because a thread compresses a long message that was sent before them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::host::Objects;
use crate::protocol::sender::DataFrame;

/// A thread compresses a message longer than this, and inflates one whose output is longer than this, in
/// bytes.
pub const LONG: usize = 64 * 1024;

/// A frame that waits for those before it.
pub struct Waiting<O: Objects> {
    /// The fields of its header.
    pub frame: DataFrame,
    /// Its masking key.
    pub mask: Option<[u8; 4]>,
    /// Its payload, before compression.
    pub payload: O::Payload,
    /// Called once the frame is written out, or never will be.
    pub callback: Option<O::Callback>,
    /// True if the frame is an automatic pong.
    pub auto_pong: bool,
}

impl<O: Objects> Waiting<O> {
    /// Returns the length of its payload in bytes.
    fn len(&self) -> usize {
        self.payload.as_ref().len()
    }

    /// Returns true if a thread has to compress the frame.
    fn is_long(&self) -> bool {
        self.frame.compress && self.len() > LONG
    }
}

/// The frame whose turn it is once a thread is done.
pub enum Turn<O: Objects> {
    /// A frame that can be queued now.
    Now(Waiting<O>),
    /// A frame that a thread has to compress.
    Thread(Waiting<O>),
    /// No frame waits.
    Over,
}

/// The payload that a thread compresses, and the frames that wait behind it.
pub struct CompressQueue<O: Objects> {
    waiting: VecDeque<Waiting<O>>,
    /// The bytes of payload that wait, before compression, including those in the thread.
    bytes: usize,
    /// The bytes of payload in the thread.
    in_thread: usize,
    /// The callback of the frame whose payload is in the thread.
    callback: Option<O::Callback>,
    cancelled: Arc<AtomicBool>,
}

impl<O: Objects> CompressQueue<O> {
    /// A thread begins to compress a payload of `len` bytes.
    pub fn new(len: usize, callback: Option<O::Callback>) -> Self {
        let cancelled = Arc::default();
        Self { waiting: VecDeque::new(), bytes: len, in_thread: len, callback, cancelled }
    }

    /// A thread begins to compress the next long payload, which has waited here.
    pub fn begin(&mut self, len: usize, callback: Option<O::Callback>) {
        (self.in_thread, self.callback) = (len, callback);
        self.cancelled = Arc::default();
    }

    /// Returns the flag that stops the thread once it is set to true.
    pub fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Stops the thread, since its result is no longer needed.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The thread is done. Returns the callback of its frame.
    pub fn end(&mut self) -> Option<O::Callback> {
        self.bytes -= std::mem::take(&mut self.in_thread);
        self.callback.take()
    }

    /// Adds a frame.
    pub fn push(&mut self, frame: Waiting<O>) {
        self.bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Takes the next frame. If it is for a thread, its bytes stay counted.
    pub fn next_turn(&mut self) -> Turn<O> {
        match self.waiting.pop_front() {
            None => Turn::Over,
            Some(next) if next.is_long() => Turn::Thread(next),
            Some(next) => {
                self.bytes -= next.len();
                Turn::Now(next)
            }
        }
    }

    /// Returns the number of bytes of payload that wait.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts back the callback of a frame that could not be queued: its loss is reported later.
    pub fn keep(&mut self, callback: Option<O::Callback>) -> Option<O::Callback> {
        std::mem::replace(&mut self.callback, callback)
    }

    /// Returns the callbacks of all frames, in order.
    pub fn callbacks(&self) -> impl Iterator<Item = &O::Callback> {
        let waiting = self.waiting.iter().filter_map(|frame| frame.callback.as_ref());
        self.callback.iter().chain(waiting)
    }

    /// Drops all frames and returns their callbacks, in order.
    pub fn lose(mut self) -> Vec<O::Callback> {
        let waiting = std::mem::take(&mut self.waiting);
        let waiting = waiting.into_iter().filter_map(|frame| frame.callback);
        self.callback.take().into_iter().chain(waiting).collect()
    }
}

impl<O: Objects> Drop for CompressQueue<O> {
    fn drop(&mut self) {
        self.cancel();
    }
}
