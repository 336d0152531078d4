//! The messages that a connection sends over and over. They are framed, masked and compressed beforehand, so that
//! sending costs the generator one system call and nothing else.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use wsrs_bench::Result;
use wsrs_bench::frame::{FIN, RSV1, client_frame};

use crate::options::{Kind, Options};

/// Bytes of different documents in the ring of a compressed run: several windows of a compressor (32 KiB), so that
/// its window has what real traffic would leave there, and not the same message again.
const DOCUMENT_BYTES: usize = 128 * 1024;
/// The least and the largest number of documents.
const DOCUMENTS: std::ops::RangeInclusive<usize> = 4..=2048;

/// The window of compressed messages, as a power of two. Servers may limit a client's window (RFC 7692 section
/// 7.1.2.2), and some limit it to 12 bits; with this value the same bytes go to all servers.
pub const WINDOW_BITS: u8 = 12;

/// The bytes that an empty flush appends, and that RFC 7692 section 7.2.1 removes.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// A ring of frames, laid out so that any `depth` consecutive ones are one slice.
pub struct Messages {
    /// FIN, RSV1 and opcode of every frame.
    pub first_byte: u8,
    /// The length of a message before compression.
    pub size: usize,
    pub deflate: bool,
    /// The first message of every connection, whose echo is compared byte for byte.
    pub first_payload: Vec<u8>,
    bytes: Vec<u8>,
    /// Where each frame begins, and where the last one ends.
    starts: Vec<usize>,
    ring: usize,
}

impl Messages {
    /// The messages that `options` ask for.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn new(options: &Options) -> Result<Self> {
        let ring = if options.deflate {
            options.depth.max(documents(options.size()))
        } else {
            options.depth
        };
        let rsv1 = if options.deflate { RSV1 } else { 0 };
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut messages = Self {
            first_byte: FIN | rsv1 | options.kind as u8,
            size: options.size(),
            deflate: options.deflate,
            first_payload: Vec::new(),
            bytes: Vec::new(),
            starts: vec![0],
            ring,
        };
        let mut frames = Vec::with_capacity(ring);
        for i in 0..ring {
            let payload = if options.kind == Kind::Binary && !options.deflate {
                (0..options.size()).map(|_| random.next() as u8).collect()
            } else {
                json(options.size(), &mut random)
            };
            let mask = (random.next() as u32 | 0x0101_0101).to_ne_bytes();
            let sent = if options.deflate { &deflate(&payload)? } else { &payload };
            frames.push(client_frame(messages.first_byte, sent, mask));
            if i == 0 {
                messages.first_payload = payload;
            }
        }
        for i in 0..ring + options.depth {
            messages.bytes.extend_from_slice(&frames[i % ring]);
            messages.starts.push(messages.bytes.len());
        }
        Ok(messages)
    }

    /// The bytes of `count` frames (at most the depth), from frame `from` of the ring on.
    #[inline]
    pub fn slice(&self, from: usize, count: usize) -> &[u8] {
        &self.bytes[self.starts[from]..self.starts[from + count]]
    }

    /// The index in the ring that is `count` after `from`.
    #[inline]
    pub fn after(&self, from: usize, count: usize) -> usize {
        let at = from + count;
        if at >= self.ring { at % self.ring } else { at }
    }

    /// The average length of a frame on the wire.
    pub fn mean_wire_size(&self) -> f64 {
        self.starts[self.ring] as f64 / self.ring as f64
    }

    /// Checks the echo of a connection's first message.
    ///
    /// # Errors
    /// When it differs from what was sent, or cannot be inflated.
    pub fn check_first(&self, first_byte: u8, payload: &[u8]) -> Result<()> {
        let inflated;
        let payload = if first_byte & RSV1 == 0 {
            payload
        } else {
            inflated = inflate(payload, self.size)?;
            &inflated
        };
        if payload != self.first_payload {
            return Err("the first echo of a connection differs from what was sent".into());
        }
        Ok(())
    }
}

/// How many documents of `size` bytes are in the ring of a compressed run.
fn documents(size: usize) -> usize {
    (DOCUMENT_BYTES / size.max(1)).clamp(*DOCUMENTS.start(), *DOCUMENTS.end())
}

/// xorshift64*: masks and payloads need no secrecy, and every run shall send the same bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
}

/// `size` bytes of ASCII text in the shape of a market-data feed, whose keys repeat and whose values do not.
fn json(size: usize, random: &mut Random) -> Vec<u8> {
    const SYMBOLS: [&str; 6] = ["BTCUSD", "ETHUSD", "EURUSD", "GBPJPY", "XAUUSD", "SPX500"];
    let mut text = String::with_capacity(size + 128);
    text.push('[');
    while text.len() < size {
        let number = random.next();
        let symbol = SYMBOLS[(number % 6) as usize];
        let (price, amount, time) =
            (number / 7 % 90_000, number / 11 % 1000, number / 13 % 1_000_000);
        text.push_str(&format!(
            "{{\"symbol\":\"{symbol}\",\"price\":{price}.{:02},\"size\":{amount},\"time\":17000{time:06}}},",
            amount % 100
        ));
    }
    text.truncate(size);
    text.into_bytes()
}

/// One message as permessage-deflate sends it, without a reference to an earlier one, so that a receiver can
/// inflate it with any parameters.
fn deflate(payload: &[u8]) -> Result<Vec<u8>> {
    let mut compress = Compress::new_with_window_bits(Compression::default(), false, WINDOW_BITS);
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 1000 + 64);
    compress.compress_vec(payload, &mut out, FlushCompress::Sync)?;
    if compress.total_in() != payload.len() as u64 || !out.ends_with(&TAIL) {
        return Err("the compressor did not finish".into());
    }
    out.truncate(out.len() - TAIL.len());
    Ok(out)
}

/// Inflates the first compressed message of a connection, of which `size` bytes are expected.
fn inflate(payload: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut input = payload.to_vec();
    input.extend_from_slice(&TAIL);
    // There is more room than the message needs, so that one that is too long does not look right.
    let mut out = Vec::with_capacity(size + 64);
    let status = Decompress::new(false).decompress_vec(&input, &mut out, FlushDecompress::Sync)?;
    match status {
        Status::Ok | Status::StreamEnd => Ok(out),
        Status::BufError => Err("an echo cannot be inflated".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_deflated_message_inflates_to_the_same() {
        for size in [0, 1, 64, 2048, 65536] {
            let text = json(size, &mut Random(7));
            assert_eq!(text.len(), size);
            let packed = deflate(&text).unwrap();
            assert_eq!(inflate(&packed, size).unwrap(), text);
            assert!(size < 2048 || packed.len() < size / 2, "{size}: {}", packed.len());
        }
    }
}
