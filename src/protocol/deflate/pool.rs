//! A bounded set of states, from which the least recently used is evicted first.
//!
//! A state is taken out for use and put back afterwards, either for its owner, who keeps a [`Ticket`], or as a
//! spare one for anyone. An owner whose state has been evicted in the meantime gets nothing for the ticket and
//! starts from a spare state. All operations take constant time.
//!
//! The spare state that was used last is taken first, because it is still in the cache: fetching a state from
//! memory that was idle for a while costs more than setting up another. For the same reason a full pool does
//! not make an owner of everyone: of [`ADMITTED`] newcomers one becomes an owner, and the others share a spare
//! state.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, Ordering};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// How many spare states are searched for one of the wanted shape.
const LOOKED_AT: usize = 8;

/// In a full pool, every n-th newcomer takes the place of the least recently used owner.
const ADMITTED: u32 = 8;

/// Numbers the pools of a process, so that a ticket is valid in its own pool only.
static NEXT_POOL: AtomicU32 = AtomicU32::new(0);

/// The right to take out the state that was put in together with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pool: u32,
    index: u32,
    serial: NonZeroU64,
}

struct Entry<S> {
    /// `None` in a free entry.
    state: Option<S>,
    /// The serial number of the ticket; 0 in a free entry.
    serial: u64,
    newer: u32,
    /// In a free entry, this is the next free one.
    older: u32,
}

/// See the top of this file.
pub(super) struct Pool<S> {
    id: u32,
    limit: usize,
    serial: u64,
    clock: u32,
    newcomers: u32,
    spares: Vec<S>,
    entries: Vec<Entry<S>>,
    owned: usize,
    free: u32,
    newest: u32,
    oldest: u32,
}

impl<S> Pool<S> {
    /// A pool that keeps at most `limit` states for their owners, and one spare state besides.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            id: NEXT_POOL.fetch_add(1, Ordering::Relaxed),
            limit: limit.min(NONE as usize),
            serial: 0,
            clock: 0,
            newcomers: 0,
            spares: Vec::new(),
            entries: Vec::new(),
            owned: 0,
            free: NONE,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// States in the pool.
    pub(super) const fn len(&self) -> usize {
        self.owned + self.spares.len()
    }

    /// Counts the uses of the pool and returns the number of this one. It wraps around.
    pub(super) const fn tick(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }

    /// Whether the state that was put in for `ticket` is still here.
    pub(super) fn has(&self, ticket: Ticket) -> bool {
        let entry = self.entries.get(ticket.index as usize);
        ticket.pool == self.id && entry.is_some_and(|entry| entry.serial == ticket.serial.get())
    }

    /// Takes out the state that was put in for `ticket`, if it is still here.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<S> {
        let entry = self.entries.get(ticket.index as usize)?;
        if ticket.pool != self.id || entry.serial != ticket.serial.get() {
            return None;
        }
        self.remove(ticket.index)
    }

    /// Takes out the last used spare state that fits, if there is one.
    pub(super) fn take_spare(&mut self, fits: impl Fn(&S) -> bool) -> Option<S> {
        let place = self.spares.iter().rev().take(LOOKED_AT).position(fits)?;
        let place = self.spares.len() - 1 - place;
        Some(self.spares.remove(place))
    }

    /// Puts in a state, as the most recently used one, for the owner of the returned ticket. In a full pool it may
    /// become a spare state instead, and the result is `None`.
    pub(super) fn put(&mut self, state: S) -> Option<Ticket> {
        if self.owned >= self.limit {
            self.newcomers = (self.newcomers + 1) % ADMITTED;
            let evicted = if self.newcomers == 0 { self.remove(self.oldest) } else { None };
            let Some(evicted) = evicted else {
                self.put_spare(state);
                return None;
            };
            // It has left the cache, so it is worth keeping only if there is no other.
            if self.spares.is_empty() {
                self.spares.push(evicted);
            }
        }
        self.serial += 1;
        let serial = NonZeroU64::new(self.serial)?;
        let index = self.insert(Entry {
            state: Some(state),
            serial: self.serial,
            newer: NONE,
            older: self.newest,
        });
        match self.entries.get_mut(self.newest as usize) {
            Some(entry) => entry.newer = index,
            None => self.oldest = index,
        }
        self.newest = index;
        Some(Ticket { pool: self.id, index, serial })
    }

    /// Puts in a state for anyone. A full pool drops its oldest spare state for it, and so always keeps one.
    pub(super) fn put_spare(&mut self, state: S) {
        if self.len() > self.limit && !self.spares.is_empty() {
            self.spares.remove(0);
        }
        self.spares.push(state);
    }

    fn insert(&mut self, entry: Entry<S>) -> u32 {
        self.owned += 1;
        let index = self.free;
        if let Some(place) = self.entries.get_mut(index as usize) {
            self.free = place.older;
            *place = entry;
            return index;
        }
        self.entries.push(entry);
        // `limit` keeps the number of entries below `NONE`.
        (self.entries.len() - 1) as u32
    }

    fn remove(&mut self, index: u32) -> Option<S> {
        let entry = self.entries.get_mut(index as usize)?;
        let state = entry.state.take()?;
        let (newer, older) = (entry.newer, entry.older);
        entry.serial = 0;
        entry.older = std::mem::replace(&mut self.free, index);
        self.owned -= 1;
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        Some(state)
    }
}
