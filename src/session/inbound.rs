//! The incoming half: received bytes, the choice of what is delivered next, and the end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::end::Ends;
use super::host::Objects;
use super::{Session, Step};
use crate::protocol::deflate::Codec;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Receiver, ScannedPing, Work};

/// The most bytes that are read ahead of `start`, and while each event waits for its tick
/// (`allow_synchronous_events=False`).
const READ_AHEAD: usize = 64 * 1024;

/// What happens to received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// They are dropped: the connection is concluded.
    Dropped,
    /// They wait in the backlog.
    Kept,
    /// They are delivered now: a delivery has begun.
    Delivered,
}

/// Whether the inbox has room for the next message, and what happens if it has none.
pub enum Room {
    /// There is room, or no message goes to the inbox now.
    Left,
    /// There is no room, and delivery stalls.
    Stalls,
    /// There is no room, and the messages in the inbox have to be dropped.
    Drops,
}

/// How a delivery goes on once its input is used up.
pub enum AfterInput<O: Objects> {
    /// It ends: more bytes are needed.
    NeedsBytes,
    /// The receiver has left work that a thread may do.
    HasWork(Box<Work<O::Buffer>>),
}

impl<O: Objects> Session<O> {
    // The wire -----------------------------------------------------------------------------------

    /// There is now a transport or a socket, which had already queued or written `queued` bytes.
    pub fn connect(&mut self, queued: u64) {
        self.end.connect();
        self.counters.begin_wire(queued);
    }

    /// Takes bytes from the wire. They are kept here if they have to wait.
    #[inline]
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Intake {
        self.active = true;
        self.counters.receive_wire(bytes.len());
        if self.end.is_lost() || self.hold.is_concluded() {
            return Intake::Dropped;
        }
        if self.hold.is_delivering() || !self.backlog.is_empty() || !self.hold.allows_delivery() {
            self.backlog.push(bytes);
            return Intake::Kept;
        }
        self.hold.deliver(true);
        Intake::Delivered
    }

    /// Returns the receiver for a direct read into its message, or None while received bytes have to wait.
    #[inline]
    pub fn direct_receiver(&mut self) -> Option<&mut Receiver<O::Buffer>> {
        let free =
            self.backlog.is_empty() && self.hold.allows_delivery() && !self.hold.is_delivering();
        free.then_some(&mut self.receiver)
    }

    /// Takes the result of a direct read: bytes, or the fault found in them. Until it is delivered, the
    /// program may pause, or take a message that was received before.
    pub fn direct_received(&mut self, outcome: Result<usize, ProtocolError>) {
        match outcome {
            Ok(bytes) => self.counters.receive_wire(bytes),
            Err(fault) => self.fault = Some(fault),
        }
        self.note_ready();
    }

    /// Returns the most bytes to read at once: as many as are read ahead while the program accepts nothing.
    #[inline]
    pub fn room_to_read(&self) -> usize {
        if self.settings.read_ahead > 0 && self.hold.is_held() {
            self.settings.read_ahead.saturating_sub(self.backlog.len()).max(1)
        } else {
            usize::MAX
        }
    }

    /// Returns the new state of the transport's reading if it has to change: it reads only while frames can
    /// be delivered.
    #[inline]
    pub(super) fn change_reading(&mut self) -> Option<bool> {
        let waiting = self.backlog.len();
        let ahead = self.hold.must_wait() && waiting > READ_AHEAD;
        let held = self.hold.is_held() && waiting >= self.settings.read_ahead;
        let late = self.hold.waits_for_slice() && waiting > 0;
        let off = !self.hold.is_concluded() && (held || ahead || late);
        if off == self.reading_off || !self.end.is_connected() {
            return None;
        }
        self.reading_off = off;
        self.active = true;
        Some(off)
    }

    /// Returns true if, since the last call, bytes were received, or none could be because reading was off.
    pub fn take_activity(&mut self) -> bool {
        std::mem::take(&mut self.active) || self.reading_off
    }

    /// Allows delivery to begin; `head` holds bytes that precede all that waits.
    pub(super) fn start(&mut self, head: &[u8]) {
        self.hold.start();
        if !head.is_empty() {
            self.counters.receive_wire(head.len());
            self.backlog.push_front(head);
        }
    }

    /// Returns true if a delivery is under way.
    #[inline]
    pub const fn is_delivering(&self) -> bool {
        self.hold.is_delivering()
    }

    // The inbox ----------------------------------------------------------------------------------

