//! A parser of the server's frames, however the stream is cut.

use wsrs_bench::Result;
use wsrs_bench::frame::{CLOSE, CONTINUATION, FIN, Header, MAX_HEADER, PING, PONG, RSV1};

use crate::messages::Messages;

/// What some bytes completed.
pub enum Event {
    Message,
    /// A ping with its payload.
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Parses the server's frames, however the stream is cut.
#[derive(Default)]
pub struct Parser {
    /// The beginning of a header whose rest has not arrived.
    partial: Vec<u8>,
    /// The header of the frame that is being received, and how many bytes of its payload are missing.
    header: Option<Header>,
    left: usize,
    /// The first byte of the message's first frame, and the message's length so far.
    first_byte: u8,
    length: usize,
    /// The payload; only those of control frames and of the connection's first message are kept.
    kept: Vec<u8>,
    first_checked: bool,
}

impl Parser {
    /// Takes bytes from `rest` until a message or control frame is complete; `None` if none is.
    ///
    /// # Errors
    /// When an echo differs from what was sent, or the server masked a frame.
    #[inline]
    pub fn feed(&mut self, rest: &mut &[u8], messages: &Messages) -> Result<Option<Event>> {
        loop {
            let header = match self.header {
                Some(header) => header,
                None => match self.begin(rest)? {
                    Some(header) => header,
                    None => return Ok(None),
                },
            };
            let taken = self.left.min(rest.len());
            if !self.first_checked || header.opcode() >= CLOSE {
                self.kept.extend_from_slice(&rest[..taken]);
            }
            *rest = &rest[taken..];
            self.left -= taken;
            if self.left > 0 {
                return Ok(None);
            }
            self.header = None;
            if let Some(event) = self.end(header, messages)? {
                return Ok(Some(event));
            }
        }
    }

    /// Reads a header.
    #[inline]
    fn begin(&mut self, rest: &mut &[u8]) -> Result<Option<Header>> {
        let header = if self.partial.is_empty() {
            let Some(header) = Header::parse(rest) else {
                self.partial.extend_from_slice(rest);
                *rest = &[];
                return Ok(None);
            };
            *rest = &rest[header.len..];
            header
        } else {
            let had = self.partial.len();
            let more = rest.len().min(MAX_HEADER - had);
            self.partial.extend_from_slice(&rest[..more]);
            let Some(header) = Header::parse(&self.partial) else {
                *rest = &rest[more..];
                return Ok(None);
            };
            *rest = &rest[header.len - had..];
            self.partial.clear();
            header
        };
        if header.mask.is_some() {
            return Err("the server masked a frame".into());
        }
        if header.opcode() < CLOSE {
            if header.opcode() != CONTINUATION {
                self.first_byte = header.first;
            }
            self.length += header.payload;
        }
        self.left = header.payload;
        self.header = Some(header);
        Ok(Some(header))
    }

    /// Ends the frame of `header`, and returns what it completed.
    #[inline]
    fn end(&mut self, header: Header, messages: &Messages) -> Result<Option<Event>> {
        match header.opcode() {
            PING => Ok(Some(Event::Ping(std::mem::take(&mut self.kept)))),
            PONG => {
                self.kept.clear();
                Ok(Some(Event::Pong))
            }
            CLOSE => Ok(Some(Event::Close)),
            _ if header.first & FIN == 0 => Ok(None),
            _ => {
                self.check(messages)?;
                self.length = 0;
                Ok(Some(Event::Message))
            }
        }
    }

    /// Checks the type of every echo and, if uncompressed, its length; of the first on a connection also its content.
    #[inline]
    fn check(&mut self, messages: &Messages) -> Result<()> {
        let opcode = self.first_byte & 0x0F;
        if opcode != messages.first_byte & 0x0F {
            return Err(format!("an echo has opcode {opcode}").into());
        }
        let compressed = self.first_byte & RSV1 != 0;
        if compressed && !messages.deflate {
            return Err("an echo is compressed, which was not agreed on".into());
        }
        if !compressed && self.length != messages.size {
            return Err(format!("an echo has {} bytes, not {}", self.length, messages.size).into());
        }
        if !self.first_checked {
            messages.check_first(self.first_byte, &self.kept)?;
            self.first_checked = true;
            self.kept = Vec::new();
        }
        Ok(())
    }
}
