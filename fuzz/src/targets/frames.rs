//! Frame parsing: the same bytes give the same events whether they come whole, cut, byte by byte or straight into a
//! message's own buffer; and the memory that a receiver holds follows what has arrived.
//!
//! Input: a byte of flags, a byte that decides the cuts, then the stream. With [`BUILT`] the stream is a list of
//! frames (first byte, a length, a payload), which get a correct length and mask.

use _core::protocol::Role;
use _core::protocol::deflate::{Codec, InflateParams};
use _core::protocol::error::ProtocolError;
use _core::protocol::receiver::{Data, Event, Input, Receiver, ReceiverOptions};

use super::{Bytes, KIB, pieces};
use crate::most_held;

const CLIENT: u8 = 1;
const FRAGMENTS: u8 = 2;
const SKIP_UTF8: u8 = 4;
const INFLATE: u8 = 8;
const NO_TAKEOVER: u8 = 16;
const BUILT: u8 = 32;

/// The limit that stands for none, to bound the memory.
const NO_LIMIT: u64 = 1 << 18;

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Message(bool, Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    Fault(ProtocolError),
}

impl Got {
    fn of(event: Event<'_, Vec<u8>>) -> Self {
        match event {
            Event::Ping(data) => Self::Ping(data.to_vec()),
            Event::Pong(data) => Self::Pong(data.to_vec()),
            Event::Close { code, reason } => Self::Close(code, reason.to_vec()),
            Event::Message { binary, data: Data::Slice(data) } => {
                Self::Message(binary, vec![data.to_vec()])
            }
            Event::Message { binary, data: Data::Buffer(data) } => {
                Self::Message(binary, vec![data])
            }
            Event::Message { binary, data: Data::Fragments(all) } => Self::Message(binary, all),
        }
    }

    /// Drops the wording of a refusal of a bad stream, which depends on the cuts.
    fn fault(fault: ProtocolError) -> Self {
        Self::Fault(match fault {
            ProtocolError::InvalidDeflate { .. } => ProtocolError::InvalidDeflate { reason: "" },
            other => other,
        })
    }
}

struct Side {
    receiver: Receiver<Vec<u8>>,
    codec: Codec,
    got: Vec<Got>,
    keeps: bool,
}

impl Side {
    fn new(options: ReceiverOptions, fragments: bool) -> Self {
        let mut receiver = Receiver::new(options);
        receiver.set_fragments(fragments);
        Self { receiver, codec: Codec::default(), got: Vec::new(), keeps: true }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        loop {
            match self.receiver.next(&mut input, &mut self.codec) {
                Ok(Some(event)) if self.keeps => self.got.push(Got::of(event)),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(fault) => self.fault(fault),
            }
        }
        assert_eq!(input.remaining(), 0, "`None` says that all was read");
    }

    fn fault(&mut self, fault: ProtocolError) {
        assert!(self.receiver.is_finished(), "nothing comes after a fault");
        self.got.push(Got::fault(fault));
    }

    fn feed_directly(&mut self, mut bytes: &[u8], at_least: usize) {
        while !bytes.is_empty() {
            let taken = match self.receiver.direct(at_least) {
                Ok(Some((buffer, most))) => {
                    assert!(most > 0, "room for nothing is no offer");
                    let taken = most.min(bytes.len());
                    let room = buffer.capacity() - buffer.len();
                    assert!(room >= most, "{most} bytes are offered, there is room for {room}");
                    buffer.extend_from_slice(&bytes[..taken]);
                    taken
                }
                Ok(None) => {
                    self.feed(&bytes[..1]);
                    bytes = &bytes[1..];
                    continue;
                }
                Err(fault) => return self.fault(fault),
            };
            if let Err(fault) = self.receiver.direct_received(taken) {
                self.fault(fault);
            }
            bytes = &bytes[taken..];
            self.feed(&[]);
        }
    }
}

