//! The model with which a session is compared: what was done with the session, and what was seen of it.

mod checks;

use std::collections::{BTreeSet, VecDeque};

use _core::session::{Host as _, Settings, Soon};

use super::host::TestHost;
use super::peer::Peer;

pub struct Model {
    settings: Settings,
    wants: (bool, bool),
    pub peer: Peer,
    head: Option<Vec<u8>>,
    /// The number of bytes of the stream that the session was given.
    fed: usize,
    /// The number of bytes that were fed within calls of the program, where reading cannot be switched off in time.
    pub extra: usize,
    eof: bool,
    lost: bool,
    aborted: bool,
    /// True once automatic pongs need not be sent any more.
    pub ended: bool,
    paused: bool,
    listener: Option<u32>,
    listeners: u32,
    /// True if messages go to the task.
    claimed: bool,
    was_claimed: bool,
    pub discarded: bool,
    has_discarded: bool,
    /// The items that the listener received last, that the task took last, and of which the owner was notified last.
    heard: Option<usize>,
    taken: Option<usize>,
    told: Option<usize>,
    /// The pings that were answered.
    answered: BTreeSet<usize>,
    pings_told: usize,
    /// The messages that the listener received, and those of them that the task has to get too.
    heard_all: BTreeSet<usize>,
    shared: BTreeSet<usize>,
    taken_all: BTreeSet<usize>,
    /// The messages that were received and were in the inbox at the last check, or were not checked yet.
    open: VecDeque<usize>,
    /// The number of items of the stream whose messages are in `open`, or were.
    opened: usize,
    delivering: bool,
    event_in_tick: bool,
    concluded: bool,
    end_told: bool,
    lost_told: bool,
    listens_since_lost: bool,
    /// The number of messages that were received by the end, after which no more may be.
    received_at_end: Option<u64>,
    callbacks: VecDeque<u32>,
    next_callback: u32,
    /// The position up to which the wire was checked, and the ends of the pongs in it.
    looked: usize,
    pongs: VecDeque<u64>,
    events: usize,
}

impl Model {
    pub fn new(settings: Settings, deflates: bool, wants: (bool, bool), head: u8) -> Self {
        let mut peer = Peer::new(deflates, !settings.skip_utf8_validation);
        let mut start = Vec::new();
        if head > 128 {
            peer.send(head, head / 32);
            start = peer.stream[..usize::from(head).min(peer.stream.len())].to_vec();
        }
        Self {
            settings,
            wants,
            peer,
            fed: start.len(),
            head: Some(start),
            extra: 0,
            eof: false,
            lost: false,
            aborted: false,
            ended: false,
            paused: false,
            listener: None,
            listeners: 0,
            claimed: false,
            was_claimed: false,
            discarded: false,
            has_discarded: false,
            heard: None,
            taken: None,
            told: None,
            answered: BTreeSet::new(),
            pings_told: 0,
            heard_all: BTreeSet::new(),
            shared: BTreeSet::new(),
            taken_all: BTreeSet::new(),
            open: VecDeque::new(),
            opened: 0,
            delivering: false,
            event_in_tick: false,
            concluded: false,
            end_told: false,
            lost_told: false,
            listens_since_lost: false,
            received_at_end: None,
            callbacks: VecDeque::new(),
            next_callback: 0,
            looked: 0,
            pongs: VecDeque::new(),
            events: 0,
        }
    }

    // What is done ------------------------------------------------------------------------------------

    pub const fn start(&mut self) -> Option<Vec<u8>> {
        self.head.take()
    }

    pub const fn pause(&mut self, paused: bool) {
        self.paused = paused && !self.lost;
    }

    pub fn set_listener(&mut self, host: &TestHost, listens: bool) -> Option<u32> {
        let owed = host.is_awaited() || host.with(|session| session.is_owed());
        if listens && self.listener.is_none() && !owed {
            self.claimed = false;
        }
        self.listens_since_lost |= listens && self.lost_told;
        self.listeners += 1;
        self.heard = None;
        self.listener = listens.then_some(self.listeners);
        self.listener
    }

    pub const fn claim(&mut self) {
        self.claimed = true;
        self.was_claimed = true;
    }

    pub fn abort(&mut self, host: &TestHost) {
        self.aborted = true;
        self.received_at_end.get_or_insert(host.received());
    }

    pub const fn eof(&mut self) -> bool {
        let comes = !self.eof && !self.lost && !self.aborted;
        self.eof |= comes;
        comes
    }

    pub const fn lose(&mut self) -> bool {
        self.paused = false;
        !std::mem::replace(&mut self.lost, true)
    }

    pub fn tick(&mut self, soon: Soon) {
        if soon == Soon::NextTick {
            self.event_in_tick = false;
        }
    }

    /// Returns the bytes that the transport may read now.
    pub fn next_bytes(&self, host: &TestHost, most: usize) -> Vec<u8> {
        if self.eof || self.lost || self.aborted || !host.is_reading.get() {
            return Vec::new();
        }
        let rest = &self.peer.stream[self.fed..];
        rest[..most.min(rest.len())].to_vec()
    }

    pub const fn fed(&mut self, count: usize) {
        self.fed += count;
    }

    pub const fn next_callback(&mut self) -> u32 {
        self.next_callback += 1;
        self.next_callback
    }

    pub fn sent(&mut self, callback: u32) {
        self.callbacks.push_back(callback);
    }

    /// Returns a value that changes whenever anything does.
    pub fn progress(&self, host: &TestHost) -> (usize, u64, usize, usize, bool) {
        let waiting = host.waiting_messages();
        (self.fed, host.received(), self.events, waiting, host.is_reading.get())
    }
}
