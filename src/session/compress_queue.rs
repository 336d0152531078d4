//! Frames that wait because a thread compresses a long message that was sent before them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::host::Objects;
use crate::protocol::sender::DataFrame;

/// Bytes of a message beyond which a thread compresses it, and of output beyond which one inflates it.
pub const LONG: usize = 64 * 1024;

/// A frame that waits for those before it.
pub struct Waiting<O: Objects> {
    /// What its header says.
    pub frame: DataFrame,
    /// Its masking key.
    pub mask: Option<[u8; 4]>,
    /// Its payload, before compression.
    pub payload: O::Payload,
    /// Called once it is written out, or will not be.
    pub callback: Option<O::Callback>,
    /// It is an automatic pong.
    pub auto_pong: bool,
}

impl<O: Objects> Waiting<O> {
    /// Bytes of its payload.
    fn len(&self) -> usize {
        self.payload.as_ref().len()
    }

    /// Whether a thread has to compress it.
    fn is_long(&self) -> bool {
        self.frame.compress && self.len() > LONG
    }
}

/// Whose turn it is once a thread is done.
pub enum Turn<O: Objects> {
    /// A frame that is queued now.
    Now(Waiting<O>),
    /// A frame that a thread has to compress.
    Thread(Waiting<O>),
    /// Nobody's: none waits.
    Over,
}

/// The payload that a thread compresses, and the frames behind it.
pub struct CompressQueue<O: Objects> {
    waiting: VecDeque<Waiting<O>>,
    /// Bytes of payload that wait, those in the thread included, before compression.
    bytes: usize,
    /// Bytes in the thread.
    in_thread: usize,
    /// Of the frame whose payload is in the thread.
    callback: Option<O::Callback>,
    cancelled: Arc<AtomicBool>,
}

impl<O: Objects> CompressQueue<O> {
    /// A thread begins with a payload of `len` bytes.
    pub fn new(len: usize, callback: Option<O::Callback>) -> Self {
        let cancelled = Arc::default();
        Self { waiting: VecDeque::new(), bytes: len, in_thread: len, callback, cancelled }
    }

    /// A thread begins with the next long payload, which has waited here.
    pub fn begin(&mut self, len: usize, callback: Option<O::Callback>) {
        (self.in_thread, self.callback) = (len, callback);
        self.cancelled = Arc::default();
    }

    /// Set to true, the thread stops.
    pub fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Nobody wants the result any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The thread is done: the callback of its frame.
    pub fn end(&mut self) -> Option<O::Callback> {
        self.bytes -= std::mem::take(&mut self.in_thread);
        self.callback.take()
    }

    /// Adds a frame.
    pub fn push(&mut self, frame: Waiting<O>) {
        self.bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Takes the next frame. The bytes of one for a thread stay counted.
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

    /// Bytes of payload that wait.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back the callback of a frame that could not be queued: its loss is yet to be told.
    pub fn keep(&mut self, callback: Option<O::Callback>) -> Option<O::Callback> {
        std::mem::replace(&mut self.callback, callback)
    }

    /// The callbacks of all frames, in order.
    pub fn callbacks(&self) -> impl Iterator<Item = &O::Callback> {
        let waiting = self.waiting.iter().filter_map(|frame| frame.callback.as_ref());
        self.callback.iter().chain(waiting)
    }

    /// Gives up all frames: their callbacks, in order.
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
