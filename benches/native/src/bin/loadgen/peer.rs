//! One connection: the frames that it still has to send, the echoes, and the times of sending.

use std::io::ErrorKind;
use std::net::TcpStream;

use wsrs_bench::Result;
use wsrs_bench::frame::{CLOSE, FIN, PONG, client_frame};

use crate::channel::Channel;
use crate::messages::Messages;
use crate::parser::{Event, Parser};

/// The masking key of control frames.
const MASK: [u8; 4] = [0x5A, 0xA5, 0x3C, 0xC3];

/// The result of a read.
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing has arrived.
    Nothing,
    /// The peer's FIN, or a reset after our close frame.
    End,
}

/// Receives the results of the parser.
pub trait Sink {
    /// An echo has arrived, of a message sent at `sent_ns`.
    fn echoed(&mut self, sent_ns: u64);
}

pub struct Peer {
    channel: Channel,
    /// The frame of the ring that is sent next, or of which `offset` bytes have been sent.
    next: usize,
    offset: usize,
    /// The number of frames owed: they are sent from `next` on.
    pub owed: usize,
    /// When each message in flight became owed, the oldest first: a ring of `depth`.
    times: Box<[u64]>,
    oldest: usize,
    newest: usize,
    parser: Parser,
    /// The number of missing echoes; it changes only once nothing new is sent.
    pub in_flight: usize,
    pub closing: bool,
}

impl Peer {
    pub fn new(channel: Channel, depth: usize) -> Self {
        let times = vec![0; depth].into_boxed_slice();
        let parser = Parser::default();
        Self {
            channel,
            next: 0,
            offset: 0,
            owed: 0,
            times,
            oldest: 0,
            newest: 0,
            parser,
            in_flight: depth,
            closing: false,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        self.channel.socket()
    }

    /// True if the socket did not take everything that was to be sent.
    #[inline]
    pub fn blocked(&self) -> bool {
        self.owed != 0 || self.channel.waiting()
    }

    /// Owes `count` more messages as of `now`.
    #[inline]
    pub fn owe(&mut self, count: usize, now: u64) {
        self.owed += count;
        for _ in 0..count {
            self.times[self.newest] = now;
            self.newest = if self.newest + 1 == self.times.len() { 0 } else { self.newest + 1 };
        }
    }

    /// Sends the frames owed, as far as the socket takes them.
    ///
    /// # Errors
    /// The error of the socket, if it fails.
    #[inline]
    pub fn flush(&mut self, messages: &Messages) -> Result<()> {
        if self.channel.waiting() {
            self.channel.flush().map_err(|e| format!("send: {e}"))?;
        }
        if self.owed == 0 {
            return Ok(());
        }
        let bytes = &messages.slice(self.next, self.owed)[self.offset..];
        let mut sent = match self.channel.send(bytes) {
            Ok(sent) => sent,
            Err(error) if again(error.kind()) => return Ok(()),
            Err(error) => return Err(format!("send: {error}").into()),
        };
        if sent == bytes.len() {
            self.next = messages.after(self.next, self.owed);
            (self.owed, self.offset) = (0, 0);
            return Ok(());
        }
        sent += self.offset;
        while sent >= messages.slice(self.next, 1).len() {
            sent -= messages.slice(self.next, 1).len();
            self.next = messages.after(self.next, 1);
            self.owed -= 1;
        }
        self.offset = sent;
        Ok(())
    }

    /// One `recv` into `buffer`.
    ///
    /// # Errors
    /// The error of the socket, if it fails.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Read> {
        match self.channel.recv(buffer) {
            Ok(0) => Ok(Read::End),
            Ok(got) => Ok(Read::Bytes(got)),
            Err(error) if again(error.kind()) => Ok(Read::Nothing),
            Err(error) if self.closing && error.kind() == ErrorKind::ConnectionReset => {
                Ok(Read::End)
            }
            Err(error) => Err(format!("recv: {error}").into()),
        }
    }

    /// Takes in `bytes` from the peer, and returns how many messages they completed.
    ///
    /// # Errors
    /// When an echo differs from what was sent, or the frames are invalid.
    #[inline]
    pub fn take(
        &mut self,
        bytes: &[u8],
        messages: &Messages,
        sink: &mut impl Sink,
    ) -> Result<usize> {
        let mut rest = bytes;
        let mut completed = 0;
        while !rest.is_empty() {
            let Some(event) = self.parser.feed(&mut rest, messages)? else {
                break;
            };
            match event {
                Event::Message => {
                    completed += 1;
                    sink.echoed(self.times[self.oldest]);
                    self.oldest =
                        if self.oldest + 1 == self.times.len() { 0 } else { self.oldest + 1 };
                }
                Event::Ping(payload) => self.control(PONG, &payload)?,
                Event::Close if self.closing => {}
                Event::Close => return Err("the server closed the connection".into()),
                Event::Pong => {}
            }
        }
        Ok(completed)
    }

    /// Sends the close frame; no frame may be owed any more.
    ///
    /// # Errors
    /// The error of the socket, if it fails.
    pub fn close(&mut self) -> Result<()> {
        self.closing = true;
        self.control(CLOSE, &1000_u16.to_be_bytes())
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        if self.offset != 0 {
            return Err("a control frame is due within an unfinished message".into());
        }
        let frame = client_frame(FIN | opcode, payload, MASK);
        match self.channel.send(&frame) {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(_) => Err("the socket did not take a control frame".into()),
            Err(error) => Err(format!("send of a control frame: {error}").into()),
        }
    }
}

/// True if the call must be repeated later.
fn again(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
