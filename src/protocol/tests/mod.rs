//! The bytes that a peer sends and the events that they give: fed whole, byte by byte, at random cuts, and into the
//! message's own buffer.

mod compressed;
mod direct;
mod faults;
mod fragments;
mod frames;
mod limits;
mod negotiation;
mod sender;
mod text;
mod url;
mod work;

use super::buffer::{MessageBuffer, OutOfMemory};
use super::deflate::{Codec, CodecLimits, InflateParams};
use super::error::ProtocolError;
use super::frame::Role;
use super::receiver::{Data, Event, Input, Receiver, ReceiverOptions};

pub(super) const SERVER: ReceiverOptions = ReceiverOptions {
    role: Role::Server,
    max_payload: 0,
    max_fragments: 0,
    max_buffered_chunks: 0,
    skip_utf8_validation: false,
    inflate: None,
};
pub(super) const CLIENT: ReceiverOptions = ReceiverOptions { role: Role::Client, ..SERVER };
pub(super) const INFLATE: Option<InflateParams> =
    Some(InflateParams { window_bits: 15, no_context_takeover: false });

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

pub(super) fn codec() -> Codec {
    Codec::new(CodecLimits { max_compressors: 2, max_decompressors: 2, max_tables: 2 })
}

/// An event with owned contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Fragments(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    Fault(ProtocolError),
}

impl Got {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// Drops the decompressor's words about a bad stream, which depend on the cuts.
    fn fault(fault: ProtocolError) -> Self {
        Self::Fault(match fault {
            ProtocolError::InvalidDeflate { reason } => {
                assert!(!reason.is_empty());
                ProtocolError::InvalidDeflate { reason: "" }
            }
            other => other,
        })
    }

    fn of<B: MessageBuffer>(event: Event<'_, B>) -> Self {
        let (binary, data) = match event {
            Event::Ping(data) => return Self::Ping(data.to_vec()),
            Event::Pong(data) => return Self::Pong(data.to_vec()),
            Event::Close { code, reason } => return Self::Close(code, reason.to_vec()),
            Event::Message { binary, data } => (binary, data),
        };
        let data = match data {
            Data::Slice(slice) => slice.to_vec(),
            Data::Buffer(buffer) => buffer.as_slice().to_vec(),
            Data::Fragments(parts) => {
                assert!(binary, "text never comes in fragments");
                return Self::Fragments(parts.iter().map(|it| it.as_slice().to_vec()).collect());
            }
        };
        if binary { Self::Binary(data) } else { Self::Text(data) }
    }
}

/// A receiver and all events that it gave.
pub(super) struct Side<B = Vec<u8>> {
    pub(super) receiver: Receiver<B>,
    pub(super) codec: Codec,
    pub(super) got: Vec<Got>,
}

impl<B: MessageBuffer> Side<B> {
    pub(super) fn new(options: ReceiverOptions) -> Self {
        Self { receiver: Receiver::new(options), codec: codec(), got: Vec::new() }
    }

    /// Feeds one read from the socket.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        loop {
            match self.receiver.next(&mut input, &mut self.codec) {
                Ok(Some(event)) => self.got.push(Got::of(event)),
                Ok(None) => break,
                Err(fault) => self.got.push(Got::fault(fault)),
            }
        }
        assert_eq!(input.remaining(), 0, "`None` says that all was read");
    }

    /// As [`Side::feed`], but into the message's own buffer whenever that is offered.
    pub(super) fn feed_directly(&mut self, mut bytes: &[u8], at_least: usize) {
        while !bytes.is_empty() {
            let taken = match self.receiver.direct(at_least) {
                Ok(Some((buffer, most))) => {
                    assert!(most > 0, "room for nothing is no offer");
                    let taken = most.min(bytes.len());
                    buffer.extend(&bytes[..taken]).expect("there was room");
                    taken
                }
                Ok(None) => {
                    self.feed(&bytes[..1]);
                    bytes = &bytes[1..];
                    continue;
                }
                Err(fault) => return self.got.push(Got::Fault(fault)),
            };
            if let Err(fault) = self.receiver.direct_received(taken) {
                self.got.push(Got::Fault(fault));
            }
            bytes = &bytes[taken..];
            self.feed(&[]);
        }
    }
}