/// Builds frames with a correct length and mask from a list of their contents.
fn build(list: &[u8], masked: bool) -> Vec<u8> {
    let mut list = Bytes(list);
    let mut out = Vec::new();
    while !list.is_empty() {
        let first = list.byte();
        let payload = list.take(usize::from(list.0.first().copied().unwrap_or(0)) + 1);
        let payload = payload.get(1..).unwrap_or(&[]);
        let mask = if masked { 0x80 } else { 0 };
        out.push(first);
        if payload.len() < 126 {
            out.push(mask | payload.len() as u8);
        } else {
            out.push(mask | 126);
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        let key = [0x37, 0xfa, first, 0x3d];
        if masked {
            out.extend_from_slice(&key);
            out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            out.extend_from_slice(payload);
        }
    }
    out
}

fn options(flags: u8) -> (ReceiverOptions, bool) {
    let (max_payload, max_fragments, max_buffered_chunks) = match flags >> 6 {
        0 => (NO_LIMIT, 0, 0),
        1 => (125, 0, 0),
        2 => (1000, 4, 0),
        _ => (NO_LIMIT, 100, 3),
    };
    let inflate = InflateParams { window_bits: 15, no_context_takeover: flags & NO_TAKEOVER != 0 };
    let options = ReceiverOptions {
        role: if flags & CLIENT == 0 { Role::Server } else { Role::Client },
        max_payload,
        max_fragments,
        max_buffered_chunks,
        skip_utf8_validation: flags & SKIP_UTF8 != 0,
        inflate: (flags & INFLATE != 0).then_some(inflate),
    };
    (options, flags & FRAGMENTS != 0)
}

fn check_limits(got: &[Got], options: ReceiverOptions) {
    for (at, event) in got.iter().enumerate() {
        match event {
            Got::Message(binary, parts) => {
                let all = parts.concat();
                assert!(all.len() as u64 <= options.max_payload, "a message beyond the limit");
                let valid = std::str::from_utf8(&all).is_ok();
                assert!(*binary || valid || options.skip_utf8_validation, "text that is no UTF-8");
            }
            Got::Ping(data) | Got::Pong(data) => assert!(data.len() <= 125),
            Got::Close(_, reason) => {
                assert!(reason.len() <= 123);
                assert_eq!(at + 1, got.len(), "something after a close frame");
            }
            Got::Fault(_) => assert_eq!(at + 1, got.len(), "something after a fault"),
        }
    }
}

/// Compares with `other`, the result of the same bytes in other pieces. If one fault is in a compressed stream,
/// which is read a piece at a time, and another is a limit, the cuts may decide which of the two comes first.
fn check_same(other: &[Got], whole: &[Got], how: &str) {
    let stream =
        |got: Option<&Got>| matches!(got, Some(Got::Fault(ProtocolError::InvalidDeflate { .. })));
    let fault = |got: Option<&Got>| matches!(got, Some(Got::Fault(_)));
    let (a, b) = (other.last(), whole.last());
    if other.len() == whole.len() && fault(a) && fault(b) && (stream(a) || stream(b)) {
        let end = whole.len() - 1;
        assert_eq!(other[..end], whole[..end], "{how}");
    } else {
        assert_eq!(other, whole, "{how}");
    }
}

/// Checks how much the receiver holds if nothing that it gave is kept.
fn check_memory(stream: &[u8], cut: u8, options: ReceiverOptions, fragments: bool) {
    let parts = pieces(stream, cut);
    let codec = if options.inflate.is_some() {
        // The decompressor, its chunk and window, spare buffers, and a message that doubles as it grows.
        256 * KIB + 4 * options.max_payload as usize
    } else {
        0
    };
    let allowed = codec + 40 * KIB + 4 * stream.len();
    let held = most_held(|| {
        let mut side = Side::new(options, fragments);
        side.keeps = false;
        for piece in parts {
            side.feed(piece);
        }
    });
    assert!(held <= allowed, "{held} bytes held for {} that came", stream.len());
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let (flags, cut) = (input.byte(), input.byte());
    let (options, fragments) = options(flags);
    let built = (flags & BUILT != 0).then(|| build(input.0, flags & CLIENT == 0));
    let stream = built.as_deref().unwrap_or(input.0);

    let mut whole = Side::new(options, fragments);
    whole.feed(stream);
    check_limits(&whole.got, options);

    let mut in_pieces = Side::new(options, fragments);
    for piece in pieces(stream, cut) {
        in_pieces.feed(piece);
    }
    check_same(&in_pieces.got, &whole.got, "cut");
    if stream.len() < 300 {
        let mut by_bytes = Side::new(options, fragments);
        stream.chunks(1).for_each(|byte| by_bytes.feed(byte));
        check_same(&by_bytes.got, &whole.got, "byte by byte");
    }
    let mut direct = Side::new(options, fragments);
    direct.feed_directly(stream, [1, 16, 300][usize::from(cut) % 3]);
    check_same(&direct.got, &whole.got, "directly");
    check_memory(stream, cut, options, fragments);
}
