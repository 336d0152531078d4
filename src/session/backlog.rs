//! The bytes that came and are not delivered yet, and how far they were searched for pings.

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::receiver::{PingScan, Receiver, ScannedPing};

/// Bytes that wait, in the order of the wire.
#[derive(Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    /// There only while pings that were seen wait.
    scan: Option<Box<PingScan>>,
}

impl Backlog {
    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds what came.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts back what came before all that waits.
    pub fn push_front(&mut self, bytes: &[u8]) {
        let later = std::mem::take(&mut self.bytes);
        self.bytes = [bytes, &later].concat();
    }

    /// Takes all of it.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The next ping among what waits, of those that were not seen yet; `receiver` is where the bytes go.
    pub fn next_ping<B: MessageBuffer>(&mut self, receiver: &Receiver<B>) -> Option<ScannedPing> {
        self.scan.get_or_insert_with(|| Box::new(receiver.ping_scan())).next_ping(&self.bytes)
    }

    /// The receiver came to a ping: whether it was seen here before.
    pub fn met_ping(&mut self) -> bool {
        self.scan.as_mut().is_some_and(|scan| scan.met())
    }

    /// The receiver has read `count` bytes of those that waited; whether that is `all` of them.
    #[inline]
    pub fn consume(&mut self, count: usize, all: bool) {
        if self.scan.as_mut().is_some_and(|scan| all || !scan.consume(count)) {
            self.scan = None;
        }
    }
}
