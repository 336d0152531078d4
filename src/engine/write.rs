//! Writing to a socket what was queued for it, in as few calls as the kernel allows.

use std::io::{self, IoSlice};

use super::out_queue::MAX_PIECES;
use super::slots::{Fin, Stream, Token};
use super::sockets::{Engine, not_connected};
use super::sys::{Errno, Sys};

/// The result of [`Engine::flush`].
#[derive(Debug)]
pub enum Flush {
    /// Everything is written.
    Drained,
    /// The kernel's buffer is full, and this many bytes are left. The socket will be reported as writable. Until then
    /// a flush makes no system call.
    Pending(usize),
    /// Writing failed (`EPIPE`, `ECONNRESET`, …), or the token is stale (`ENOTCONN`). What was queued is dropped, and
    /// nothing more will be written. There may still be bytes to read.
    Lost(io::Error),
}

enum Written {
    /// Everything that was asked for.
    All,
    /// Less, or nothing, because the kernel's buffer is full.
    Blocked,
}

/// Writes what is queued by one `send` or `sendmsg`.
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
            // A short write means that the buffer is full, so a second call that returns EAGAIN is not needed.
            Ok(if written == asked { Written::All } else { Written::Blocked })
        }
        // Some systems return ENOBUFS where others return EAGAIN.
        Err(Errno::AGAIN | Errno::NOBUFS) => Ok(Written::Blocked),
        Err(Errno::INTR) => Ok(Written::All),
        Err(error) => Err(error),
    }
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Adds a socket to the list of those to flush. Returns true if the list was empty: the caller must then see to it
    /// that [`Self::take_dirty`] is called soon. No socket is listed twice, and one that waits for room is not listed,
    /// because it will be reported as writable.
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

    /// The number of entries in that list, which may include closed sockets.
    #[inline]
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the oldest entry out of the list, and skips closed sockets.
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

    /// Takes a socket out of that list before its turn. Returns false if it is not listed.
    #[inline]
    pub fn undirty(&mut self, token: Token) -> bool {
        let Some(stream) = self.slots.stream_mut(token).filter(|stream| stream.dirty) else {
            return false;
        };
        stream.dirty = false;
        // Usually it is the last entry. If not, its entry stays, and `take_dirty` skips it.
        if self.dirty.back() == Some(&token) {
            self.dirty.pop_back();
        }
        true
    }

    /// Writes as much of what is queued as the kernel takes.
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
        if stream.fin != Fin::No || stream.armed.write {
            return self.drained(token);
        }
        Flush::Drained
    }

    /// Begins to wait for room.
    fn blocked(&mut self, token: Token) -> Flush {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Flush::Lost(not_connected());
        };
        stream.blocked = true;
        let left = stream.out.len();
        match self.sync(token) {
            Ok(()) => Flush::Pending(left),
            // Nothing would ever report that there is room.
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

    /// Continues after the queue ran empty if the socket had waited for room or the writing half is to be ended.
    #[cold]
    fn drained(&mut self, token: Token) -> Flush {
        // If the poller refuses, the socket is reported as writable without need, and this is tried again then.
        let _ = self.sync(token);
        if let Some(stream) = self.slots.stream_mut(token)
            && stream.fin == Fin::Wanted
        {
            stream.fin = Fin::Sent;
            // It fails if the connection is gone already, which reading will report.
            let _ = self.sys.shutdown_write(&stream.fd);
        }
        Flush::Drained
    }

    /// Ends the writing half (FIN) once everything queued is written, or at once if nothing is queued. Queue nothing
    /// afterwards. Returns false for a stale token.
    pub fn shutdown_write(&mut self, token: Token) -> bool {
        let Some(stream) = self.slots.stream_mut(token) else {
            return false;
        };
        if stream.fin == Fin::No {
            stream.fin = Fin::Wanted;
        }
        if stream.out.is_empty() && !stream.broken {
            self.drained(token);
        }
        true
    }
}
