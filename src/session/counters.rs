//! Counts of what a connection has sent and received: plain fields, updated where the message is at hand
//! anyway.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The number of pings that are remembered until their pong comes. If there are more, the oldest are
/// forgotten.
const PINGS: usize = 16;

/// The counters of a connection. Bytes of messages are counted as the program sends and receives them; bytes
/// of the wire are all those of the connection since its handshake.
#[derive(Debug, Default)]
pub struct Counters {
    messages_sent: u64,
    bytes_sent: u64,
    messages_received: u64,
    bytes_received: u64,
    wire_received: u64,
    /// An offset to be added to the wire's own count: it subtracts what was written before the connection
    /// took the wire over. Once the wire is gone, it is the total that was written.
    wire_sent: i64,
    refused: u64,
    skipped: u64,
    /// Present once a ping was sent.
    pings: Option<Box<Pings>>,
}

/// The pings that still wait for a pong, oldest first, and the latest round-trip time.
#[derive(Debug, Default)]
struct Pings {
    under_way: VecDeque<(Box<[u8]>, Instant)>,
    last: Option<Duration>,
}

impl Counters {
    /// A message or a fragment of one was queued.
    #[inline]
    pub const fn send(&mut self, bytes: usize, last: bool) {
        self.messages_sent += last as u64;
        self.bytes_sent += bytes as u64;
    }

    /// A message was received.
    #[inline]
    pub const fn receive(&mut self, bytes: usize) {
        self.messages_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// Bytes were received on the wire.
    #[inline]
    pub const fn receive_wire(&mut self, bytes: usize) {
        self.wire_received += bytes as u64;
    }

    /// The wire was given `queued` bytes before it carried a WebSocket: the opening handshake.
    pub const fn begin_wire(&mut self, queued: u64) {
        self.wire_sent = -(queued as i64);
    }

    /// The number of those earlier bytes that are still queued, when the wire has written `written` bytes.
    #[must_use]
    pub const fn unsent_before(&self, written: u64) -> usize {
        let sent = self.wire_sent + written as i64;
        if sent < 0 { sent.unsigned_abs() as usize } else { 0 }
    }

    /// The wire is about to go; it has written this many bytes.
    pub const fn end_wire(&mut self, written: u64) {
        self.wire_sent += written as i64;
    }

    /// A message was refused because the queue is above the high-water mark.
    pub const fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Returns how many messages were refused because the queue was above the high-water mark.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// A broadcast skipped this connection.
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

    /// A pong was received. It answers the oldest ping with the same data, and the pings before that one stay
    /// unanswered: "an endpoint … MAY elect to send a Pong frame for only the most recently processed Ping
    /// frame" (RFC 6455 section 5.5.3).
    #[cold]
    pub fn receive_pong(&mut self, data: &[u8]) {
        let Some(pings) = &mut self.pings else { return };
        let Some(place) = pings.under_way.iter().position(|(sent, _)| **sent == *data) else {
            return;
        };
        let at = pings.under_way.get(place).map(|(_, at)| *at);
        pings.under_way.drain(..=place);
        if pings.under_way.is_empty() {
            // A connection that is only pinged now and then keeps no memory for its pings.
            pings.under_way = VecDeque::new();
        }
        pings.last = at.map(|at| at.elapsed());
    }

    /// Returns the round-trip time of the last ping that was answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pings.as_ref().and_then(|pings| pings.last)
    }

    /// Returns the counts, given that the wire says it has written `written` bytes: messages sent, their
    /// bytes and the bytes of the wire; the same three for what was received; messages refused; broadcasts
    /// skipped.
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
