//! The messages that wait for `recv` and for iteration, and how many may.

use std::collections::VecDeque;

/// Messages, and bytes of messages, that wait while nobody has asked for any: then reading stops, or what
/// comes is dropped (`discard`).
const UNCLAIMED: (usize, usize) = (16, 64 * 1024);
/// The same where a program iterates: more, so that one read is one wake-up.
const CLAIMED: (usize, usize) = (1024, 64 * 1024);

/// A queue of messages with a bound.
#[derive(Debug)]
pub struct Inbox<M> {
    /// Each message with its bytes, and whether it is binary.
    queue: VecDeque<(M, usize, bool)>,
    bytes: usize,
    /// Somebody iterates or has called `recv`, and no listener has come since.
    is_claimed: bool,
    /// The task that waited for a message was woken, and has not come for it yet.
    is_owed: bool,
    /// Messages that find no room are dropped.
    discards: bool,
    /// They were, and there is no room yet: the next one is taken all the same.
    has_dropped: bool,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            is_claimed: false,
            is_owed: false,
            discards: false,
            has_dropped: false,
        }
    }
}

impl<M> Inbox<M> {
    /// Whether no message waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the bound is reached.
    #[inline]
    pub fn is_full(&self) -> bool {
        let (messages, bytes) = if self.is_claimed { CLAIMED } else { UNCLAIMED };
        self.queue.len() >= messages || self.bytes >= bytes
    }

    /// Adds a message of `size` bytes.
    #[inline]
    pub fn push(&mut self, message: M, size: usize, binary: bool) {
        self.bytes += size;
        self.queue.push_back((message, size, binary));
    }

    /// Takes the first message, and whether it is binary.
    #[inline]
    pub fn pop(&mut self) -> Option<(M, bool)> {
        let (message, size, binary) = self.queue.pop_front()?;
        self.bytes -= size;
        self.has_dropped = false;
        Some((message, binary))
    }

    /// Drops the messages that wait, but for the first if it is a task's: one waits (`is_awaited`), or was
    /// woken. The next message may come (`for_next`).
    pub fn drop_unwanted(&mut self, is_awaited: bool, for_next: bool) {
        self.queue.truncate(usize::from(is_awaited || self.is_owed));
        self.bytes = self.queue.iter().map(|(_, size, _)| size).sum();
        // With room for it the next message needs no leave, which would outlast it.
        self.has_dropped = for_next && self.is_full();
    }

    /// Whether what nobody takes was dropped just now: the next message is taken, even beside a long one that
    /// is kept for a task.
    pub const fn take_dropped(&mut self) -> bool {
        std::mem::replace(&mut self.has_dropped, false)
    }

    /// Somebody iterates, or calls `recv`.
    #[inline]
    pub const fn claim(&mut self) {
        self.is_claimed = true;
    }

    /// A listener has come that takes over from a `recv` that has been.
    pub const fn unclaim(&mut self) {
        self.is_claimed = false;
    }

    /// Whether messages go here although there is a listener.
    #[inline]
    pub const fn is_claimed(&self) -> bool {
        self.is_claimed
    }

    /// A task was woken for the next message, or has come for it, or will not come.
    #[inline]
    pub const fn owe(&mut self, is_owed: bool) {
        self.is_owed = is_owed;
    }

    /// Whether a task was woken, and has not come.
    #[inline]
    pub const fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// Whether messages that find no room are dropped.
    pub const fn set_discard(&mut self, discard: bool) {
        self.discards = discard;
    }

    /// Whether messages that find no room are dropped.
    pub const fn discards(&self) -> bool {
        self.discards
    }

    /// The messages that wait.
    pub fn messages(&self) -> impl Iterator<Item = &M> {
        self.queue.iter().map(|(message, ..)| message)
    }
}
