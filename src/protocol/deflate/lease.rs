//! How a connection gets a state from a pool: its own, or a spare one that must be set up.

use super::pool::{Pool, Ticket};

/// A state that was used at most this many messages ago is still in the cache (about 1 MiB per core).
const RECENT: u32 = 4;

/// A connection's claim to a state. It chooses between two ways to continue a stream:
/// - with the connection's own state, as it was left. Nothing has to be set up, but after a while the state is
///   out of the cache, and a message of some length touches most of it;
/// - with the spare state that another connection used a moment ago, reset and given this one's history.
///
/// The first is faster for short messages and while few connections are busy, the second otherwise.
pub(super) struct Lease<S> {
    ticket: Option<Ticket>,
    /// The state, while a message is incomplete or the handle is detached.
    held: Option<Box<S>>,
    last_used: u32,
    /// After this message, the state becomes (or stays) this connection's own.
    keep: bool,
    detached: bool,
}

/// The state to continue with.
pub(super) enum Taken<S> {
    /// This connection's own, as it was left.
    Own(Box<S>),
    /// A spare one, which must be reset.
    Spare(Box<S>),
    /// There is none: make a new one.
    Nothing,
}

impl<S> Lease<S> {
    pub(super) const fn new() -> Self {
        Self { ticket: None, held: None, last_used: 0, keep: false, detached: false }
    }

    /// Takes a state for a message or a piece of one. `short` means that it touches little of the state.
    /// `goes_on` says whether the connection's own state will do, `fits` whether a spare one will.
    pub(super) fn take(
        &mut self,
        pool: &mut Pool<Box<S>>,
        short: bool,
        goes_on: impl Fn(&S) -> bool,
        fits: impl Fn(&S) -> bool,
    ) -> Taken<S> {
        let now = pool.tick();
        let recent = now.wrapping_sub(self.last_used) <= RECENT;
        self.last_used = now;
        self.keep = short || recent;
        let held = self.held.is_some();
        let own = self.held.take().or_else(|| pool.take(self.ticket.take()?));
        let Some(own) = own else {
            return pool.take_spare(|state| fits(state)).map_or(Taken::Nothing, Taken::Spare);
        };
        let good = goes_on(&own);
        if good && (held || self.keep) {
            return Taken::Own(own);
        }
        match pool.take_spare(|state| fits(state)) {
            Some(spare) => {
                pool.put_spare(own);
                Taken::Spare(spare)
            }
            None if good => Taken::Own(own),
            None if fits(&own) => Taken::Spare(own),
            None => {
                pool.put_spare(own);
                Taken::Nothing
            }
        }
    }

    /// Whether the connection has a state of its own to continue with.
    pub(super) fn has(&self, pool: &Pool<Box<S>>) -> bool {
        self.held.is_some() || self.ticket.is_some_and(|ticket| pool.has(ticket))
    }

    /// Whether no other state can take the place of this one: a message is incomplete, or the handle is detached.
    pub(super) const fn is_bound(&self) -> bool {
        self.held.is_some() || self.detached
    }

    /// Whether the connection has put a state of its own into the pool; it may have been evicted since.
    pub(super) const fn has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// Gives back a state that the history of the connection can restore.
    pub(super) fn give_back(&mut self, pool: &mut Pool<Box<S>>, state: Box<S>) {
        if self.detached {
            self.held = Some(state);
        } else if self.keep {
            self.ticket = pool.put(state);
        } else {
            pool.put_spare(state);
        }
    }

    /// Keeps a state that the history of the connection cannot restore.
    pub(super) fn hold(&mut self, state: Box<S>) {
        self.held = Some(state);
    }

    /// Takes the connection's own state, if it has one, out of the pool until [`Lease::attach`].
    pub(super) fn detach(&mut self, pool: &mut Pool<Box<S>>) {
        self.detached = true;
        if self.held.is_none() {
            self.held = self.ticket.take().and_then(|ticket| pool.take(ticket));
        }
    }

    /// Ends [`Lease::detach`]. `replaceable` means that the history can restore the state, so it need not be held.
    pub(super) fn attach(&mut self, pool: &mut Pool<Box<S>>, replaceable: bool) {
        self.detached = false;
        if replaceable && let Some(state) = self.held.take() {
            self.give_back(pool, state);
        }
    }

    /// Turns the connection's own state, if it has one, into a spare one.
    pub(super) fn release(&mut self, pool: &mut Pool<Box<S>>) {
        let own = self.held.take().or_else(|| pool.take(self.ticket.take()?));
        if let Some(state) = own {
            pool.put_spare(state);
        }
    }
}
