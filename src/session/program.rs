//! What the program asks of the incoming half: pauses, listeners, messages.

use super::Session;
use super::hold::Resume;
use super::host::{Form, Objects};

impl<O: Objects> Session<O> {
    /// Nothing is delivered until [`Session::resume`].
    pub(super) fn pause(&mut self) {
        self.hold.pause(self.end.is_lost());
    }

    /// Ends a pause; what waits is delivered from the next tick on.
    pub(super) fn resume(&mut self) -> Resume {
        self.hold.resume(self.settings.read_ahead > 0)
    }

    /// Whether the program has paused.
    pub const fn is_paused(&self) -> bool {
        self.hold.is_paused()
    }

    /// Whether the owner is told of pings.
    pub const fn wants_ping(&self) -> bool {
        self.wants_ping
    }

    /// Whether the owner is told of pings from now on.
    pub const fn set_wants_ping(&mut self, value: bool) {
        self.wants_ping = value;
    }

    /// Whether the owner is told of pongs.
    pub const fn wants_pong(&self) -> bool {
        self.wants_pong
    }

    /// Whether the owner is told of pongs from now on.
    pub const fn set_wants_pong(&mut self, value: bool) {
        self.wants_pong = value;
    }

    /// The form of binary messages.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The form of binary messages from now on; of [`Form::Fragments`], from the next message on.
    pub fn set_form(&mut self, form: Form) {
        self.form = form;
        self.receiver.set_fragments(form == Form::Fragments);
    }

    /// The program's listener for messages.
    pub const fn listener(&self) -> Option<&O::Listener> {
        self.listener.as_ref()
    }

    /// Messages go to `listener` from now on. One that comes while no task waits (`is_awaited`) takes over from
    /// a `recv` that has been. Returns the listener before it, to be dropped with nothing lent, and whether
    /// messages wait for it.
    #[must_use]
    pub(super) fn set_listener(
        &mut self,
        listener: Option<O::Listener>,
        is_awaited: bool,
    ) -> (Option<O::Listener>, bool) {
        let listens = listener.is_some();
        if listens && self.listener.is_none() && !is_awaited && !self.inbox.is_owed() {
            self.inbox.unclaim();
        }
        let waiting = listens && !self.inbox.is_empty() && !self.inbox.is_claimed();
        (std::mem::replace(&mut self.listener, listener), waiting)
    }

    /// Whether messages that find no room are dropped.
    pub const fn discards(&self) -> bool {
        self.inbox.discards()
    }

    /// Whether messages that find no room are dropped. True: delivery goes on with it.
    #[must_use]
    pub(super) const fn set_discard(&mut self, discard: bool) -> bool {
        self.inbox.set_discard(discard);
        let goes_on = discard && self.hold.is_stalled();
        if goes_on {
            self.hold.stall(false);
        }
        goes_on
    }

    // The inbox ----------------------------------------------------------------------------------

    /// Somebody iterates, or calls `recv`.
    #[inline]
    pub const fn claim(&mut self) {
        self.inbox.claim();
    }

    /// A task was woken for the next message, or is cancelled before it has come.
    #[inline]
    pub const fn owe(&mut self, is_owed: bool) {
        self.inbox.owe(is_owed);
    }

    /// Whether a task was woken for a message, and has not come.
    pub const fn is_owed(&self) -> bool {
        self.inbox.is_owed()
    }

    /// A task comes for the next message, which is returned with whether it is binary. True: the inbox is empty
    /// now, and delivery goes on.
    #[inline]
    pub fn take_message(&mut self) -> (Option<(O::Message, bool)>, bool) {
        self.inbox.claim();
        self.inbox.owe(false);
        let message = self.inbox.pop();
        (message, self.unstall())
    }
}
