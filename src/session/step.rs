//! One step of a delivery: an event of the receiver, and its destination.

use super::Session;
use super::host::{Form, Host, Objects};
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::Codec;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Data, Event, Input};

/// What to do after one step of the receiver, once nothing is borrowed any more.
pub enum Step<O: Objects> {
    /// The input is used up, or the receiver has left work.
    NeedMore,
    /// Nothing may be delivered now.
    Wait,
    /// The inbox is full; a task that waits for messages may make room.
    Full,
    /// The inbox is full of unclaimed messages, which have to be dropped.
    Overflow,
    /// A message went to the inbox.
    Queued,
    /// A message as its fragments. They are joined while nothing is borrowed: a list is an object of the
    /// garbage collector, which may run any finaliser when one is made.
    Pieces {
        /// The fragments.
        pieces: Vec<O::Bytes>,
        /// The size of the message in bytes.
        size: usize,
    },
    /// A message for the listener.
    Message {
        /// The listener that gets it.
        listener: O::Listener,
        /// The message.
        message: O::Message,
        /// True if the message is binary.
        binary: bool,
    },
    /// A ping.
    Ping {
        /// Its data.
        data: O::Bytes,
        /// True if the owner is notified.
        tell: bool,
        /// True if the ping is answered.
        pong: bool,
    },
    /// A pong.
    Pong {
        /// Its data.
        data: O::Bytes,
        /// True if the owner is notified.
        tell: bool,
    },
    /// The peer's close frame.
    Close {
        /// Its code; 1005 if it has none.
        code: u16,
        /// Its reason.
        reason: O::Bytes,
    },
    /// The peer violated the protocol or a limit.
    Fail(ProtocolError),
    /// A message could not be made.
    Error(O::Error),
}

impl<O: Objects> Session<O> {
    /// Takes one event from the receiver. What the receiver has lent for it is given back, so that an idle
    /// connection keeps nothing of its last message.
    #[inline]
    pub(super) fn next<H: Host<Objects = O>>(
        &mut self,
        host: &H,
        codec: &mut Codec,
        input: &mut Input<'_>,
    ) -> Step<O> {
        let step = self.take_event(host, codec, input);
        self.receiver.reclaim(codec);
        step
    }

    #[inline]
    fn take_event<H: Host<Objects = O>>(
        &mut self,
        host: &H,
        codec: &mut Codec,
        input: &mut Input<'_>,
    ) -> Step<O> {
        if !self.hold.allows_delivery() {
            return self.step_after_end(host);
        }
        let to_inbox = self.takes_to_inbox();
        if let Some(step) = self.step_before(host, to_inbox) {
            return step;
        }
        let event = match self.receiver.next(input, codec) {
            Ok(Some(event)) => event,
            Ok(None) => return Step::NeedMore,
            Err(error) => return Step::Fail(error),
        };
        match event {
            Event::Ping(data) => {
                let data = host.make_bytes(data);
                Step::Ping { data, tell: self.wants_ping, pong: self.answers_ping() }
            }
            Event::Pong(data) => {
                self.counters.receive_pong(data);
                Step::Pong { data: host.make_bytes(data), tell: self.wants_pong }
            }
            Event::Close { code, reason } => Step::Close { code, reason: host.make_bytes(reason) },
            Event::Message { binary, data } => {
                let size = size_of(&data);
                // A listener must get the bytes as they were received, even if it is set later: text that was
                // not validated is decoded when it is taken from the inbox.
                let form = match (binary, self.form) {
                    (true, form) => form,
                    (false, _) if to_inbox && !self.settings.skip_utf8_validation => Form::Text,
                    (false, _) => Form::Bytes,
                };
                if form == Form::Fragments {
                    return match host.make_pieces(data) {
                        Ok(pieces) => {
                            self.counters.receive(size);
                            Step::Pieces { pieces, size }
                        }
                        Err(error) => Step::Error(error),
                    };
                }
                match host.make_message(data, form) {
                    Err(error) => Step::Error(error),
                    Ok(message) => {
                        self.counters.receive(size);
                        self.place(host, message, size, binary, to_inbox)
                    }
                }
            }
        }
    }

