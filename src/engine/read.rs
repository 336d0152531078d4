//! Reading from a socket.

use std::io;
use std::mem::MaybeUninit;

use super::slots::Token;
use super::sockets::{Engine, not_connected};
use super::sys::{Errno, Sys};

/// The result of [`Engine::read`].
#[derive(Debug)]
pub enum Read {
    /// There were bytes.
    Data {
        /// How many bytes at the start of the buffer are now initialised. It is 0 only if the buffer is empty.
        n: usize,
        /// There were fewer bytes than asked for, and no end was reported. A stream socket then has no more for now, so
        /// another read to find that out is not needed.
        drained: bool,
    },
    /// There is nothing to read now.
    WouldBlock,
    /// The peer has ended its half. Every further call reports it again. The socket is no longer watched for reading;
    /// writing continues.
    Eof,
    /// The connection is lost (`ECONNRESET`, `ETIMEDOUT`, …), or the token is stale (`ENOTCONN`).
    /// The socket is no longer watched for reading; close it.
    Lost(io::Error),
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Reads once, straight into the caller's buffer, by one `recv`.
    #[inline]
    pub fn read(&mut self, token: Token, buf: &mut [MaybeUninit<u8>]) -> Read {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Read::Lost(not_connected());
        };
        // `recv` into an empty buffer returns 0, as it does at the end of the stream.
        if buf.is_empty() {
            return Read::Data { n: 0, drained: false };
        }
        loop {
            return match self.sys.recv(&stream.fd, buf) {
                Ok(0) => {
                    (stream.ended, stream.unread) = (true, false);
                    Read::Eof
                }
                Ok(n) => {
                    let drained = n < buf.len() && !stream.ending;
                    stream.unread = !drained;
                    Read::Data { n, drained }
                }
                Err(Errno::AGAIN) => {
                    stream.unread = false;
                    Read::WouldBlock
                }
                Err(Errno::INTR) => continue,
                Err(error) => {
                    (stream.ended, stream.unread) = (true, false);
                    Read::Lost(error.into())
                }
            };
        }
    }
}
