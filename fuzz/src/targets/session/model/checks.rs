//! The assertions, at each call of the program and after each operation.

use std::collections::BTreeSet;

use _core::session::{Form, Host as _};

use super::Model;
use crate::targets::session::READ;
use crate::targets::session::host::{Message, Seen, TestHost};
use crate::targets::session::peer::{Item, Peer};

/// The bytes at which the inbox is full, and the messages: before a program has iterated, and after.
const FULL: usize = 64 * 1024;
const MESSAGES: [usize; 2] = [16, 1024];

impl Model {
    // What is seen ------------------------------------------------------------------------------------

    fn messages_before(&self, end: usize) -> u64 {
        self.peer.messages_before(end)
    }

    /// Items that were fed as a whole, up to a close frame or a fault.
    fn fed_items(&self) -> usize {
        let last = self.peer.items.iter().position(|(item, _)| *item == Item::Last);
        let fed = self.peer.items.partition_point(|(_, end)| *end <= self.fed);
        last.map_or(fed, |last| fed.min(last + 1))
    }

    fn has_fed_last(&self) -> bool {
        self.peer.items[..self.fed_items()].last().is_some_and(|(item, _)| *item == Item::Last)
    }

    pub fn see(&mut self, host: &TestHost, seen: &Seen) {
        self.read_log(host);
        self.events += 1;
        match seen {
            Seen::Heard(listener, message, binary) => {
                self.begin_delivery(host);
                self.event_in_tick = true;
                self.hear(host, *listener, message, *binary);
            }
            Seen::Ping(data) | Seen::Pong(data) => {
                self.begin_delivery(host);
                self.event_in_tick = true;
                let number = Peer::number(data);
                self.tell(host, number);
                let is_ping = matches!(seen, Seen::Ping(_));
                let wanted = if is_ping { self.wants.0 } else { self.wants.1 };
                assert!(wanted, "the owner did not want to know");
                let item = if is_ping { Item::Ping } else { Item::Pong };
                assert_eq!(self.peer.items[number].0, item);
                if is_ping {
                    self.pings_told += 1;
                    self.check_answered(number);
                }
            }
            Seen::Close(..) | Seen::Fail(_) => {
                self.begin_delivery(host);
                let last = self.peer.items.iter().position(|(item, _)| *item == Item::Last);
                self.tell(host, last.expect("the peer has sent a close frame or a fault"));
                self.concluded = true;
                self.received_at_end = Some(host.received());
            }
            Seen::End => {
                assert!(self.eof && !self.end_told && !self.lost_told);
                self.end_told = true;
                self.ended = true;
                self.check_delivered(host);
            }
            Seen::Lost => {
                assert!(self.lost && !self.lost_told && (self.end_told || !self.eof));
                self.lost_told = true;
                self.check_delivered(host);
                let owed = self.listener.is_some() && !self.claimed;
                assert!(
                    !owed || host.waiting_messages() == 0,
                    "messages for the listener were left"
                );
            }
            Seen::Called(callback, written) => {
                assert_eq!(self.callbacks.pop_front(), Some(*callback), "callbacks in order");
                assert!(*written || self.lost, "nothing is lost before the wire");
            }
            _ => unreachable!("{seen:?} is no call of the program"),
        }
        self.check_ended(host);
    }

    pub const fn leave(&mut self, seen: &Seen) {
        if !matches!(seen, Seen::End | Seen::Lost | Seen::Called(..)) {
            self.delivering = false;
        }
    }

    fn begin_delivery(&mut self, host: &TestHost) {
        assert!(!std::mem::replace(&mut self.delivering, true), "delivery was entered twice");
        assert!(self.head.is_none(), "delivered before the start");
        assert!(!self.paused, "delivered in a pause");
        let waits = !self.settings.allow_synchronous_events && self.event_in_tick;
        assert!(!waits, "two events in one tick");
        let ahead = host.is_inflating() && host.received() != host.received_before.get();
        assert!(!ahead, "a message has overtaken the one that a thread inflates");
    }

    fn hear(&mut self, host: &TestHost, listener: u32, message: &Message, binary: bool) {
        assert_eq!(Some(listener), self.listener);
        let number = self.check_message(host, message, binary);
        assert_ne!(message.form, Form::Text);
        assert!(self.heard < Some(number), "the listener gets messages in order");
        self.heard = Some(number);
        // A message that its task never came for may go to a second listener.
        let again = !self.heard_all.insert(number);
        assert!(!again || self.shared.remove(&number), "a message was heard twice");
        if self.claimed {
            self.shared.insert(number);
        }
        assert!(!self.lost_told || self.listens_since_lost, "heard after the loss was told");
    }

    fn tell(&mut self, host: &TestHost, number: usize) {
        assert!(!host.is_inflating(), "told while a thread inflates");
        assert!(!self.concluded && !self.aborted && !self.lost_told, "told after the end");
        assert!(self.told < Some(number), "told in order");
        self.told = Some(number);
        assert_eq!(host.received(), self.messages_before(number), "messages before it");
    }

    fn check_message(&self, host: &TestHost, message: &Message, binary: bool) -> usize {
        let data = message.bytes();
        let number = Peer::number(&data);
        assert!(self.peer.items[number].0 == Item::Message { binary, data }, "another message");
        assert!(self.messages_before(number) < host.received());
        number
    }

    fn check_answered(&self, number: usize) {
        let gone = self.ended || self.aborted || self.lost;
        if self.settings.max_pending_auto_pongs > 0 || !self.settings.auto_pong || gone {
            return;
        }
        assert!(self.answered.contains(&number), "a ping was told and not answered");
    }

