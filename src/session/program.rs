//! What the program asks of the incoming half: pauses, listeners, messages.

use super::Session;
use super::hold::Resume;
use super::host::{Form, Objects};

impl<O: Objects> Session<O> {
    /// Stops delivery until [`Session::resume`].
    pub(super) fn pause(&mut self) {
        self.hold.pause(self.end.is_lost());
    }

    /// Ends a pause; what waits is delivered from the next tick on.
    pub(super) fn resume(&mut self) -> Resume {
        self.hold.resume(self.settings.read_ahead > 0)
    }

    /// Returns true if the program has paused.
    pub const fn is_paused(&self) -> bool {
        self.hold.is_paused()
    }

    /// Returns true if the owner is notified of pings.
    pub const fn wants_ping(&self) -> bool {
        self.wants_ping
    }

    /// Sets whether the owner is notified of pings from now on.
    pub const fn set_wants_ping(&mut self, value: bool) {
        self.wants_ping = value;
    }

    /// Returns true if the owner is notified of pongs.
    pub const fn wants_pong(&self) -> bool {
        self.wants_pong
    }

    /// Sets whether the owner is notified of pongs from now on.
    pub const fn set_wants_pong(&mut self, value: bool) {
        self.wants_pong = value;
    }

    /// Returns the form of binary messages.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Sets the form of binary messages from now on; [`Form::Fragments`] applies from the next message on.
    pub fn set_form(&mut self, form: Form) {
        self.form = form;
        self.receiver.set_fragments(form == Form::Fragments);
    }

    /// Returns the program's listener for messages.
    pub const fn listener(&self) -> Option<&O::Listener> {
        self.listener.as_ref()
    }

    /// Sends messages to `listener` from now on. A listener that is set while no task waits (`is_awaited`)
    /// takes over from an earlier `recv`. Returns the previous listener, to be dropped while nothing is
    /// borrowed, and whether messages wait for the new one.
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

    /// Returns true if messages for which there is no room are dropped.
    pub const fn discards(&self) -> bool {
        self.inbox.discards()
    }

    /// Sets whether messages for which there is no room are dropped. Returns true if delivery can go on
    /// because of it.
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

    /// A task iterates, or calls `recv`.
    #[inline]
    pub const fn claim(&mut self) {
        self.inbox.claim();
    }

    /// Sets whether a task was woken for the next message; false if the task is cancelled before it has taken
    /// it.
    #[inline]
    pub const fn owe(&mut self, is_owed: bool) {
        self.inbox.owe(is_owed);
    }

    /// Returns true if a task was woken for a message and has not taken it.
    pub const fn is_owed(&self) -> bool {
        self.inbox.is_owed()
    }

    /// Returns true if a task may have to wait for a time slice in place of the next message: it was not woken for that
    /// one, and others are behind it.
    #[inline]
    pub fn may_let_task_wait(&self) -> bool {
        self.inbox.has_several() && !self.inbox.is_owed()
    }

    /// Takes the next message for a task, and returns it with whether it is binary. The second value is true
    /// if the inbox is now empty and delivery goes on.
    #[inline]
    pub fn take_message(&mut self) -> (Option<(O::Message, bool)>, bool) {
        self.inbox.claim();
        self.inbox.owe(false);
        let message = self.inbox.pop();
        (message, self.unstall())
    }
}
