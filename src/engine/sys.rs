//! The seam to the kernel: a trait with every system call that the engine makes.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::RawFd;

pub use rustix::io::Errno;

/// The most events that one [`Sys::wait`] reports, so that the other users of the event loop are served between two
/// batches.
pub const MAX_EVENTS: usize = 512;

/// The events for which a descriptor is registered in the poller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Report that there is something to read or to accept, or the end of the stream.
    pub read: bool,
    /// Report that there is room to write.
    pub write: bool,
    /// Report a change once (edge-triggered) instead of as long as it lasts, so that the next wait need not examine a
    /// drained socket again. It is set for connections, not for listeners.
    pub edge: bool,
}

impl Interest {
    /// No events: the descriptor is not registered.
    pub const NONE: Self = Self { read: false, write: false, edge: false };
    /// The events of a listener.
    pub const ACCEPT: Self = Self { read: true, write: false, edge: false };
    /// Reading only, with which every connection begins.
    pub const READ: Self = Self { read: true, write: false, edge: true };

    /// True if there is no reason to be in the poller. The descriptor must then leave it, because epoll reports errors
    /// and hang-ups no matter what it was asked for.
    pub fn is_none(self) -> bool {
        !self.read && !self.write
    }
}

/// An event as the poller reported it, before it is matched with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// The token with which the descriptor was registered.
    pub token: u64,
    /// There is something to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// An error is pending, or nothing more can be written.
    pub hangup: bool,
    /// The peer has ended its half: the end follows what is to be read.
    pub ended: bool,
}

/// An address of a socket's own end or of its peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Inet(SocketAddr),
    /// The path of a Unix socket. It begins with NUL for an abstract name (Linux) and is empty for an unnamed socket.
    Unix(Vec<u8>),
}

/// Every system call that the engine makes. [`super::Os`] makes the real ones; tests script their own.
///
/// Errors are bare `errno` values, because the hot path compares them. Only those that reach the caller of the engine
/// become an `io::Error`. Any call may return `EINTR`; the engine then calls again.
pub trait Sys {
    /// An owned descriptor.
    type Fd;
    /// An epoll or kqueue instance.
    type Poller;

    /// Makes a poller, closed on `exec`.
    fn create_poller(&mut self) -> Result<Self::Poller, Errno>;
    /// The poller's own descriptor, which is readable while the poller has events to report.
    fn poller_fd(&self, poller: &Self::Poller) -> RawFd;
    /// Registers `fd`, whose events then carry `token`. `interest` is not `NONE`. What is ready already is reported.
    fn add(
        &mut self,
        poller: &Self::Poller,
        fd: &Self::Fd,
        token: u64,
        interest: Interest,
    ) -> Result<(), Errno>;
    /// Changes the interest in a registered `fd` from `old` to `new`, neither of which is `NONE`. What is ready is
    /// reported (again), even if `old` and `new` are the same.
    fn modify(
        &mut self,
        poller: &Self::Poller,
        fd: &Self::Fd,
        token: u64,
        old: Interest,
        new: Interest,
    ) -> Result<(), Errno>;
    /// Takes out a registered `fd`, for which `old` was the interest.
    fn delete(&mut self, poller: &Self::Poller, fd: &Self::Fd, old: Interest) -> Result<(), Errno>;
    /// Appends at most [`MAX_EVENTS`] events to `events`, without waiting.
    fn wait(&mut self, poller: &Self::Poller, events: &mut Vec<RawEvent>) -> Result<(), Errno>;

    /// Accepts one connection: non-blocking, closed on `exec`, no `SIGPIPE`. The address is `None`
    /// for a Unix socket, and if the kernel does not know it.
    fn accept(&mut self, fd: &Self::Fd) -> Result<(Self::Fd, Option<SocketAddr>), Errno>;
    /// Prepares a descriptor that was made elsewhere: non-blocking, no `SIGPIPE`.
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
