//! The engine itself: how listeners and sockets come in and go out.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

use super::out_queue::{OutQueue, SpareBuffers};
use super::slots::{Entry, Listener, Slots, Stream, Token};
use super::sys::{Address, Errno, Interest, MAX_EVENTS, RawEvent, Sys};

/// The sockets of one event loop. `S` makes the system calls, `H` is a payload that is sent from
/// where it lies.
pub struct Engine<S: Sys, H: AsRef<[u8]>> {
    pub(super) sys: S,
    pub(super) poller: S::Poller,
    pub(super) slots: Slots<S::Fd, H>,
    /// The batch that is being handed out, and how far it is.
    pub(super) events: Vec<RawEvent>,
    pub(super) next_event: usize,
    /// The socket that was reported last, while it may be being read.
    pub(super) turn: Option<Token>,
    pub(super) dirty: VecDeque<Token>,
    pub(super) spare: SpareBuffers,
    /// Listeners that wait for descriptors or memory.
    pub(super) exhausted: Vec<Token>,
}

/// What a stale token is answered with.
pub(super) fn not_connected() -> io::Error {
    Errno::NOTCONN.into()
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Makes an engine with a poller of its own.
    ///
    /// # Errors
    /// The poller cannot be made (`EMFILE`, `ENFILE`, `ENOMEM`).
    pub fn new(mut sys: S) -> io::Result<Self> {
        let poller = sys.create_poller()?;
        Ok(Self {
            sys,
            poller,
            slots: Slots::new(),
            events: Vec::with_capacity(MAX_EVENTS),
            next_event: 0,
            turn: None,
            dirty: VecDeque::new(),
            spare: SpareBuffers::new(),
            exhausted: Vec::new(),
        })
    }

    /// The poller's descriptor: readable while [`Self::poll`] has something to report. It belongs
    /// to the engine; stop watching it before the engine is dropped.
    pub fn poller_fd(&self) -> RawFd {
        self.sys.poller_fd(&self.poller)
    }

    /// Takes a socket that is bound and listening, and begins to watch it. It is made non-blocking.
    ///
    /// # Errors
    /// What the kernel says to that; the descriptor is closed then.
    pub fn listen(&mut self, fd: S::Fd) -> io::Result<Token> {
        if let Err(error) = self.sys.prepare(&fd) {
            self.sys.close(fd);
            return Err(error.into());
        }
        // What is accepted inherits the option from its listener, which saves a call for each.
        // A Unix socket has none, and for others Nagle only costs time: errors do not matter.
        let _ = self.sys.set_nodelay(&fd);
        let token = self.slots.insert(Entry::Listener(Listener { fd, armed: false }));
        match self.arm_listener(token) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.remove(token);
                Err(error.into())
            }
        }
    }

    /// Takes a connected stream socket, TCP (`TCP_NODELAY` is set) or Unix, and begins to watch it
    /// for something to read. It is made non-blocking.
    ///
    /// # Errors
    /// What the kernel says to that; the descriptor is closed then.
    pub fn adopt(&mut self, fd: S::Fd) -> io::Result<Token> {
        if let Err(error) = self.sys.prepare(&fd) {
            self.sys.close(fd);
            return Err(error.into());
        }
        let _ = self.sys.set_nodelay(&fd);
        self.register(fd).map_err(io::Error::from)
    }

    /// Gives a prepared stream socket a slot and puts it into the poller.
    pub(super) fn register(&mut self, fd: S::Fd) -> Result<Token, Errno> {
        let token = self.slots.insert(Entry::Stream(Stream::new(fd)));
        match self.sync(token) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.remove(token);
                Err(error)
            }
        }
    }

    /// Stops listening and closes the listener. False for a stale token.
    pub fn unlisten(&mut self, listener: Token) -> bool {
        self.close(listener)
    }

    /// Closes a socket or a listener: out of the poller first, because a duplicate of the
    /// descriptor would keep it there. What is still queued is dropped. Listeners that wait for a
    /// descriptor accept again. False for a stale token.
    pub fn close(&mut self, token: Token) -> bool {
        let removed = self.remove(token);
        if removed && !self.exhausted.is_empty() {
            // Whatever cannot be resumed yet stays in the list, for the next close or call.
            let _ = self.resume_accepting();
        }
        removed
    }

    /// Closes a socket by a reset (RST): the peer reads an error, what is unsent is dropped, and
    /// no `TIME_WAIT` is left behind. False for a stale token.
    pub fn reset(&mut self, token: Token) -> bool {
        if let Some(stream) = self.slots.stream(token) {
            // A Unix socket has no such thing; closing it is all there is.
            let _ = self.sys.set_reset_on_close(&stream.fd);
        }
        self.close(token)
    }

    fn remove(&mut self, token: Token) -> bool {
        let (fd, armed) = match self.slots.remove(token) {
            Some(Entry::Stream(mut stream)) => {
                stream.out.clear_into(&mut self.spare);
                (stream.fd, stream.armed)
            }
            Some(Entry::Listener(listener)) => {
                (listener.fd, if listener.armed { Interest::ACCEPT } else { Interest::NONE })
            }
            _ => return false,
        };
        if !armed.is_none() {
            // It is about to be closed, which takes it out as well.
            let _ = self.sys.delete(&self.poller, &fd, armed);
        }
        self.sys.close(fd);
        true
    }

    /// The queue of a socket, to put bytes in; it gets a buffer for them. Call
    /// [`Self::mark_dirty`] or [`Self::flush`] afterwards: that gives the buffer back.
    #[inline]
    pub fn out(&mut self, token: Token) -> Option<&mut OutQueue<H>> {
        let stream = self.slots.stream_mut(token)?;
        stream.out.borrow_buffer(&mut self.spare);
        Some(&mut stream.out)
    }

    /// The queue of a socket, to look at its length; an idle socket stays without a buffer.
    pub fn out_ref(&self, token: Token) -> Option<&OutQueue<H>> {
        self.slots.stream(token).map(|stream| &stream.out)
    }

    /// The number of a listener's or a socket's descriptor, which stays the engine's.
    pub fn raw_fd(&self, token: Token) -> Option<RawFd> {
        self.slots.fd(token).map(|fd| self.sys.raw_fd(fd))
    }

    /// A second descriptor of the same listener or socket, which is the caller's to close.
    ///
    /// # Errors
    /// `ENOTCONN` for a stale token, else what the kernel says (`EMFILE`).
    pub fn dup(&mut self, token: Token) -> io::Result<S::Fd> {
        let fd = self.slots.fd(token).ok_or_else(not_connected)?;
        Ok(self.sys.dup(fd)?)
    }

    /// The address of our end of a listener or a socket.
    ///
    /// # Errors
    /// `ENOTCONN` for a stale token, `EAFNOSUPPORT` for a family other than IPv4, IPv6 and Unix.
    pub fn local_addr(&self, token: Token) -> io::Result<Address> {
        let fd = self.slots.fd(token).ok_or_else(not_connected)?;
        Ok(self.sys.local_addr(fd)?)
    }

    /// The address of the peer's end of a socket.
    ///
    /// # Errors
    /// `ENOTCONN` for a stale token and where the connection is gone, `EAFNOSUPPORT` for a family
    /// other than IPv4, IPv6 and Unix.
    pub fn peer_addr(&self, token: Token) -> io::Result<Address> {
        let fd = self.slots.fd(token).ok_or_else(not_connected)?;
        Ok(self.sys.peer_addr(fd)?)
    }
}
