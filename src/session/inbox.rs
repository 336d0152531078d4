//! The messages that wait for `recv` and for iteration, and the bounds on them.

use std::collections::VecDeque;

/// The most messages, and bytes of messages, that wait while no task has asked for any. Beyond that reading
/// stops, or messages are dropped (`discard`).
const UNCLAIMED: (usize, usize) = (16, 64 * 1024);
/// The same bounds where a program iterates: they are higher, so that one read is one wake-up.
const CLAIMED: (usize, usize) = (1024, 64 * 1024);

/// A queue of messages with a bound.
#[derive(Debug)]
pub struct Inbox<M> {
    /// Each message with its size in bytes, and whether it is binary.
    queue: VecDeque<(M, usize, bool)>,
    bytes: usize,
    /// True if a task iterates or has called `recv`, and no listener was set since.
    is_claimed: bool,
    /// True if the task that waited for a message was woken, and has not taken it yet.
    is_owed: bool,
    /// True if messages for which there is no room are dropped.
    discards: bool,
    /// True if messages were dropped and there is still no room: the next one is taken all the same.
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
    /// Returns true if no message waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns true if more than one message waits.
    #[inline]
    pub fn has_several(&self) -> bool {
        self.queue.len() > 1
    }

    /// Returns true if the bound is reached.
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

    /// Takes the first message, with whether it is binary.
    #[inline]
    pub fn pop(&mut self) -> Option<(M, bool)> {
        let (message, size, binary) = self.queue.pop_front()?;
        self.bytes -= size;
        self.has_dropped = false;
        Some((message, binary))
    }

    /// Drops the messages that wait, except the first if it belongs to a task that waits (`is_awaited`) or
    /// was woken. `for_next` says that the next message may come.
    pub fn drop_unwanted(&mut self, is_awaited: bool, for_next: bool) {
        self.queue.truncate(usize::from(is_awaited || self.is_owed));
        self.bytes = self.queue.iter().map(|(_, size, _)| size).sum();
        // If there is room for the next message, it needs no permission, which would otherwise remain set.
        self.has_dropped = for_next && self.is_full();
    }

    /// Returns true if unclaimed messages were dropped just now: then the next message is taken, even beside
    /// a long one that is kept for a task.
    pub const fn take_dropped(&mut self) -> bool {
        std::mem::replace(&mut self.has_dropped, false)
    }

    /// A task iterates, or calls `recv`.
    #[inline]
    pub const fn claim(&mut self) {
        self.is_claimed = true;
    }

    /// A listener was set that takes over from an earlier `recv`.
    pub const fn unclaim(&mut self) {
        self.is_claimed = false;
    }

    /// Returns true if messages go to the inbox even though there is a listener.
    #[inline]
    pub const fn is_claimed(&self) -> bool {
        self.is_claimed
    }

    /// Sets whether a task was woken for the next message; false once the task has taken it, or never will.
    #[inline]
    pub const fn owe(&mut self, is_owed: bool) {
        self.is_owed = is_owed;
    }

    /// Returns true if a task was woken and has not taken its message.
    #[inline]
    pub const fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// Sets whether messages for which there is no room are dropped.
    pub const fn set_discard(&mut self, discard: bool) {
        self.discards = discard;
    }

    /// Returns true if messages for which there is no room are dropped.
    pub const fn discards(&self) -> bool {
        self.discards
    }

    /// Returns the messages that wait.
    pub fn messages(&self) -> impl Iterator<Item = &M> {
        self.queue.iter().map(|(message, ..)| message)
    }
}
