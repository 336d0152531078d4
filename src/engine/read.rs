//! Reading from a socket.

use std::io;
use std::mem::MaybeUninit;

use super::slots::Token;
use super::sockets::{Engine, not_connected};
use super::sys::{Errno, Sys};

/// What came of [`Engine::read`].
#[derive(Debug)]
pub enum Read {
    /// Bytes came.
    Data {
        /// How many bytes at the start of the buffer are initialised now; not 0, unless the buffer
        /// is empty.
        n: usize,
        /// Fewer than asked, and no end was reported: a stream socket has no more for now, no need
        /// to read again to be told.
        drained: bool,
    },
    /// Nothing to read now.
    WouldBlock,
    /// The peer has ended its half. Reported once per call; the socket is no more watched for
    /// reading, writing goes on.
    Eof,
    /// The connection is lost (`ECONNRESET`, `ETIMEDOUT`, …), or the token is stale (`ENOTCONN`).
    /// The socket is no more watched for reading; close it.
    Lost(io::Error),
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Reads once, straight into the caller's buffer: one `recv`.
    #[inline]
    pub fn read(&mut self, token: Token, buf: &mut [MaybeUninit<u8>]) -> Read {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Read::Lost(not_connected());
        };
        // `recv` into nothing returns 0, as it does at the end of the stream.
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
