//! The vector of slots that sockets live in, and the tokens that name them.

use super::out_queue::OutQueue;
use super::sys::Interest;

/// The name of a listener or a socket within one engine: its slot and the slot's generation. The token of something
/// closed never names what is put into the slot afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    pub(super) fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    pub(super) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The token as a number. It is unique among all tokens of this engine, until a slot has been used 2^32 times.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The number of the slot. It is small, and is reused after the socket is closed.
    pub fn index(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A listening socket.
pub(super) struct Listener<F> {
    pub fd: F,
    /// Whether it is in the poller. It is not after descriptors ran out or it failed.
    pub armed: bool,
}

/// How far the end of the writing half has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fin {
    No,
    /// It is to be ended once the queue is empty.
    Wanted,
    Sent,
}

/// A connected socket. There may be 100,000 of these at once, most of them idle, so it must stay small.
pub(super) struct Stream<F, H> {
    pub fd: F,
    /// The interest that the poller knows. After a pause it differs from [`Self::wanted`] until an event comes.
    pub armed: Interest,
    /// The caller has paused reading.
    pub paused: bool,
    /// It was reported as readable and has not been drained since. An edge-triggered poller will not report it again
    /// unless asked.
    pub unread: bool,
    /// The end or an error was reported, so something follows even a short read.
    pub ending: bool,
    /// Reading has reached the end or an error, so there is nothing more to wait for.
    pub ended: bool,
    /// The kernel's buffer was full at the last write, and no event has reported room since.
    pub blocked: bool,
    /// A write has failed, so no other will be tried.
    pub broken: bool,
    /// It is in the list of sockets to flush.
    pub dirty: bool,
    /// Whether the writing half was ended.
    pub fin: Fin,
    /// What was reported and has been left for later: bits of [`super::late`].
    pub late: u8,
    pub out: OutQueue<H>,
}

impl<F, H> Stream<F, H> {
    pub fn new(fd: F) -> Self {
        Self {
            fd,
            armed: Interest::NONE,
            paused: false,
            unread: false,
            ending: false,
            ended: false,
            blocked: false,
            broken: false,
            dirty: false,
            fin: Fin::No,
            late: 0,
            out: OutQueue::new(),
        }
    }

    /// The interest that the poller ought to know.
    pub fn wanted(&self) -> Interest {
        let read = !self.paused && !self.ended;
        let write = self.blocked && !self.broken;
        Interest { read, write, edge: read || write }
    }
}

pub(super) enum Entry<F, H> {
    Free { next: Option<u32> },
    Listener(Listener<F>),
    Stream(Stream<F, H>),
}

pub(super) struct Slot<F, H> {
    generation: u32,
    entry: Entry<F, H>,
}

pub(super) struct Slots<F, H> {
    slots: Vec<Slot<F, H>>,
    free: Option<u32>,
}

impl<F, H> Slots<F, H> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), free: None }
    }

    pub fn insert(&mut self, entry: Entry<F, H>) -> Token {
        if let Some(index) = self.free
            && let Some(slot) = self.slots.get_mut(index as usize)
            && let Entry::Free { next } = slot.entry
        {
            self.free = next;
            slot.entry = entry;
            return Token::new(index, slot.generation);
        }
        // A process has fewer than 2^31 descriptors, so the index fits.
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, entry });
        Token::new(index, 0)
    }

    #[inline]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut Entry<F, H>> {
        self.slots
            .get_mut(token.index())
            .filter(|slot| slot.generation == token.generation())
            .map(|slot| &mut slot.entry)
    }

    /// Where the slot lies, and its size in bytes.
    pub fn address(&self, token: Token) -> (*const u8, usize) {
        (self.slots.as_ptr().wrapping_add(token.index()).cast(), size_of::<Slot<F, H>>())
    }

    fn get(&self, token: Token) -> Option<&Entry<F, H>> {
        self.slots
            .get(token.index())
            .filter(|slot| slot.generation == token.generation())
            .map(|slot| &slot.entry)
    }

    #[inline]
    pub fn stream_mut(&mut self, token: Token) -> Option<&mut Stream<F, H>> {
        match self.get_mut(token) {
            Some(Entry::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub fn stream(&self, token: Token) -> Option<&Stream<F, H>> {
        match self.get(token) {
            Some(Entry::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub fn listener_mut(&mut self, token: Token) -> Option<&mut Listener<F>> {
        match self.get_mut(token) {
            Some(Entry::Listener(listener)) => Some(listener),
            _ => None,
        }
    }

    /// The descriptor of a listener or a socket.
    pub fn fd(&self, token: Token) -> Option<&F> {
        match self.get(token) {
            Some(Entry::Listener(listener)) => Some(&listener.fd),
            Some(Entry::Stream(stream)) => Some(&stream.fd),
            _ => None,
        }
    }

    /// Empties the slot and ends its generation: the token is stale from here on.
    pub fn remove(&mut self, token: Token) -> Option<Entry<F, H>> {
        let slot = self
            .slots
            .get_mut(token.index())
            .filter(|slot| slot.generation == token.generation())?;
        if matches!(slot.entry, Entry::Free { .. }) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let entry = std::mem::replace(&mut slot.entry, Entry::Free { next: self.free });
        self.free = Some(token.index() as u32);
        Some(entry)
    }
}
