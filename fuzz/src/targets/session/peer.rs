//! The stream that the peer sends: its frames are numbered, so that each can be recognised.

use _core::protocol::Role;
use _core::protocol::deflate::{Codec, DeflateParams};
use _core::protocol::frame::append_frame;
use _core::protocol::sender::{SendOptions, Sender};

use super::host::frame;

/// The event as which a part of the stream has to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Message {
        binary: bool,
        data: Vec<u8>,
    },
    Ping,
    Pong,
    /// A close frame or a fault: nothing after it is ever delivered.
    Last,
}

/// The stream so far.
pub struct Peer {
    pub stream: Vec<u8>,
    /// Its items, in the order in which they are complete, each with the position at which it ends.
    pub items: Vec<(Item, usize)>,
    /// The number of messages before each item.
    before: Vec<u64>,
    messages: u64,
    /// Our half of the compression, if that was agreed.
    deflate: Option<(Sender, Codec)>,
    /// True if the session validates text.
    validates: bool,
}

/// The length in bytes beyond which only short items are added to the stream.
const LONG_STREAM: usize = 400_000;

impl Peer {
    pub fn new(deflates: bool, validates: bool) -> Self {
        let params = DeflateParams::default();
        let deflate = deflates.then(|| (Sender::new(Role::Server, Some(params)), Codec::default()));
        Self {
            stream: Vec::new(),
            items: Vec::new(),
            before: Vec::new(),
            messages: 0,
            deflate,
            validates,
        }
    }

    /// Returns the number of an item, which its data begins with.
    pub fn number(data: &[u8]) -> usize {
        let digits = std::str::from_utf8(&data[..6]).expect("six digits");
        digits.parse().expect("six digits")
    }

    /// Makes the data of the next item.
    fn data(&self, size: u8) -> Vec<u8> {
        let size = [0, 3, 120, 130, 3000, 20_000, 70_000, 300_000][usize::from(size % 8)];
        let size = if self.stream.len() > LONG_STREAM { size % 1000 } else { size };
        let mut data = format!("{:06}", self.items.len()).into_bytes();
        data.resize(6 + size, b'p');
        data
    }

    /// Returns the number of messages among the first `end` items.
    pub fn messages_before(&self, end: usize) -> u64 {
        self.before.get(end).copied().unwrap_or(self.messages)
    }

    fn end(&mut self, item: Item) {
        self.before.push(self.messages);
        self.messages += u64::from(matches!(item, Item::Message { .. }));
        self.items.push((item, self.stream.len()));
    }

    fn message(&mut self, opcode: u8, data: Vec<u8>) {
        self.stream.extend(frame(0x80 | opcode, &data));
        self.end(Item::Message { binary: opcode == 2, data });
    }

    fn control(&mut self, opcode: u8, item: Item) {
        let data = self.data(0);
        self.stream.extend(frame(0x80 | opcode, &data));
        self.end(item);
    }

    /// Adds a message in fragments, with pings between them.
    fn fragments(&mut self, size: u8) {
        let ping = self.data(0);
        self.stream.extend([frame(2, b""), frame(0x89, &ping)].concat());
        self.end(Item::Ping);
        let data = self.data(size);
        let (front, back) = data.split_at(data.len() / 2);
        self.stream.extend([frame(0, front), frame(0x80, back)].concat());
        self.end(Item::Message { binary: true, data });
    }

    fn compressed(&mut self, size: u8) {
        let data = self.data(size);
        let Some((sender, codec)) = &mut self.deflate else { return self.message(1, data) };
        let options = SendOptions { binary: false, compress: true, fin: true };
        let (begun, mut payload) = (sender.begin(data.len(), &options), Vec::new());
        sender.compress(codec, &begun, &data, &mut payload).expect("memory");
        append_frame(&mut self.stream, &begun.header(payload.len() as u64, None), &payload);
        self.end(Item::Message { binary: false, data });
    }

    /// Adds one frame or several.
    pub fn send(&mut self, what: u8, size: u8) {
        match what % 32 {
            0..=5 => self.message(1, self.data(size)),
            6..=11 => self.message(2, self.data(size)),
            12..=15 => self.fragments(size),
            16..=19 => self.compressed(size),
            20..=23 => self.control(9, Item::Ping),
            24 | 25 => self.control(10, Item::Pong),
            26..=29 => {
                for _ in 0..size % 40 {
                    self.message(1, self.data(0));
                }
            }
            30 if size > 200 => {
                self.stream.extend(frame(0x88, b"\x03\xe8end"));
                self.end(Item::Last);
            }
            30 if size > 150 => {
                self.stream.extend(frame(0x83, b""));
                self.end(Item::Last);
            }
            30 if size > 100 && self.validates => {
                // Invalid text, in a frame that may be read directly.
                self.stream.extend(frame(0x81, &[0xff; 3000]));
                self.end(Item::Last);
            }
            _ => self.message(1, self.data(size)),
        }
    }
}