    /// What was noted, and is no call of the program.
    pub fn read_log(&mut self, host: &TestHost) {
        for seen in host.log() {
            match seen {
                Seen::Taken(message, binary) => {
                    self.events += 1;
                    let number = self.check_message(host, &message, binary);
                    let is_text = !binary && !self.settings.skip_utf8_validation;
                    assert_eq!(message.form == Form::Text, is_text);
                    assert!(self.taken < Some(number), "the task gets messages in order");
                    self.taken = Some(number);
                    assert!(!self.heard_all.contains(&number) || self.shared.contains(&number));
                    self.taken_all.insert(number);
                }
                Seen::Answered(data) => {
                    let number = Peer::number(&data);
                    assert_eq!(self.peer.items[number].0, Item::Ping);
                    assert!(self.settings.auto_pong);
                    assert!(self.answered.insert(number), "a ping was answered twice");
                }
                Seen::Reported(error) => panic!("there was memory: {error}"),
                _ => {}
            }
        }
    }

    // What holds --------------------------------------------------------------------------------------

    /// All that was fed before the end has been received, if it was not given up.
    fn check_delivered(&self, host: &TestHost) {
        assert!(self.head.is_none(), "told before the start");
        if !self.aborted {
            assert_eq!(host.received(), self.messages_before(self.fed_items()), "lost messages");
            assert_eq!(self.concluded, self.has_fed_last());
        }
    }

    fn check_ended(&self, host: &TestHost) {
        if let Some(received) = self.received_at_end {
            assert_eq!(host.received(), received, "received after the end");
        }
    }

    pub fn check(&mut self, host: &TestHost) {
        self.read_log(host);
        self.check_ended(host);
        self.check_inbox(host);
        self.check_pongs(host);
        self.check_bound(host);
        let endings = &host.wire.borrow().endings;
        assert!(endings.is_sorted() && endings.len() < 3, "{endings:?}");
    }

    fn check_inbox(&mut self, host: &TestHost) {
        let inbox: Vec<(usize, usize)> = host.with(|session| {
            let messages = session.objects().1.map(Message::bytes);
            messages.map(|data| (Peer::number(&data), data.len())).collect()
        });
        assert!(inbox.is_sorted_by(|a, b| a.0 < b.0), "the inbox is in order");
        assert!(inbox.len() <= MESSAGES[usize::from(self.was_claimed)]);
        self.has_discarded |= self.discarded;
        let kept = usize::from(self.has_discarded);
        let inner = inbox.get(kept..inbox.len().saturating_sub(1)).unwrap_or_default();
        assert!(inner.iter().map(|(_, size)| size).sum::<usize>() < FULL, "bytes in the inbox");
        let received = host.received();
        while self.opened < self.peer.items.len()
            && self.messages_before(self.opened + 1) <= received
        {
            if matches!(self.peer.items[self.opened].0, Item::Message { .. }) {
                self.open.push_back(self.opened);
            }
            self.opened += 1;
        }
        let waiting: BTreeSet<usize> = inbox.iter().map(|(number, _)| *number).collect();
        self.open.retain(|number| {
            let is_there = waiting.contains(number);
            let was_given = self.heard_all.contains(number) || self.taken_all.contains(number);
            assert!(is_there || was_given || self.discarded, "message {number} is lost");
            assert!(!is_there || !self.taken_all.contains(number), "{number} was taken");
            is_there
        });
        self.discarded = host.with(|session| session.discards());
    }

    fn check_pongs(&mut self, host: &TestHost) {
        let wire = host.wire.borrow();
        while let Some([first, length, rest @ ..]) = wire.bytes().get(self.looked..) {
            let width = [0, 2, 8][usize::from(length.saturating_sub(125))];
            let long = rest[..width].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            self.looked += 2 + width + if width == 0 { usize::from(*length) } else { long };
            if *first == 0x8a {
                self.pongs.push_back(self.looked as u64);
            }
        }
        while self.pongs.front().is_some_and(|end| *end <= wire.written()) {
            self.pongs.pop_front();
        }
        let most = self.settings.max_pending_auto_pongs;
        assert!(most == 0 || self.pongs.len() <= most, "{} pongs are queued", self.pongs.len());
    }

    /// What was fed and not delivered, where each item can be seen.
    fn check_bound(&self, host: &TestHost) {
        if !self.wants.0 || !self.wants.1 || self.concluded || self.aborted {
            return;
        }
        let told =
            self.told.map_or(0, |number| number + 1).max(self.opened.min(self.peer.items.len()));
        let seen = self.peer.items[..told].last().map_or(0, |(_, end)| *end);
        let longest = 300_100;
        let most = READ.max(self.settings.read_ahead) + READ + longest + self.extra;
        let behind = self.fed.saturating_sub(seen);
        assert!(behind <= most, "{behind} bytes wait, {} messages", host.received());
    }

    pub fn check_all_received(&self, host: &TestHost) {
        if self.aborted {
            return;
        }
        self.check_delivered(host);
        if !self.eof && !self.lost {
            assert!(self.fed == self.peer.stream.len(), "reading has stopped for ever");
        }
        if self.wants.0 {
            let items = self.peer.items[..self.fed_items()].iter();
            assert_eq!(self.pings_told, items.filter(|(item, _)| *item == Item::Ping).count());
        }
    }

    pub fn check_end(&self, host: &TestHost) {
        assert!(self.lost_told && self.end_told == self.eof);
        assert_eq!(self.callbacks, [0; 0], "callbacks that were never called");
        assert_eq!(host.depth(), 0);
    }
}