    /// Ends the stall if the inbox is empty, and returns true if it did.
    pub(super) fn unstall(&mut self) -> bool {
        let goes_on = self.hold.is_stalled() && self.inbox.is_empty();
        if goes_on {
            self.hold.stall(false);
        }
        goes_on
    }

    /// The inbox was full at a step, and the task that waits was woken since. Returns true if the inbox is
    /// still full.
    pub(super) fn stall(&mut self) -> bool {
        let is_full = self.inbox.is_full();
        self.hold.stall(is_full);
        is_full
    }

    /// The last message delivered in a tick may have filled the inbox: if so, delivery stalls, or unclaimed
    /// messages have to be dropped.
    pub(super) fn stall_if_full(&mut self) -> Room {
        if !(self.takes_to_inbox() && self.hold.allows_delivery() && self.inbox.is_full()) {
            return Room::Left;
        }
        if self.inbox.discards() {
            return Room::Drops;
        }
        self.hold.stall(true);
        Room::Stalls
    }

    /// Returns true if a task has asked for messages, and no listener was set since.
    pub(super) const fn is_claimed(&self) -> bool {
        self.inbox.is_claimed()
    }

    /// Drops the messages that wait, except the first if it belongs to a task; `for_next` says that another
    /// is about to come.
    pub(super) fn drop_unwanted(&mut self, is_awaited: bool, for_next: bool) {
        self.inbox.drop_unwanted(is_awaited, for_next);
    }

    /// Takes the next message that waits for a listener that was set since; this begins a delivery.
    pub(super) fn begin_from_inbox(
        &mut self,
        take: impl FnOnce(&mut Self) -> Option<Step<O>>,
    ) -> Option<Step<O>> {
        let hold = &self.hold;
        if self.inbox.is_claimed() || hold.is_delivering() || hold.keeps_inbox() {
            return None;
        }
        let step = take(self)?;
        self.hold.deliver(true);
        Some(step)
    }

    /// The listener has received the message. Returns true if a tick has to be scheduled, for which the next
    /// event waits.
    pub(super) const fn end_from_inbox(&mut self) -> bool {
        self.hold.deliver(false);
        self.end_event()
    }

    // Delivery -----------------------------------------------------------------------------------

    /// Takes the waiting bytes if they may be delivered now; this begins a delivery.
    pub(super) fn take_backlog(&mut self) -> Option<Vec<u8>> {
        let something = !self.backlog.is_empty() || self.hold.has_ready();
        if !something || self.hold.is_delivering() || !self.hold.allows_delivery() {
            return None;
        }
        self.hold.forget_ready();
        self.hold.deliver(true);
        Some(self.backlog.take())
    }

    /// Notes whether something can be delivered without more bytes, since nothing else would trigger its
    /// delivery.
    #[inline]
    pub(super) fn note_ready(&mut self) {
        if self.fault.is_some() || self.receiver.has_ready() {
            self.hold.keep_ready();
        }
    }

    /// Ends a delivery that has read `read` bytes and has not read `rest`. Returns whether messages wait for
    /// a task, and whether the session is at rest. It usually is: nothing waits, there is no hold, reading is
    /// on, and the owner need not be notified of an end.
    #[inline]
    pub(super) fn end_delivery(&mut self, read: usize, rest: &[u8]) -> (bool, bool) {
        self.hold.deliver(false);
        self.backlog.consume(read, rest.is_empty());
        if !rest.is_empty() && !self.hold.is_concluded() {
            self.backlog.push_front(rest);
        }
        (!self.inbox.is_empty(), self.is_at_rest())
    }

    /// Returns how delivery goes on when the receiver has no event.
    #[cold]
    pub(super) fn after_input(&mut self, codec: &mut Codec) -> AfterInput<O> {
        let work = if self.receiver.is_working() { self.receiver.take_work(codec) } else { None };
        work.map_or(AfterInput::NeedsBytes, AfterInput::HasWork)
    }

    /// Concludes the connection: no more frames are delivered.
    pub(super) const fn conclude(&mut self) {
        self.hold.conclude();
    }

    /// Ends a step. `told` says that a listener or the owner was called for an event: with
    /// `allow_synchronous_events=False` the next event then waits for the next tick, as in ws. Returns
    /// whether that tick has to be scheduled, and whether, apart from the input, nothing received waits to be
    /// delivered.
    #[inline]
    pub(super) fn end_step(&mut self, told: bool) -> (bool, bool) {
        let needs_tick = told && self.end_event();
        (needs_tick, self.inbox.is_empty() && self.fault.is_none())
    }

