//! Turns the poller's events into what the caller must do next.

use std::io;

use super::late;
use super::slots::{Entry, Token};
use super::sockets::Engine;
use super::sys::{Errno, Interest, RawEvent, Sys};

/// A listener or socket that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A listener has connections: call [`Engine::accept`], a bounded number of times.
    Accept(Token),
    /// A socket can make progress. At least one of `readable` and `writable` is true.
    Socket {
        /// Which one.
        token: Token,
        /// There are bytes, the end, or an error: call [`Engine::read`].
        readable: bool,
        /// There is room for what is queued, or an error: call [`Engine::flush`].
        writable: bool,
        /// The connection is broken, or shut in both directions. `read` and `flush` report which, and there may still
        /// be bytes to read first.
        hangup: bool,
    },
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Asks the poller once, without waiting, and begins a new batch. Returns how many events it has, at most
    /// [`super::MAX_EVENTS`]. What is left of the last batch is postponed, because the poller would not report it again.
    ///
    /// # Errors
    /// It fails only for a broken poller (`EBADF`, `EINVAL`); a signal is no error.
    pub fn poll(&mut self) -> io::Result<usize> {
        self.postpone_rest();
        self.events.clear();
        self.next_event = 0;
        loop {
            match self.sys.wait(&self.poller, &mut self.events) {
                Ok(()) => return Ok(self.events.len()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next listener or socket of this batch that is ready; `None` at the end. Events of one that was closed since
    /// the batch began are skipped, even if its slot or descriptor is in use again. A socket that waits in the list of
    /// postponed ones keeps its place there.
    #[inline]
    pub fn next_ready(&mut self) -> Option<Ready> {
        self.end_turn();
        while let Some(event) = self.events.get(self.next_event).copied() {
            self.next_event += 1;
            let token = Token::from_raw(event.token);
            match self.slots.get_mut(token) {
                Some(Entry::Listener(listener)) if listener.armed => {
                    return Some(Ready::Accept(token));
                }
                Some(Entry::Stream(stream)) => {
                    if stream.late != 0 {
                        stream.late |= late::bits(event);
                    } else if let Some(ready) = self.socket_ready(token, event) {
                        return Some(ready);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The socket or listener whose event comes `ahead` places after the one that
    /// [`Self::next_ready`] gave last. It may have been closed since.
    #[inline]
    pub fn upcoming(&self, ahead: usize) -> Option<Token> {
        // `next_event` is already one past the last.
        self.events.get(self.next_event + ahead - 1).map(|event| Token::from_raw(event.token))
    }

    /// Where the entry of a socket lies, so that it can be prefetched into the cache.
    #[inline]
    pub fn entry_address(&self, token: Token) -> (*const u8, usize) {
        self.slots.address(token)
    }

    #[inline]
    pub(super) fn socket_ready(&mut self, token: Token, event: RawEvent) -> Option<Ready> {
        let stream = self.slots.stream_mut(token)?;
        let wanted = stream.wanted();
        // An error or a hang-up is reported without being asked for. Whatever the caller waits for is then ready,
        // because it will no longer block.
        let readable = wanted.read && (event.readable || event.hangup);
        let writable = wanted.write && (event.writable || event.hangup);
        stream.ending |= event.hangup || event.ended;
        if readable || writable {
            stream.unread |= readable;
            self.turn = Some(token);
            if writable {
                stream.blocked = false;
            }
            return Some(Ready::Socket { token, readable, writable, hangup: event.hangup });
        }
        // The event is of no use now: the socket is paused, at its end or broken. Take it out of the poller. What is
        // ready will be reported when it returns there.
        let _ = self.sync(token);
        None
    }

    /// Stops reading: the socket will not be reported as readable until [`Self::resume`]. This makes no system call. If
    /// an event arrives meanwhile, the socket leaves the poller, because hang-ups and errors are always reported.
    /// Returns false for a stale token.
    pub fn pause(&mut self, token: Token) -> bool {
        match self.slots.stream_mut(token) {
            Some(stream) => {
                stream.paused = true;
                true
            }
            None => false,
        }
    }

    /// Resumes reading. The next [`Self::poll`] reports what arrived meanwhile. Returns false for a stale token.
    ///
    /// # Errors
    /// It fails if the kernel has no memory or watches left; the socket stays paused.
    pub fn resume(&mut self, token: Token) -> io::Result<bool> {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Ok(false);
        };
        if stream.paused {
            stream.paused = false;
            if let Err(error) = self.read_on(token) {
                self.pause(token);
                return Err(error.into());
            }
        }
        Ok(true)
    }

    /// Sees to it that a socket is reported if it may have something to read and is not paused.
    pub(super) fn read_on(&mut self, token: Token) -> Result<(), Errno> {
        if self.list_unread(token) {
            return Ok(());
        }
        let Some(stream) = self.slots.stream_mut(token) else { return Ok(()) };
        let (old, new) = (stream.armed, stream.wanted());
        if !new.read {
            return Ok(());
        }
        if !old.read {
            self.sync(token)?;
            self.list_unread(token);
            return Ok(());
        }
        if stream.unread {
            self.sys.modify(&self.poller, &stream.fd, token.raw(), old, new)?;
            stream.armed = new;
        }
        Ok(())
    }

    /// Ends the turn of the socket that was reported last. If it was not drained and is not paused, the next
    /// [`Self::poll`] reports it again.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        let Some(token) = self.turn.take() else { return };
        if self.slots.stream(token).is_some_and(|stream| stream.unread) {
            // For a socket that is in the poller, this only asks again, which fails only if memory runs out. Then the
            // socket's next event reports it.
            let _ = self.read_on(token);
        }
    }

    /// Whether reading is paused; false for a stale token.
    pub fn is_paused(&self, token: Token) -> bool {
        self.slots.stream(token).is_some_and(|stream| stream.paused)
    }

    /// Tells the poller the current interest in a socket.
    pub(super) fn sync(&mut self, token: Token) -> Result<(), Errno> {
        let Some(stream) = self.slots.stream_mut(token) else {
            return Ok(());
        };
        let (old, new) = (stream.armed, stream.wanted());
        if old == new {
            return Ok(());
        }
        if old.is_none() {
            self.sys.add(&self.poller, &stream.fd, token.raw(), new)?;
        } else if new.is_none() {
            self.sys.delete(&self.poller, &stream.fd, old)?;
        } else {
            self.sys.modify(&self.poller, &stream.fd, token.raw(), old, new)?;
        }
        stream.armed = new;
        Ok(())
    }

    /// Puts a listener into the poller.
    pub(super) fn arm_listener(&mut self, token: Token) -> Result<(), Errno> {
        if let Some(listener) = self.slots.listener_mut(token)
            && !listener.armed
        {
            self.sys.add(&self.poller, &listener.fd, token.raw(), Interest::ACCEPT)?;
            listener.armed = true;
        }
        Ok(())
    }

    /// Takes a listener out of the poller, which would otherwise report it for ever.
    pub(super) fn disarm_listener(&mut self, token: Token) {
        if let Some(listener) = self.slots.listener_mut(token)
            && listener.armed
        {
            // This fails only if it is not in there.
            let _ = self.sys.delete(&self.poller, &listener.fd, Interest::ACCEPT);
            listener.armed = false;
        }
    }
}
