//! The seam to the kernel: every system call that the engine makes, as one trait.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::RawFd;

pub use rustix::io::Errno;

/// The most events that one [`Sys::wait`] reports, so that the other users of the event loop are
/// served between two batches.
pub const MAX_EVENTS: usize = 512;

/// What a descriptor is registered for in the poller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Report when there is something to read or to accept, or the end of the stream.
    pub read: bool,
    /// Report when there is room to write.
    pub write: bool,
    /// Report a change once (edge-triggered) instead of for as long as it holds: a socket that was
    /// read empty then costs no second look at the next wait. Of connections, not of listeners.
    pub edge: bool,
}

impl Interest {
    /// Not registered at all.
    pub const NONE: Self = Self { read: false, write: false, edge: false };
    /// Connections to accept.
    pub const ACCEPT: Self = Self { read: true, write: false, edge: false };
    /// Reading only, as every connection begins.
    pub const READ: Self = Self { read: true, write: false, edge: true };

    /// True when there is no reason to be in the poller. A descriptor of which nothing is wanted
    /// must leave it: epoll reports errors and hang-ups whatever one asked for.
    pub fn is_none(self) -> bool {
        !self.read && !self.write
    }
}

/// One event as the poller reported it, before it is matched with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// What the descriptor was registered with.
    pub token: u64,
    /// There is something to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// An error is pending, or nothing more can be written.
    pub hangup: bool,
    /// The peer's half has ended: behind what is to be read is the end.
    pub ended: bool,
}

/// An address of a socket's own end or of its peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Inet(SocketAddr),
    /// The path of a Unix socket; begins with NUL for an abstract name (Linux), empty for an
    /// unnamed socket.
    Unix(Vec<u8>),
}

/// Every system call that the engine makes. [`super::Os`] is the real one; tests script their own.
///
/// Errors are the bare `errno`: the hot path compares them, and only what reaches the caller of
/// the engine becomes an `io::Error`. `EINTR` may be returned anywhere; the engine calls again.
pub trait Sys {
    /// An owned descriptor.
    type Fd;
    /// An epoll or kqueue instance.
    type Poller;

    /// Makes a poller, closed on `exec`.
    fn create_poller(&mut self) -> Result<Self::Poller, Errno>;
    /// The poller's own descriptor, readable while it has events to report.
    fn poller_fd(&self, poller: &Self::Poller) -> RawFd;
    /// Registers `fd`; its events carry `token`. `interest` is not `NONE`. What is ready already is
    /// reported.
    fn add(
        &mut self,
        poller: &Self::Poller,
        fd: &Self::Fd,
        token: u64,
        interest: Interest,
    ) -> Result<(), Errno>;
    /// Changes a registered `fd` from `old` to `new` interest, neither being `NONE`. What is ready is
    /// reported (again), also where `old` and `new` are the same.
    fn modify(
        &mut self,
        poller: &Self::Poller,
        fd: &Self::Fd,
        token: u64,
        old: Interest,
        new: Interest,
    ) -> Result<(), Errno>;
    /// Takes a registered `fd` out; `old` is what it was registered for.
    fn delete(&mut self, poller: &Self::Poller, fd: &Self::Fd, old: Interest) -> Result<(), Errno>;
    /// Appends at most [`MAX_EVENTS`] events to `events`, without waiting for any.
    fn wait(&mut self, poller: &Self::Poller, events: &mut Vec<RawEvent>) -> Result<(), Errno>;

    /// Accepts one connection: non-blocking, closed on `exec`, no `SIGPIPE`. The address is `None`
    /// for a Unix socket, and where the kernel has none to give.
    fn accept(&mut self, fd: &Self::Fd) -> Result<(Self::Fd, Option<SocketAddr>), Errno>;
    /// Makes a descriptor that came from elsewhere fit: non-blocking, no `SIGPIPE`.
    fn prepare(&mut self, fd: &Self::Fd) -> Result<(), Errno>;
    /// Switches Nagle's algorithm off (`TCP_NODELAY`); an error on a socket that is not TCP.
    fn set_nodelay(&mut self, fd: &Self::Fd) -> Result<(), Errno>;
    /// Receives into `buf`; returns how many bytes of it are now initialised, 0 at the end.
    fn recv(&mut self, fd: &Self::Fd, buf: &mut [MaybeUninit<u8>]) -> Result<usize, Errno>;
    /// Sends one piece; returns how many bytes the kernel took.
    fn send(&mut self, fd: &Self::Fd, bytes: &[u8]) -> Result<usize, Errno>;
    /// Sends several pieces in one call; returns how many bytes the kernel took.
    fn sendmsg(&mut self, fd: &Self::Fd, pieces: &[IoSlice<'_>]) -> Result<usize, Errno>;
    /// Ends the writing half: the peer reads what was sent, then the end.
    fn shutdown_write(&mut self, fd: &Self::Fd) -> Result<(), Errno>;
    /// Makes the next close drop what is unsent and reset the connection (`SO_LINGER` 0).
    fn set_reset_on_close(&mut self, fd: &Self::Fd) -> Result<(), Errno>;
    /// Closes the descriptor.
    fn close(&mut self, fd: Self::Fd);
    /// A second descriptor of the same socket, closed on `exec`.
    fn dup(&mut self, fd: &Self::Fd) -> Result<Self::Fd, Errno>;
    /// The number of the descriptor.
    fn raw_fd(&self, fd: &Self::Fd) -> RawFd;
    /// The address of our end.
    fn local_addr(&self, fd: &Self::Fd) -> Result<Address, Errno>;
    /// The address of the peer's end.
    fn peer_addr(&self, fd: &Self::Fd) -> Result<Address, Errno>;
}
