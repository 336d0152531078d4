//! The engine itself: how listeners and sockets are added and removed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

use super::out_queue::{OutQueue, SpareBuffers};
use super::slots::{Entry, Listener, Slots, Stream, Token};
use super::sys::{Address, Errno, Interest, MAX_EVENTS, RawEvent, Sys};

/// The sockets of one event loop. `S` makes the system calls; `H` is a payload that is sent from where it lies.
pub struct Engine<S: Sys, H: AsRef<[u8]>> {
    pub(super) sys: S,
    pub(super) poller: S::Poller,
    pub(super) slots: Slots<S::Fd, H>,
    /// The current batch of events; those before `next_event` have been handled.
    pub(super) events: Vec<RawEvent>,
    pub(super) next_event: usize,
    /// The sockets that were reported and left for later, each once.
    pub(super) late: VecDeque<Token>,
    /// Sockets that have more to read go into that list, behind the others.
    pub(super) is_busy: bool,
    /// The socket that was reported last, while the caller may be reading it.
    pub(super) turn: Option<Token>,
    pub(super) dirty: VecDeque<Token>,
    pub(super) spare: SpareBuffers,
    /// Listeners that wait for descriptors or memory.
    pub(super) exhausted: Vec<Token>,
}

/// The error for a stale token.
pub(super) fn not_connected() -> io::Error {
    Errno::NOTCONN.into()
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// An engine with a poller of its own.
    ///
    /// # Errors
    /// It fails if the poller cannot be made (`EMFILE`, `ENFILE`, `ENOMEM`).
    pub fn new(mut sys: S) -> io::Result<Self> {
        let poller = sys.create_poller()?;
        Ok(Self {
            sys,
            poller,
            slots: Slots::new(),
            events: Vec::with_capacity(MAX_EVENTS),
            next_event: 0,
            late: VecDeque::new(),
            is_busy: false,
            turn: None,
            dirty: VecDeque::new(),
            spare: SpareBuffers::new(),
            exhausted: Vec::new(),
        })
    }

    /// The poller's descriptor, which is readable while [`Self::poll`] has something to report. It belongs to the
    /// engine; stop watching it before the engine is dropped.
    pub fn poller_fd(&self) -> RawFd {
        self.sys.poller_fd(&self.poller)
    }

    /// Takes a socket that is bound and listening, makes it non-blocking and begins to watch it.
    ///
    /// # Errors
    /// Those of the kernel; the descriptor is then closed.
    pub fn listen(&mut self, fd: S::Fd) -> io::Result<Token> {
        if let Err(error) = self.sys.prepare(&fd) {
            self.sys.close(fd);
            return Err(error.into());
        }
        // Accepted connections inherit the option from their listener, which saves a call for each. Errors do not
        // matter: a Unix socket has no such option, and with others Nagle's algorithm only costs time.
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

    /// Takes a connected stream socket, TCP or Unix, makes it non-blocking and begins to watch it for reading. On TCP,
    /// `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// Those of the kernel; the descriptor is then closed.
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

    /// Stops listening and closes the listener. Returns false for a stale token.
    pub fn unlisten(&mut self, listener: Token) -> bool {
        self.close(listener)
    }

    /// Closes a socket or a listener. It leaves the poller first, because a duplicate of the descriptor would keep it
    /// there. What is still queued is dropped, and listeners that wait for a descriptor accept again. Returns false for
    /// a stale token.
    pub fn close(&mut self, token: Token) -> bool {
        let removed = self.remove(token);
        if removed && !self.exhausted.is_empty() {
            // Listeners that cannot be resumed yet stay in the list for the next close or call.
            let _ = self.resume_accepting();
        }
        removed
    }

    /// Closes a socket by a reset (RST): the peer reads an error, unsent bytes are dropped, and no `TIME_WAIT` remains.
    /// Returns false for a stale token.
    pub fn reset(&mut self, token: Token) -> bool {
        if let Some(stream) = self.slots.stream(token) {
            // A Unix socket has no reset, so it is only closed.
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
            // Errors do not matter: closing it takes it out as well.
            let _ = self.sys.delete(&self.poller, &fd, armed);
        }
        self.sys.close(fd);
        true
    }

    /// The queue of a socket, which gets a buffer so that bytes can be added. Call [`Self::mark_dirty`] or
    /// [`Self::flush`] afterwards, which gives the buffer back.
    #[inline]
    pub fn out(&mut self, token: Token) -> Option<&mut OutQueue<H>> {
        let stream = self.slots.stream_mut(token)?;
        stream.out.borrow_buffer(&mut self.spare);
        Some(&mut stream.out)
    }

    /// The queue of a socket, for reading its length; an idle socket gets no buffer for this.
    pub fn out_ref(&self, token: Token) -> Option<&OutQueue<H>> {
        self.slots.stream(token).map(|stream| &stream.out)
    }

    /// The number of a listener's or a socket's descriptor, which still belongs to the engine.
    pub fn raw_fd(&self, token: Token) -> Option<RawFd> {
        self.slots.fd(token).map(|fd| self.sys.raw_fd(fd))
    }

    /// A second descriptor of the same listener or socket, which the caller must close.
    ///
    /// # Errors
    /// `ENOTCONN` for a stale token, otherwise those of the kernel (`EMFILE`).
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
    /// `ENOTCONN` for a stale token and if the connection is gone, `EAFNOSUPPORT` for a family other than IPv4, IPv6
    /// and Unix.
    pub fn peer_addr(&self, token: Token) -> io::Result<Address> {
        let fd = self.slots.fd(token).ok_or_else(not_connected)?;
        Ok(self.sys.peer_addr(fd)?)
    }
}
