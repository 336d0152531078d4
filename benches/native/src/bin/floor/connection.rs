//! One connection of the floor.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use wsrs_bench::frame::{
    Header, MAX_HEADER, mask_in_place, mask_into, server_header_len, write_header,
};
use wsrs_bench::handshake;

/// Bytes of one read: a 64 KiB message fits, and so do the pipelined rows. A longer frame is received straight
/// into a buffer of its own.
const READ: usize = 128 * 1024;

/// The buffers that all connections share.
pub struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Scratch {
    /// Buffers for one thread.
    pub fn new() -> Self {
        Self { input: vec![0; READ], output: vec![0; READ] }
    }
}

/// What epoll waits for: while output is queued, nothing is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    Read,
    Write,
}

/// The connection is over: by its peer's FIN, by an error, or by a request that is not an upgrade.
pub struct Gone;

impl From<Errno> for Gone {
    fn from(_: Errno) -> Self {
        Self
    }
}

/// A frame longer than a read, which is received and echoed in place.
#[derive(Default)]
struct Long {
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes of the whole frame; 0 while there is none.
    total: usize,
}

pub struct Connection {
    socket: OwnedFd,
    open: bool,
    /// The beginning of a frame whose rest has not arrived.
    partial: Vec<u8>,
    long: Long,
    /// Bytes that the socket did not take, from `sent` on.
    queue: Vec<u8>,
    sent: usize,
}

impl Connection {
    pub fn new(socket: OwnedFd) -> Self {
        let (partial, queue) = (Vec::new(), Vec::new());
        Self { socket, open: false, partial, long: Long::default(), queue, sent: 0 }
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub fn wants(&self) -> Wants {
        if self.queue.is_empty() { Wants::Read } else { Wants::Write }
    }

    /// Does what the socket is ready for: one send of the queued bytes, or one read and its echo.
    pub fn ready(&mut self, scratch: &mut Scratch) -> Result<(), Gone> {
        if !self.queue.is_empty() {
            return self.drain();
        }
        if self.long.total != 0 {
            return self.read_long();
        }
        let kept = self.partial.len();
        scratch.input[..kept].copy_from_slice(&self.partial);
        let got = match recv(&self.socket, &mut scratch.input[kept..], RecvFlags::empty()) {
            Ok((0, _)) => return Err(Gone),
            Ok((got, _)) => got,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.partial.clear();
        let input = &scratch.input[..kept + got];
        if !self.open {
            return self.upgrade(input);
        }
        self.echo(input, &mut scratch.output)
    }

    fn upgrade(&mut self, input: &[u8]) -> Result<(), Gone> {
        let Some(len) = handshake::head_len(input) else {
            self.partial.extend_from_slice(input);
            return if input.len() < READ / 2 { Ok(()) } else { Err(Gone) };
        };
        let head = std::str::from_utf8(&input[..len]).map_err(|_| Gone)?;
        let answer = handshake::server_answer(head).ok_or(Gone)?;
        self.open = true;
        self.partial.extend_from_slice(&input[len..]);
        self.send(answer.as_bytes())
    }

    /// Echoes the complete frames of `input` in one send and keeps the rest.
    fn echo(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), Gone> {
        let (mut read, mut written) = (0, 0);
        while let Some(header) = Header::parse(&input[read..]) {
            let total = header.len + header.payload;
            let Some(frame) = input.get(read..read + total) else {
                if total > READ {
                    self.start_long(&input[read..], total);
                    return self.send(&output[..written]);
                }
                break;
            };
            written += write_header(&mut output[written..], header.first, header.payload, 0);
            let echoed = &mut output[written..written + header.payload];
            mask_into(echoed, &frame[header.len..], header.mask.unwrap_or_default());
            written += header.payload;
            read += total;
        }
        self.partial.extend_from_slice(&input[read..]);
        self.send(&output[..written])
    }

    fn start_long(&mut self, beginning: &[u8], total: usize) {
        if self.long.bytes.len() < total {
            self.long.bytes.resize(total, 0);
        }
        self.long.bytes[..beginning.len()].copy_from_slice(beginning);
        self.long.filled = beginning.len();
        self.long.total = total;
    }

    fn read_long(&mut self) -> Result<(), Gone> {
        let Long { bytes, filled, total } = &mut self.long;
        match recv(&self.socket, &mut bytes[*filled..*total], RecvFlags::empty()) {
            Ok((0, _)) => return Err(Gone),
            Ok((got, _)) => *filled += got,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if *filled < *total {
            return Ok(());
        }
        let header = Header::parse(&bytes[..MAX_HEADER.min(*total)]).ok_or(Gone)?;
        mask_in_place(&mut bytes[header.len..*total], header.mask.unwrap_or_default());
        // The header of the echo lacks the mask and so is shorter; it is written to end where the payload begins.
        let start = header.len - server_header_len(header.payload);
        write_header(&mut bytes[start..], header.first, header.payload, 0);
        let end = *total;
        self.long.total = 0;
        match send(&self.socket, &self.long.bytes[start..end], SendFlags::NOSIGNAL) {
            Ok(sent) if sent == end - start => Ok(()),
            Ok(sent) => {
                self.take_long(start + sent, end);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.take_long(start, end);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the long frame's buffer, uncopied, the queue, from `sent` to `end`.
    fn take_long(&mut self, sent: usize, end: usize) {
        std::mem::swap(&mut self.queue, &mut self.long.bytes);
        self.queue.truncate(end);
        self.sent = sent;
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        if sent < bytes.len() {
            self.queue.extend_from_slice(&bytes[sent..]);
            self.sent = 0;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Gone> {
        match send(&self.socket, &self.queue[self.sent..], SendFlags::NOSIGNAL) {
            Ok(sent) => self.sent += sent,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if self.sent == self.queue.len() {
            if self.queue.len() > READ {
                // The long frame's buffer goes back to receive the next one.
                std::mem::swap(&mut self.queue, &mut self.long.bytes);
            }
            self.queue.clear();
        }
        Ok(())
    }
}
