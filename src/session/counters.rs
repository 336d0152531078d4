//! What a connection has sent and received: plain fields, added to where the message is at hand anyway.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Pings whose pong may still come; of more, the oldest are forgotten.
const PINGS: usize = 16;

/// The counters of a connection. Bytes of messages are those that the program gives and gets; bytes of the
/// wire are all of the connection's since its handshake.
#[derive(Debug, Default)]
pub struct Counters {
    messages_sent: u64,
    bytes_sent: u64,
    messages_received: u64,
    bytes_received: u64,
    wire_received: u64,
    /// To be added to what the wire itself has counted: less what was written before it was ours, or all
    /// that was written, when it is gone.
    wire_sent: i64,
    refused: u64,
    skipped: u64,
    /// There once a ping was sent.
    pings: Option<Box<Pings>>,
}

/// The pings that are under way, oldest first, and how long the last one took.
#[derive(Debug, Default)]
struct Pings {
    under_way: VecDeque<(Box<[u8]>, Instant)>,
    last: Option<Duration>,
}

impl Counters {
    /// A message, or a fragment of one, was queued.
    #[inline]
    pub const fn send(&mut self, bytes: usize, last: bool) {
        self.messages_sent += last as u64;
        self.bytes_sent += bytes as u64;
    }

    /// A message came.
    #[inline]
    pub const fn receive(&mut self, bytes: usize) {
        self.messages_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// Bytes came on the wire.
    #[inline]
    pub const fn receive_wire(&mut self, bytes: usize) {
        self.wire_received += bytes as u64;
    }

    /// `written` bytes went out before the wire was a WebSocket's.
    pub const fn begin_wire(&mut self, written: u64) {
        self.wire_sent = -(written as i64);
    }

    /// The wire goes; it has written this much.
    pub const fn end_wire(&mut self, written: u64) {
        self.wire_sent += written as i64;
    }

    /// A message was not queued, because more than the mark was.
    pub const fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Messages that were not queued, because more than the mark was.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// A broadcast left the connection out.
    pub const fn skip(&mut self) {
        self.skipped += 1;
    }

    /// A ping was queued.
    #[cold]
    pub fn send_ping(&mut self, data: &[u8]) {
        let pings = self.pings.get_or_insert_default();
        if pings.under_way.len() == PINGS {
            pings.under_way.pop_front();
        }
        pings.under_way.push_back((data.into(), Instant::now()));
    }

    /// A pong came. It answers the oldest ping with its data, and those before that go unanswered: "an
    /// endpoint … MAY elect to send a Pong frame for only the most recently processed Ping frame"
    /// (RFC 6455 section 5.5.3).
    #[cold]
    pub fn receive_pong(&mut self, data: &[u8]) {
        let Some(pings) = &mut self.pings else { return };
        let Some(place) = pings.under_way.iter().position(|(sent, _)| **sent == *data) else {
            return;
        };
        let at = pings.under_way.get(place).map(|(_, at)| *at);
        pings.under_way.drain(..=place);
        if pings.under_way.is_empty() {
            // A connection that is pinged now and then keeps no room for it.
            pings.under_way = VecDeque::new();
        }
        pings.last = at.map(|at| at.elapsed());
    }

    /// How long the last ping took that was answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pings.as_ref().and_then(|pings| pings.last)
    }

    /// The counts, where the wire itself says that it has written `written`: messages, bytes of messages and
    /// bytes of the wire that were sent; the same that came; messages refused; broadcasts skipped.
    pub fn totals(&self, written: u64) -> [u64; 8] {
        let wire_sent = u64::try_from(self.wire_sent + written as i64).unwrap_or_default();
        [
            self.messages_sent,
            self.bytes_sent,
            wire_sent,
            self.messages_received,
            self.bytes_received,
            self.wire_received,
            self.refused,
            self.skipped,
        ]
    }
}