/// A small generator of numbers, which are the same in each run.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) const fn new() -> Self {
        Self(0x1234_5678_9abc_def1)
    }

    /// A number from 1 to `most`.
    pub(super) fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize + 1
    }
}

/// The events that `bytes` give, which must not depend on how they are cut.
pub(super) fn received(options: ReceiverOptions, bytes: &[u8]) -> Vec<Got> {
    received_with(options, false, bytes)
}

/// As [`received`], with binary messages in fragments if asked for.
pub(super) fn received_with(options: ReceiverOptions, fragments: bool, bytes: &[u8]) -> Vec<Got> {
    let side = || {
        let mut side = Side::<Vec<u8>>::new(options);
        side.receiver.set_fragments(fragments);
        side
    };
    let mut whole = side();
    whole.feed(bytes);

    let mut by_bytes = side();
    for byte in bytes {
        by_bytes.feed(&[*byte]);
    }
    assert_eq!(by_bytes.got, whole.got, "byte by byte");

    let mut numbers = Numbers::new();
    for most in [2, 3, 7, 20, 200, 5000] {
        let mut cut = side();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(numbers.up_to(most).min(rest.len()));
            cut.feed(piece);
            rest = behind;
        }
        assert_eq!(cut.got, whole.got, "in pieces of up to {most} bytes");
    }

    for at_least in [1, 100, 5000] {
        let mut direct = side();
        direct.feed_directly(bytes, at_least);
        assert_eq!(direct.got, whole.got, "directly where {at_least} bytes are missing");
    }
    whole.got
}

pub(super) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame of a client; `first` is the byte with FIN, RSV and opcode.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = unmasked(first, payload);
    frame[1] |= 0x80;
    let header = frame.len() - payload.len();
    let body = frame.split_off(header);
    frame.extend_from_slice(&KEY);
    let masked = body.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
    frame.into_iter().chain(masked).collect()
}

/// A frame of a server.
pub(super) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// A frame as the peer of a receiver with `options` sends it.
pub(super) fn from_peer(options: ReceiverOptions, first: u8, payload: &[u8]) -> Vec<u8> {
    match options.role {
        Role::Server => masked(first, payload),
        Role::Client => unmasked(first, payload),
    }
}

/// A masked header alone, which declares `length` in eight bytes.
pub(super) fn declares(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &KEY].concat()
}

std::thread_local! {
    static HELD: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static MOST: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
}

/// A buffer whose capacity counts in [`Metered::held`], and which cannot grow beyond
/// [`Metered::refuse_beyond`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metered(Vec<u8>);

impl Metered {
    /// The bytes that all buffers of this thread have reserved.
    pub(super) fn held() -> usize {
        HELD.get()
    }

    pub(super) fn refuse_beyond(most: usize) {
        MOST.set(most);
    }

    fn account(&mut self, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), OutOfMemory> {
        let before = self.0.capacity();
        change(&mut self.0);
        HELD.set(HELD.get() - before + self.0.capacity());
        if HELD.get() > MOST.get() { Err(OutOfMemory) } else { Ok(()) }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        HELD.set(HELD.get() - self.0.capacity());
    }
}

impl MessageBuffer for Metered {
    fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        let mut buffer = Self(Vec::new());
        buffer.account(|vec| vec.reserve_exact(capacity))?;
        Ok(buffer)
    }
    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.account(|vec| vec.reserve(additional))
    }
    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.account(|vec| vec.reserve_exact(additional))
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn capacity(&self) -> usize {
        self.0.capacity()
    }
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }
    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.account(|vec| vec.extend_from_slice(bytes))
    }
    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        mask: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory> {
        self.account(|vec| crate::simd::mask::extend_masked(vec, bytes, mask, phase))
    }
}
