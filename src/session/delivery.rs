//! The walk from bytes to listeners: events are taken one by one, and each is handed over while nothing is
//! borrowed, so that a listener may do anything with its connection.
//!
//! Rules kept here:
//! - delivery is a loop that is never entered twice: what a listener triggers is left to the outer loop;
//! - received data is delivered in order: messages of the inbox, then the backlog, then newly read bytes;
//! - after some events the clock is read. If the loop's time slice is over, the rest waits for another slice;
//! - the owner is notified of the end once all that precedes it is delivered, and of nothing afterwards.

use super::hold::Resume;
use super::host::{Bytes, Host, Listener, News, Soon};
use super::inbound::{AfterInput, Intake, Room};
use super::{EVENTS, Step};
use crate::protocol::receiver::Input;

/// Takes bytes from the wire, puts them behind those that already wait, and delivers what it can.
pub fn feed<H: Host>(host: &H, bytes: &mut [u8]) {
    match host.with(|session| session.receive(bytes)) {
        Intake::Dropped => return,
        Intake::Kept => {}
        Intake::Delivered => {
            if deliver(host, bytes) {
                return;
            }
        }
    }
    deliver_backlog(host);
    after_delivery(host);
}

/// Begins to deliver, with `head` first.
pub fn start<H: Host>(host: &H, head: &[u8]) {
    host.with(|session| session.start(head));
    deliver_backlog(host);
    after_delivery(host);
    host.flush_answers();
}

/// Stops delivery until [`resume`].
pub fn pause<H: Host>(host: &H) {
    host.with(|session| session.pause());
    after_delivery(host);
}

/// Ends a pause.
///
/// The transport reads again only once the waiting bytes are delivered, in [`go_on`]. If it read now, the new
/// bytes would be added to them, and with a listener that pauses at each message they would grow without end.
pub fn resume<H: Host>(host: &H) {
    match host.with(|session| session.resume()) {
        Resume::Nothing => {}
        Resume::GoOn => host.soon(Soon::GoOn),
        Resume::NextTick => host.soon(Soon::NextTick),
    }
}

/// Sends messages to `listener` from now on. Messages that already wait, and that no task has claimed, are
/// delivered to it first. Returns the previous listener.
#[must_use]
pub fn set_listener<H: Host>(host: &H, listener: Option<Listener<H>>) -> Option<Listener<H>> {
    let is_awaited = host.is_awaited();
    let (old, waiting) = host.with(|session| session.set_listener(listener, is_awaited));
    if waiting {
        host.soon(Soon::GoOn);
    }
    old
}

/// Sets whether messages for which there is no room are dropped.
pub fn set_discard<H: Host>(host: &H, discard: bool) {
    if host.with(|session| session.set_discard(discard)) {
        host.soon(Soon::GoOn);
    }
}

/// The tick for which the next event waits has come.
pub fn next_tick<H: Host>(host: &H) {
    host.with(|session| session.end_tick());
    go_on(host);
}

/// Continues to deliver what waits.
pub fn go_on<H: Host>(host: &H) {
    deliver_inbox(host);
    deliver_backlog(host);
    stall_if_full(host);
    after_delivery(host);
    host.flush_answers();
}

/// The next time slice has come: the task that waits goes on first, then what waits for it.
pub fn next_slice<H: Host>(host: &H) {
    if host.with(|session| session.end_wait_for_slice()) {
        host.wake_receiver();
    }
    go_on(host);
}

/// Delivers nothing more before the next time slice.
#[cold]
pub fn wait_for_slice<H: Host>(host: &H) {
    if host.with(|session| session.wait_for_slice()) {
        host.wait_for_slice();
    }
}

/// The peer's FIN was received.
pub fn receive_eof<H: Host>(host: &H) {
    host.with(|session| session.receive_eof());
    after_delivery(host);
}

/// A thread has inflated the work that the receiver had left.
pub fn inflated<H: Host>(host: &H) {
    deliver_backlog(host);
    stall_if_full(host);
    after_delivery(host);
    host.flush_answers();
}

/// Delivers what waits in the backlog, as far as possible, and also bytes that arrive meanwhile.
pub fn deliver_backlog<H: Host>(host: &H) {
    while let Some(mut bytes) = host.with(|session| session.take_backlog()) {
        deliver(host, &mut bytes);
        // A message that waited for the listener was delivered first, or the inbox had no room.
        host.with(|session| session.note_ready());
    }
}

/// Gives messages that waited for `recv` to a listener that was set since.
pub fn deliver_inbox<H: Host>(host: &H) {
    while let Some(Step::Message { listener, message, binary }) =
        host.with(|session| session.begin_from_inbox(|session| session.step_from_inbox(host)))
    {
        host.call_listener(listener, message, binary);
        if host.with(|session| session.end_from_inbox()) {
            host.soon(Soon::NextTick);
        }
    }
    if host.with(|session| session.unstall()) {
        deliver_backlog(host);
        after_delivery(host);
    }
}

fn stall_if_full<H: Host>(host: &H) {
    match host.with(|session| session.stall_if_full()) {
        Room::Left => {}
        Room::Stalls => tell_stall(host),
        Room::Drops => drop_unwanted(host, false),
    }
}

