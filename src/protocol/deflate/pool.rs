//! A bounded set of states, the least recently used first out.
//!
//! A state is taken out to be used and put back afterwards; the owner keeps a [`Ticket`]. Who comes with
//! a ticket whose state went to another owner in the meantime gets nothing, and starts afresh. All
//! operations take constant time.

use std::sync::atomic::{AtomicU32, Ordering};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// How many idle states are looked at for one of the wanted shape.
const LOOKED_AT: usize = 8;

/// Tells the pools of a process apart, so that a ticket is good in its own pool only.
static NEXT_POOL: AtomicU32 = AtomicU32::new(0);

/// The right to take out the state that was put in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pool: u32,
    index: u32,
    serial: u64,
}

struct Entry<S> {
    state: Option<S>,
    /// That of the ticket, 0 where nobody will ask for the state.
    serial: u64,
    newer: u32,
    /// Also the next free entry, where there is no state.
    older: u32,
}

/// See the top of this file.
pub(super) struct Pool<S> {
    id: u32,
    limit: usize,
    len: usize,
    serial: u64,
    entries: Vec<Entry<S>>,
    free: u32,
    newest: u32,
    oldest: u32,
}

impl<S> Pool<S> {
    /// Keeps at most `limit` states; 0 keeps none.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            id: NEXT_POOL.fetch_add(1, Ordering::Relaxed),
            limit: limit.min(NONE as usize),
            len: 0,
            serial: 0,
            entries: Vec::new(),
            free: NONE,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// States in the pool.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes out the state put in for `ticket`, if it still is here.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<S> {
        let entry = self.entries.get(ticket.index as usize)?;
        if ticket.pool != self.id || entry.serial != ticket.serial {
            return None;
        }
        self.remove(ticket.index)
    }

    /// Takes out a state to start afresh with: one that nobody will ask for, or the least recently used
    /// if the pool is full. `None`: make a new one.
    pub(super) fn take_any(&mut self, fits: impl Fn(&S) -> bool) -> Option<S> {
        let mut index = self.oldest;
        for _ in 0..LOOKED_AT {
            let Some(entry) = self.entries.get(index as usize) else {
                break;
            };
            if entry.serial != 0 {
                break;
            }
            if entry.state.as_ref().is_some_and(&fits) {
                return self.remove(index);
            }
            index = entry.newer;
        }
        if self.len < self.limit {
            return None;
        }
        self.remove(self.oldest).filter(fits)
    }

    /// Puts in a state as the most recently used one, for the owner of the ticket. If the pool is full,
    /// the least recently used one goes. `None` where the pool keeps nothing.
    pub(super) fn put(&mut self, state: S) -> Option<Ticket> {
        if self.limit == 0 {
            return None;
        }
        if self.len >= self.limit {
            self.remove(self.oldest);
        }
        self.serial += 1;
        let index = self.insert(state, self.serial);
        self.link_newest(index);
        Some(Ticket { pool: self.id, index, serial: self.serial })
    }

    /// Puts in a state that nobody will ask for: the first to be taken for another use.
    pub(super) fn put_spare(&mut self, state: S) {
        if self.len < self.limit {
            let index = self.insert(state, 0);
            self.link_oldest(index);
        }
    }

    fn insert(&mut self, state: S, serial: u64) -> u32 {
        self.len += 1;
        let entry = Entry { state: Some(state), serial, newer: NONE, older: NONE };
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
        self.len -= 1;
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

    fn link_newest(&mut self, index: u32) {
        let older = std::mem::replace(&mut self.newest, index);
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = index,
            None => self.oldest = index,
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.older = older;
        }
    }

    fn link_oldest(&mut self, index: u32) {
        let newer = std::mem::replace(&mut self.oldest, index);
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = index,
            None => self.newest = index,
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.newer = newer;
        }
    }
}
