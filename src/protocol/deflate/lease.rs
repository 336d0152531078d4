//! How a connection comes by a state of the pool: its own one, or a spare one to be set up.

use super::pool::{Pool, Ticket};

/// A state used no more than so many messages ago is still in the cache (1 MiB or so a core).
const RECENT: u32 = 4;

/// A connection's claim to a state, with the choice between the two ways to continue a stream:
/// - its own state, as it was left: nothing to set up, but after a while it is out of the cache, and
///   a message of some length touches most of it;
/// - the spare state used a moment ago by another connection, reset and given this one's history.
///
/// The first is better for short messages and where few connections are busy, the second elsewhere.
pub(super) struct Lease<S> {
    ticket: Option<Ticket>,
    /// In the middle of a message, or away from the loop.
    held: Option<Box<S>>,
    last_used: u32,
    /// The state is to become, or stay, this connection's own.
    keep: bool,
    detached: bool,
}

/// What there is to go on with.
pub(super) enum Taken<S> {
    /// As this connection left it.
    Own(Box<S>),
    /// To be reset.
    Spare(Box<S>),
    /// A new one is to be made.
    Nothing,
}

impl<S> Lease<S> {
    pub(super) const fn new() -> Self {
        Self { ticket: None, held: None, last_used: 0, keep: false, detached: false }
    }

    /// Takes a state for a message, or a piece of one; `short`: it touches little of the state.
    /// `goes_on` tells which own state will do, `fits` which spare one.
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

    /// Whether the connection has a state of its own to go on with.
    pub(super) fn has(&self, pool: &Pool<Box<S>>) -> bool {
        self.held.is_some() || self.ticket.is_some_and(|ticket| pool.has(ticket))
    }

    /// Whether the state is more than the history of the connection, or away from the loop.
    pub(super) const fn is_bound(&self) -> bool {
        self.held.is_some() || self.detached
    }

    /// Whether the connection put a state into the pool for itself.
    pub(super) const fn has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// Gives back a state that can be replaced by the history of the connection.
    pub(super) fn give_back(&mut self, pool: &mut Pool<Box<S>>, state: Box<S>) {
        if self.detached {
            self.held = Some(state);
        } else if self.keep {
            self.ticket = pool.put(state);
        } else {
            pool.put_spare(state);
        }
    }

    /// Keeps a state that is more than the history of the connection.
    pub(super) fn hold(&mut self, state: Box<S>) {
        self.held = Some(state);
    }

    /// Takes the connection's own state out of the pool, if it is there, until [`Lease::attach`].
    pub(super) fn detach(&mut self, pool: &mut Pool<Box<S>>) {
        self.detached = true;
        if self.held.is_none() {
            self.held = self.ticket.take().and_then(|ticket| pool.take(ticket));
        }
    }

    /// Ends [`Lease::detach`]; `replaceable`: the state need not be held any longer.
    pub(super) fn attach(&mut self, pool: &mut Pool<Box<S>>, replaceable: bool) {
        self.detached = false;
        if replaceable && let Some(state) = self.held.take() {
            self.give_back(pool, state);
        }
    }

    /// Makes what the connection has a spare state.
    pub(super) fn release(&mut self, pool: &mut Pool<Box<S>>) {
        let own = self.held.take().or_else(|| pool.take(self.ticket.take()?));
        if let Some(state) = own {
            pool.put_spare(state);
        }
    }
}
