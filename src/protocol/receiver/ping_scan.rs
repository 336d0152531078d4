//! Scans for pings in bytes that may not be delivered yet.
//!
//! A peer that gets no pong takes us for dead, even if the program has only paused. So the waiting frames are scanned
//! header by header, without being read: whether they are valid is decided when it is their turn.

use super::{Expect, Receiver};
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::frame::{
    FrameHeader, HeaderRules, MAX_CONTROL_PAYLOAD, Opcode, PartialHeader,
};
use crate::simd::mask;

/// The payload of a ping, unmasked.
pub struct ScannedPing {
    payload: [u8; MAX_CONTROL_PAYLOAD],
    length: usize,
}

impl AsRef<[u8]> for ScannedPing {
    fn as_ref(&self) -> &[u8] {
        &self.payload[..self.length]
    }
}

/// How far the waiting bytes have been scanned.
pub struct PingScan {
    rules: HeaderRules,
    /// The start of the first header, if the receiver has read it already.
    partial: PartialHeader,
    /// How many of the waiting bytes have been scanned.
    at: usize,
    /// Bytes of payload to skip.
    skip: u64,
    /// There was a close frame or a fault, so nothing after `at` is a frame.
    over: bool,
    /// The receiver has read the start of a ping, so the first ping that it returns was not seen here.
    begun: bool,
    /// Pings seen here that the receiver has not returned yet.
    seen: usize,
}

impl<B: MessageBuffer> Receiver<B> {
    /// A scan of the bytes that follow what was read so far.
    #[must_use]
    pub fn ping_scan(&self) -> PingScan {
        let (skip, in_message) = match (self.expect, &self.message) {
            (Expect::Control, message) => {
                let missing = self.control.as_ref().map_or(0, |control| control.missing());
                (missing, message.is_some())
            }
            (Expect::Payload | Expect::Work, Some(message)) => {
                (message.missing(), !message.is_last_frame())
            }
            (_, message) => (0, message.is_some()),
        };
        let rules = HeaderRules { role: self.role, compression: self.compression, in_message };
        let over = self.is_finished();
        let control = self.control.as_ref().filter(|_| self.expect == Expect::Control);
        let begun = control.is_some_and(|control| control.opcode == Opcode::Ping);
        PingScan { rules, partial: self.partial, at: 0, skip, over, begun, seen: 0 }
    }
}

impl PingScan {
    /// The next ping in `bytes`, which are all the waiting bytes; `None` if there is no further whole ping.
    pub fn next_ping(&mut self, bytes: &[u8]) -> Option<ScannedPing> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            self.at += passed;
            self.skip -= passed as u64;
            let rest = &rest[passed..];
            if self.over || rest.is_empty() {
                return None;
            }
            let mut partial = self.partial;
            let (header, size) = match partial.parse(rest, self.rules) {
                Ok(Some(found)) => found,
                Ok(None) => return None,
                Err(_) => {
                    self.over = true;
                    return None;
                }
            };
            if header.opcode != Opcode::Ping {
                self.pass(&header, size);
                continue;
            }
            let length = header.length as usize;
            let payload = rest.get(size..size + length)?;
            self.pass(&header, size);
            self.seen += 1;
            let mut ping = ScannedPing { payload: [0; MAX_CONTROL_PAYLOAD], length };
            ping.payload[..length].copy_from_slice(payload);
            if let Some(key) = header.mask {
                mask::mask_in_place(&mut ping.payload[..length], key, 0);
            }
            return Some(ping);
        }
    }

    /// Skips a frame's header; its payload is skipped next.
    fn pass(&mut self, header: &FrameHeader, size: usize) {
        self.partial = PartialHeader::EMPTY;
        self.at += size;
        self.skip = header.length;
        match header.opcode {
            Opcode::Close => self.over = true,
            Opcode::Ping | Opcode::Pong => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.rules.in_message = !header.fin;
            }
        }
    }

    /// Notes that the receiver has returned a ping. Returns whether it was seen here before.
    pub fn met(&mut self) -> bool {
        let seen = self.seen > 0 && !std::mem::take(&mut self.begun);
        self.seen -= usize::from(seen);
        seen
    }

    /// Notes that `count` of the waiting bytes were read. Returns whether the scan had reached at least that far.
    #[must_use]
    pub const fn consume(&mut self, count: usize) -> bool {
        let further = self.at >= count;
        self.at = self.at.saturating_sub(count);
        further
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Input, ReceiverOptions};
    use super::Receiver;
    use crate::protocol::deflate::{Codec, CodecLimits};
    use crate::protocol::frame::Role;

    /// A text message in two fragments around a ping, a ping, a close frame, and one more ping.
    const BYTES: &[u8] =
        b"\x01\x02ab\x89\x01A\x80\x01c\x89\x00\x8a\x01x\x89\x02BC\x88\x00\x89\x01D";

    fn receiver() -> Receiver<Vec<u8>> {
        Receiver::new(ReceiverOptions {
            role: Role::Client,
            max_payload: 0,
            max_fragments: 0,
            max_buffered_chunks: 0,
            skip_utf8_validation: false,
            inflate: None,
        })
    }

    #[test]
    fn each_ping_is_seen_once_however_the_bytes_are_cut() {
        for read in 0..BYTES.len() - 5 {
            let mut receiver = receiver();
            let mut codec =
                Codec::new(CodecLimits { max_compressors: 1, max_decompressors: 1, max_tables: 1 });
            let mut start = BYTES[..read].to_vec();
            let mut input = Input::new(&mut start);
            let mut before = Vec::new();
            while let Some(event) = receiver.next(&mut input, &mut codec).unwrap() {
                if let Event::Ping(data) = event {
                    before.push(data.to_vec());
                }
            }
            let mut scan = receiver.ping_scan();
            let mut seen = before.clone();
            for end in read..=BYTES.len() {
                while let Some(ping) = scan.next_ping(&BYTES[read..end]) {
                    seen.push(ping.as_ref().to_vec());
                }
            }
            // A ping that was cut off is answered by the receiver, which has its start.
            let cut = scan.begun;
            let mut wanted = vec![b"A".to_vec(), b"".to_vec(), b"BC".to_vec()];
            if cut {
                wanted.remove(before.len());
                assert!(!scan.met());
            }
            assert_eq!(seen, wanted, "read {read}");
            assert_eq!(
                (before.len()..seen.len()).filter(|_| scan.met()).count(),
                seen.len() - before.len()
            );
        }
    }

    #[test]
    fn no_ping_is_seen_after_a_fault() {
        let mut scan = receiver().ping_scan();
        assert!(scan.next_ping(b"\x83\x00\x89\x00").is_none());
        assert!(scan.next_ping(b"\x83\x00\x89\x00\x89\x00").is_none());
    }

    #[test]
    fn pings_that_were_seen_are_met_again_once() {
        let mut scan = receiver().ping_scan();
        while scan.next_ping(BYTES).is_some() {}
        assert!(scan.consume(4));
        assert!(scan.met() && scan.met() && scan.met());
        assert!(!scan.met());
        assert!(!scan.consume(BYTES.len()));
    }
}
