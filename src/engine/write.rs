//! Writing to a socket: what was queued leaves in as few calls as the kernel allows.

use std::io::{self, IoSlice};

use super::out_queue::MAX_PIECES;
use super::slots::{Stream, Token};
use super::sockets::{Engine, not_connected};
use super::sys::{Errno, Sys};

/// What came of [`Engine::flush`].
#[derive(Debug)]
pub enum Flush {
    /// All is written.
    Drained,
    /// The kernel's buffer is full; this many bytes are left. The socket will be reported as
    /// writable; until then a flush makes no call.
    Pending(usize),
    /// Writing failed (`EPIPE`, `ECONNRESET`, …), or the token is stale (`ENOTCONN`). What was
    /// queued is dropped and nothing will be written any more; there may still be bytes to read.
    Lost(io::Error),
}

enum Written {
    /// All that was asked.
    All,
    /// Less, or nothing: the kernel's buffer is full.
    Blocked,
}

/// One `send` or `sendmsg` of what is queued.
#[inline]
fn write_once<S: Sys, H: AsRef<[u8]>>(
    sys: &mut S,
    stream: &mut Stream<S::Fd, H>,
) -> Result<Written, Errno> {
    let (result, asked) = match stream.out.single() {
        Some(bytes) => (sys.send(&stream.fd, bytes), bytes.len()),
        None => {
            let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
            let (count, bytes) = stream.out.gather(&mut pieces);
            (sys.sendmsg(&stream.fd, &pieces[..count]), bytes)
        }
    };
    match result {
        Ok(written) => {
            stream.out.advance(written);
            // A short write says that the buffer is full: no second call to be told EAGAIN.
            Ok(if written == asked { Written::All } else { Written::Blocked })
        }
        // Some systems say ENOBUFS where others say EAGAIN.
        Err(Errno::AGAIN | Errno::NOBUFS) => Ok(Written::Blocked),
        Err(Errno::INTR) => Ok(Written::All),
        Err(error) => Err(error),
    }
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Puts a socket in the list of those to be flushed. True when the list was empty: the caller
    /// then sees to it that [`Self::take_dirty`] is called soon. A socket that waits for room is
    /// not listed (it will be reported as writable), nor is one twice.
    #[inline]
    pub fn mark_dirty(&mut self, token: Token) -> bool {
        match self.slots.stream_mut(token) {
            Some(stream) if !stream.dirty && !stream.blocked && !stream.broken => {
                stream.dirty = true;
                let first = self.dirty.is_empty();
                self.dirty.push_back(token);
                first
            }
            _ => false,
        }
    }

    /// Entries in that list; those closed meanwhile may count too.
    #[inline]
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the socket out of the list that has been in it longest. Those closed meanwhile are
    /// skipped.
    #[inline]
    pub fn take_dirty(&mut self) -> Option<Token> {
        while let Some(token) = self.dirty.pop_front() {
            if let Some(stream) = self.slots.stream_mut(token)
                && stream.dirty
            {
                stream.dirty = false;
                return Some(token);
            }
        }
        None
    }

    /// The socket that is `ahead` places from the one that [`Self::take_dirty`] gives next.
    #[inline]
    pub fn upcoming_dirty(&self, ahead: usize) -> Option<Token> {
        self.dirty.get(ahead).copied()
    }

    /// Takes a socket out of that list before its turn. False where it is not in it.
    #[inline]
    pub fn undirty(&mut self, token: Token) -> bool {
        let Some(stream) = self.slots.stream_mut(token).filter(|stream| stream.dirty) else {
            return false;
        };
        stream.dirty = false;
        // Mostly it came last. An entry that stays is passed over by `take_dirty`.
        if self.dirty.back() == Some(&token) {
            self.dirty.pop_back();
        }
        true
    }

    /// Writes what is queued, as far as the kernel takes it.
    #[inline]
    pub fn flush(&mut self, token: Token) -> Flush {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Flush::Lost(not_connected());
        };
        if stream.blocked {
            return Flush::Pending(stream.out.len());
        }
        if stream.broken {
            stream.out.clear_into(&mut self.spare);
            return Flush::Lost(Errno::PIPE.into());
        }
        while !stream.out.is_empty() {
            match write_once(&mut self.sys, stream) {
                Ok(Written::All) => {}
                Ok(Written::Blocked) => return self.blocked(token),
                Err(error) => return self.broken(token, error),
            }
        }
        stream.out.return_buffer(&mut self.spare);
        if stream.fin_wanted || stream.armed.write {
            return self.drained(token);
        }
        Flush::Drained
    }

    /// Waits for room.
    fn blocked(&mut self, token: Token) -> Flush {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Flush::Lost(not_connected());
        };
        stream.blocked = true;
        let left = stream.out.len();
        match self.sync(token) {
            Ok(()) => Flush::Pending(left),
            // Nobody would ever tell when there is room.
            Err(error) => self.broken(token, error),
        }
    }

    fn broken(&mut self, token: Token, error: Errno) -> Flush {
        if let Some(stream) = self.slots.stream_mut(token) {
            stream.broken = true;
            stream.blocked = false;
            stream.out.clear_into(&mut self.spare);
        }
        Flush::Lost(error.into())
    }

    /// The queue ran empty after the socket had to wait, or before its end.
    #[cold]
    fn drained(&mut self, token: Token) -> Flush {
        // Should the poller refuse, the socket is reported as writable to nobody's use, and this
        // is tried again there.
        let _ = self.sync(token);
        if let Some(stream) = self.slots.stream_mut(token)
            && stream.fin_wanted
            && !stream.fin_sent
        {
            stream.fin_sent = true;
            // It fails where the connection is gone already, which reading tells.
            let _ = self.sys.shutdown_write(&stream.fd);
        }
        Flush::Drained
    }

    /// Ends the writing half (FIN) once all that is queued is written; at once if nothing is.
    /// Queue nothing afterwards. False for a stale token.
    pub fn shutdown_write(&mut self, token: Token) -> bool {
        let Some(stream) = self.slots.stream_mut(token) else {
            return false;
        };
        stream.fin_wanted = true;
        if stream.out.is_empty() && !stream.broken {
            self.drained(token);
        }
        true
    }
}
