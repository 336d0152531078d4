//! A bounded set of states, the least recently used first out.
//!
//! A state is taken out to be used and put back afterwards, either for its owner, who keeps a
//! [`Ticket`], or as a spare one for anybody. Who comes with a ticket whose state went to another owner in
//! the meantime gets nothing, and starts from a spare one. All operations take constant time.
//!
//! The last used spare state is taken first, as it is in the cache: a state that was not used for a
//! while costs more to fetch from memory than another costs to set up. So owners do not always get their
//! way: in a full pool one newcomer in [`ADMITTED`] becomes an owner, and the others share a spare state.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, Ordering};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// How many spare states are looked at for one of the wanted shape.
const LOOKED_AT: usize = 8;

/// In a full pool, every so many newcomers one takes the place of the least recently used.
const ADMITTED: u32 = 8;

/// Tells the pools of a process apart, so that a ticket is good in its own pool only.
static NEXT_POOL: AtomicU32 = AtomicU32::new(0);

/// The right to take out the state that was put in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pool: u32,
    index: u32,
    serial: NonZeroU64,
}

struct Entry<S> {
    /// `None` in a free entry.
    state: Option<S>,
    /// That of the ticket; 0 in a free entry.
    serial: u64,
    newer: u32,
    /// In a free entry: the next free one.
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
    /// Keeps at most `limit` states for their owners, and a spare one besides.
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

    /// Counts the uses of the pool, and gives the number of this one; wraps around.
    pub(super) const fn tick(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }

    /// Whether the state put in for `ticket` still is here.
    pub(super) fn has(&self, ticket: Ticket) -> bool {
        let entry = self.entries.get(ticket.index as usize);
        ticket.pool == self.id && entry.is_some_and(|entry| entry.serial == ticket.serial.get())
    }

    /// Takes out the state put in for `ticket`, if it still is here.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<S> {
        let entry = self.entries.get(ticket.index as usize)?;
        if ticket.pool != self.id || entry.serial != ticket.serial.get() {
            return None;
        }
        self.remove(ticket.index)
    }

    /// Takes out the last used spare state that fits. `None`: make a new one.
    pub(super) fn take_spare(&mut self, fits: impl Fn(&S) -> bool) -> Option<S> {
        let place = self.spares.iter().rev().take(LOOKED_AT).position(fits)?;
        let place = self.spares.len() - 1 - place;
        Some(self.spares.remove(place))
    }

    /// Puts in a state for the owner of the ticket, as the most recently used one. `None`: it became a
    /// spare one, as the pool is full.
    pub(super) fn put(&mut self, state: S) -> Option<Ticket> {
        if self.owned >= self.limit {
            self.newcomers = (self.newcomers + 1) % ADMITTED;
            let evicted = if self.newcomers == 0 { self.remove(self.oldest) } else { None };
            let Some(evicted) = evicted else {
                self.put_spare(state);
                return None;
            };
            // Not in the cache: only if there is no other.
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

    /// Puts in a state for anybody. It is dropped if there are enough; one is always kept, and of several
    /// that do not fit the eldest goes.
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