    /// Ends an event. Returns true if a tick has to be scheduled, for which the next event waits.
    #[inline]
    pub(super) const fn end_event(&mut self) -> bool {
        if self.settings.allow_synchronous_events {
            self.hold.wait_for_tick(false);
            return false;
        }
        let waits = self.hold.waits_for_tick();
        self.hold.wait_for_tick(true);
        !waits
    }

    /// The next tick has come.
    pub(super) const fn end_tick(&mut self) {
        self.hold.wait_for_tick(false);
    }

    #[inline]
    fn is_at_rest(&self) -> bool {
        self.hold.is_free()
            && self.backlog.is_empty()
            && !self.reading_off
            && !self.end.untold().any()
    }

    /// Returns the next ping in the backlog while the program accepts nothing, and whether to answer it. When
    /// its turn comes, it is delivered but not answered again.
    #[inline]
    pub(super) fn next_held_ping(&mut self) -> Option<(ScannedPing, bool)> {
        let hold = &self.hold;
        let wanted = hold.is_held()
            && self.settings.read_ahead > 0
            && self.settings.auto_pong
            && hold.is_started()
            && !self.end.is_lost()
            && !(hold.is_delivering() || hold.is_concluded() || self.backlog.is_empty());
        if !wanted {
            return None;
        }
        let ping = self.backlog.next_ping(&self.receiver)?;
        Some((ping, self.may_answer_ping()))
    }

    // Threads that inflate -----------------------------------------------------------------------

    /// A thread begins to inflate. Returns the flag that stops it, and how many threads may work at once.
    pub fn begin_inflating(&mut self) -> (Arc<AtomicBool>, usize) {
        self.hold.begin_inflating();
        let cancelled = self.inflating.get_or_insert_default();
        (Arc::clone(cancelled), self.settings.concurrency_limit)
    }

    /// The work that the receiver left is done, in a thread or not.
    pub fn end_inflating(&mut self, work: Box<Work<O::Buffer>>, codec: &mut Codec) {
        self.inflating = None;
        self.hold.end_inflating();
        self.receiver.give_work(work, codec);
    }

    /// A thread is done. Returns true if its result is no longer needed.
    pub fn is_inflated_in_vain(&mut self) -> bool {
        let in_vain = self.hold.is_concluded();
        if in_vain {
            self.inflating = None;
            self.hold.forget_ready();
        }
        in_vain
    }

    // The end ------------------------------------------------------------------------------------

    /// The peer's FIN was received.
    pub(super) const fn receive_eof(&mut self) {
        self.end.receive_eof();
    }

    /// Ends everything at once; nothing more is delivered. Returns true if the owner must be notified of the
    /// loss of the transport now: the notification was waiting behind messages for which the inbox had no
    /// room, and these are dropped.
    #[must_use]
    pub fn abort(&mut self) -> bool {
        self.hold.conclude();
        self.stop_jobs();
        self.end.disconnect();
        let waits = self.end.untold().lost;
        if waits {
            drop(self.backlog.take());
        }
        waits
    }

    /// Returns true if the owner has not been notified yet of the peer's FIN or of the loss.
    #[inline]
    pub(super) const fn has_end_to_tell(&self) -> bool {
        self.end.untold().any()
    }

    /// Returns the ends of which the owner has to be notified, once all that precedes them is delivered.
    pub(super) fn ends_due(&self) -> Ends {
        let hold = &self.hold;
        let all_delivered =
            hold.is_concluded() || (self.backlog.is_empty() && !hold.awaits_delivery());
        if !hold.is_started() || hold.is_delivering() || !all_delivered || self.owes_listener() {
            return Ends::default();
        }
        let Ends { eof, lost } = self.end.untold();
        // Bytes are read ahead, so the FIN may be found while the program has paused.
        let held = hold.holds_paused() && !hold.is_concluded();
        Ends { eof: eof && !held, lost }
    }

    /// Returns true if messages that waited for `recv` are still to go to a listener that was set since.
    fn owes_listener(&self) -> bool {
        let held = self.hold.holds_paused() && !self.hold.waits_for_tick();
        self.listener.is_some() && !self.inbox.is_claimed() && !self.inbox.is_empty() && !held
    }

    /// Notes that the owner is notified of the peer's FIN, if that is due.
    pub(super) fn tell_eof(&mut self) -> bool {
        let eof = self.ends_due().eof;
        self.end.tell(Ends { eof, lost: false });
        eof
    }

    /// Notes that the owner is notified of the loss, if that is due.
    pub(super) fn tell_loss(&mut self) -> bool {
        let lost = self.ends_due().lost;
        self.end.tell(Ends { eof: false, lost });
        lost
    }
}