    /// Returns true if the next message goes to the inbox.
    #[inline]
    pub(super) const fn takes_to_inbox(&self) -> bool {
        self.listener.is_none() || self.inbox.is_claimed()
    }

    /// After a close frame, a fault or `abort` no more frames are delivered, but messages that wait for a new
    /// listener are.
    #[cold]
    fn step_after_end<H: Host<Objects = O>>(&mut self, host: &H) -> Step<O> {
        let hold = &self.hold;
        let over = hold.is_started() && hold.is_concluded() && !self.inbox.is_claimed();
        if !over || hold.keeps_inbox() || hold.is_stalled() {
            return Step::Wait;
        }
        self.step_from_inbox(host).unwrap_or(Step::Wait)
    }

    /// Returns a step that precedes the receiver's next event: a fault, a full inbox, or a message that waits
    /// for the listener.
    #[inline]
    fn step_before<H: Host<Objects = O>>(&mut self, host: &H, to_inbox: bool) -> Option<Step<O>> {
        if let Some(fault) = self.fault.take() {
            return Some(Step::Fail(fault));
        }
        if to_inbox {
            if !self.inbox.is_full() {
                return None;
            }
            if !self.inbox.discards() {
                return Some(Step::Full);
            }
            return if self.inbox.take_dropped() { None } else { Some(Step::Overflow) };
        }
        if self.inbox.is_empty() { None } else { self.step_from_inbox(host) }
    }

    /// Returns true if the ping that is delivered now has to be answered, and was not answered while it
    /// waited.
    #[cold]
    fn answers_ping(&mut self) -> bool {
        !self.backlog.met_ping() && self.may_answer_ping()
    }

    /// Returns true if a ping may be answered automatically: nothing is queued once the end was asked for or
    /// the transport is gone, and the number of queued pongs is limited.
    pub(super) fn may_answer_ping(&self) -> bool {
        self.settings.auto_pong
            && self.end.is_connected()
            && self.end.is_open()
            && self.outbox.has_room_for_pong(self.settings.max_pending_auto_pongs)
    }

    /// Takes a message that waited for `recv`, for a listener that was set since: it precedes what is
    /// received later.
    pub(super) fn step_from_inbox<H: Host<Objects = O>>(&mut self, host: &H) -> Option<Step<O>> {
        let listener = host.make_listener(self.listener.as_ref()?);
        let (message, binary) = self.inbox.pop()?;
        let message = host.make_listener_form(&message);
        Some(Step::Message { listener, message, binary })
    }

    /// Puts a message where it belongs: the inbox, the listener, or (rarely) both.
    #[inline]
    pub(super) fn place<H: Host<Objects = O>>(
        &mut self,
        host: &H,
        message: O::Message,
        size: usize,
        binary: bool,
        to_inbox: bool,
    ) -> Step<O> {
        let Some(listener) = &self.listener else {
            self.inbox.push(message, size, binary);
            return Step::Queued;
        };
        let listener = host.make_listener(listener);
        if !to_inbox {
            return Step::Message { listener, message, binary };
        }
        // The program iterates and has a listener: the listener gets bytes, the iterator str.
        let heard = host.make_listener_form(&message);
        self.inbox.push(message, size, binary);
        Step::Message { listener, message: heard, binary }
    }
}

/// Returns the size of a message in bytes.
fn size_of<B: MessageBuffer>(data: &Data<'_, B>) -> usize {
    match data {
        Data::Slice(bytes) => bytes.len(),
        Data::Buffer(buffer) => buffer.len(),
        Data::Fragments(pieces) => pieces.iter().map(MessageBuffer::len).sum(),
    }
}
