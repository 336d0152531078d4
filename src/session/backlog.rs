//! The received bytes that are not delivered yet, and how far they were searched for pings.

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::receiver::{PingScan, Receiver, ScannedPing};

/// The bytes that wait, in the order of the wire.
#[derive(Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    /// Present only while pings found by the search wait to be delivered.
    scan: Option<Box<PingScan>>,
}

impl Backlog {
    /// Returns true if nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the number of bytes that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends received bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts back bytes that precede all that waits.
    pub fn push_front(&mut self, bytes: &[u8]) {
        let later = std::mem::take(&mut self.bytes);
        self.bytes = [bytes, &later].concat();
    }

    /// Takes all bytes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Returns the next waiting ping that the search has not found yet; `receiver` is the one that will read
    /// the bytes.
    pub fn next_ping<B: MessageBuffer>(&mut self, receiver: &Receiver<B>) -> Option<ScannedPing> {
        self.scan.get_or_insert_with(|| Box::new(receiver.ping_scan())).next_ping(&self.bytes)
    }

    /// The receiver reached a ping. Returns true if the search had found it.
    pub fn met_ping(&mut self) -> bool {
        self.scan.as_mut().is_some_and(|scan| scan.met())
    }

    /// The receiver has read `count` of the waiting bytes; `all` says whether those were all of them.
    #[inline]
    pub fn consume(&mut self, count: usize, all: bool) {
        if self.scan.as_mut().is_some_and(|scan| all || !scan.consume(count)) {
            self.scan = None;
        }
    }
}