/// Notifies the owner that reading stops, unless a task takes messages: that task will make room.
#[cold]
fn tell_stall<H: Host>(host: &H) {
    if !host.with(|session| session.is_claimed()) {
        host.tell(News::Stalled);
    }
}

#[cold]
fn drop_unwanted<H: Host>(host: &H, for_next: bool) {
    let is_awaited = host.is_awaited();
    host.with(|session| session.drop_unwanted(is_awaited, for_next));
}

/// Delivers the events in `bytes`; the session already knows that a delivery has begun. Returns true if the
/// session is at rest, so that nothing is left to do.
fn deliver<H: Host>(host: &H, bytes: &mut [u8]) -> bool {
    let mut input = Input::new(bytes);
    let mut events = EVENTS;
    loop {
        let step = host.with_codec(|session, codec| session.next(host, codec, &mut input));
        let told = match step {
            Step::Wait => break,
            Step::NeedMore => {
                if !goes_on_after_input(host) {
                    break;
                }
                false
            }
            Step::Full => {
                host.wake_receiver();
                if host.with(|session| session.stall()) {
                    tell_stall(host);
                    break;
                }
                false
            }
            Step::Overflow => {
                drop_unwanted(host, true);
                false
            }
            Step::Queued => false,
            Step::Pieces { pieces, size } => hand_over(host, join_pieces(host, pieces, size)),
            other => hand_over(host, other),
        };
        let (needs_tick, nothing_else) = host.with(|session| session.end_step(told));
        if needs_tick {
            host.soon(Soon::NextTick);
        }
        // The usual end: one message was received, and nothing follows it.
        if nothing_else && input.remaining() == 0 {
            break;
        }
        events -= 1;
        if events == 0 {
            if host.is_slice_over() {
                wait_for_slice(host);
                break;
            }
            events = EVENTS;
        }
    }
    let read = input.position();
    let (wakes, is_at_rest) = host.with(|session| session.end_delivery(read, &bytes[read..]));
    if wakes {
        host.wake_receiver(); // the task may do anything
        return false;
    }
    is_at_rest
}

#[cold]
fn join_pieces<H: Host>(host: &H, pieces: Vec<Bytes<H>>, size: usize) -> Step<H::Objects> {
    match host.join_pieces(pieces) {
        Ok(message) => host.with(|session| {
            let to_inbox = session.takes_to_inbox();
            session.place(host, message, size, true, to_inbox)
        }),
        Err(error) => Step::Error(error),
    }
}

/// The receiver has no event. Returns true if it has one now, because the work it had left is inflated.
#[cold]
fn goes_on_after_input<H: Host>(host: &H) -> bool {
    match host.with_codec(|session, codec| session.after_input(codec)) {
        AfterInput::NeedsBytes => false,
        AfterInput::HasWork(work) => host.inflate(work),
    }
}

/// Calls the listener or owner that the event is for. Returns true if the next event may have to wait for its
/// tick.
fn hand_over<H: Host>(host: &H, step: Step<H::Objects>) -> bool {
    match step {
        Step::Message { listener, message, binary } => {
            host.call_listener(listener, message, binary);
        }
        Step::Ping { data, tell, pong } => {
            if pong {
                host.send_pong(host.as_slice(&data));
            }
            if tell {
                host.tell(News::Ping(data));
            }
        }
        Step::Pong { data, tell } => {
            if tell {
                host.tell(News::Pong(data));
            }
        }
        Step::Close { code, reason } => {
            host.with(|session| session.conclude());
            host.tell(News::Close(code, reason));
            return false;
        }
        Step::Fail(error) => {
            host.with(|session| session.conclude());
            host.tell(News::Fail(error));
            return false;
        }
        Step::Error(error) => host.report(error),
        Step::NeedMore
        | Step::Wait
        | Step::Full
        | Step::Overflow
        | Step::Queued
        | Step::Pieces { .. } => return false,
    }
    true
}

/// Ends a delivery: answers pings in the backlog, starts or stops reading, and notifies the owner of the end
/// if it has come.
#[inline]
pub fn after_delivery<H: Host>(host: &H) {
    while let Some((ping, answered)) = host.with(|session| session.next_held_ping()) {
        if answered {
            host.send_pong(ping.as_ref());
        }
    }
    if let Some(off) = host.with(|session| session.change_reading()) {
        host.switch_reading(off);
    }
    if host.with(|session| session.has_end_to_tell()) {
        tell_end(host);
    }
}

/// Notifies the owner of the peer's FIN and of the loss, once all that precedes them is delivered.
#[cold]
fn tell_end<H: Host>(host: &H) {
    if !host.with(|session| session.ends_due()).any() {
        return;
    }
    // Whatever was sent before the end was known is written before the owner is notified.
    host.flush_answers();
    // One at a time: when notified of the first, the program may set a listener, and messages go to it before
    // the second.
    if host.with(|session| session.tell_eof()) {
        host.tell(News::End);
        host.close_wire();
    }
    if host.with(|session| session.tell_loss()) {
        host.tell(News::Lost);
    }
}
