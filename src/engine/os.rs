//! The real system calls, through rustix, for Linux, Android, macOS and the BSDs.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::io::{fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrAny, SocketAddrUnix,
    getpeername, getsockname, recv, send, sendmsg, shutdown, sockopt,
};

use super::poller::Poller;
use super::sys::{Address, Errno, Interest, RawEvent, Sys};

/// The system calls of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

/// A write to a connection that the peer has closed must be an error, not a signal. On systems without this flag,
/// `SO_NOSIGPIPE` on the socket does the same.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

#[cfg(not(target_vendor = "apple"))]
fn accept_one(fd: &OwnedFd) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    acceptfrom_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

/// macOS has no `accept4`.
#[cfg(target_vendor = "apple")]
fn accept_one(fd: &OwnedFd) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    let (socket, peer) = rustix::net::acceptfrom(fd)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    fit(&socket)?;
    Ok((socket, peer))
}

fn fit(fd: &OwnedFd) -> Result<(), Errno> {
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(fd, true)?;
    ioctl_fionbio(fd, true)
}

fn address(any: SocketAddrAny) -> Result<Address, Errno> {
    if let Ok(inet) = SocketAddr::try_from(any.clone()) {
        return Ok(Address::Inet(inet));
    }
    let unix = SocketAddrUnix::try_from(any)?;
    if let Some(path) = unix.path_bytes() {
        return Ok(Address::Unix(path.to_vec()));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = unix.abstract_name()
        && !name.is_empty()
    {
        let mut bytes = vec![0];
        bytes.extend_from_slice(name);
        return Ok(Address::Unix(bytes));
    }
    Ok(Address::Unix(Vec::new()))
}

impl Sys for Os {
    type Fd = OwnedFd;
    type Poller = Poller;

    fn create_poller(&mut self) -> Result<Poller, Errno> {
        Poller::new()
    }

    fn poller_fd(&self, poller: &Poller) -> RawFd {
        poller.raw_fd()
    }

    fn add(
        &mut self,
        poller: &Poller,
        fd: &OwnedFd,
        token: u64,
        interest: Interest,
    ) -> Result<(), Errno> {
        poller.add(fd, token, interest)
    }

    fn modify(
        &mut self,
        poller: &Poller,
        fd: &OwnedFd,
        token: u64,
        old: Interest,
        new: Interest,
    ) -> Result<(), Errno> {
        poller.modify(fd, token, old, new)
    }

    fn delete(&mut self, poller: &Poller, fd: &OwnedFd, old: Interest) -> Result<(), Errno> {
        poller.delete(fd, old)
    }

    #[inline]
    fn wait(&mut self, poller: &Poller, events: &mut Vec<RawEvent>) -> Result<(), Errno> {
        poller.wait(events)
    }

    fn accept(&mut self, fd: &OwnedFd) -> Result<(OwnedFd, Option<SocketAddr>), Errno> {
        let (socket, peer) = accept_one(fd)?;
        Ok((socket, peer.and_then(|any| SocketAddr::try_from(any).ok())))
    }

    fn prepare(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        fit(fd)
    }

    fn set_nodelay(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        sockopt::set_tcp_nodelay(fd, true)
    }

    #[inline]
    fn recv(&mut self, fd: &OwnedFd, buf: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
        let (_, length) = recv(fd, buf, RecvFlags::empty())?;
        Ok(length)
    }

    #[inline]
    fn send(&mut self, fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
        send(fd, bytes, SEND_FLAGS)
    }

    fn sendmsg(&mut self, fd: &OwnedFd, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        sendmsg(fd, pieces, &mut SendAncillaryBuffer::default(), SEND_FLAGS)
    }

    fn shutdown_write(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        shutdown(fd, Shutdown::Write)
    }

    fn set_reset_on_close(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        sockopt::set_socket_linger(fd, Some(Duration::ZERO))
    }

    fn close(&mut self, fd: OwnedFd) {
        drop(fd);
    }

    fn dup(&mut self, fd: &OwnedFd) -> Result<OwnedFd, Errno> {
        fcntl_dupfd_cloexec(fd, 0)
    }

    fn raw_fd(&self, fd: &OwnedFd) -> RawFd {
        fd.as_raw_fd()
    }

    fn local_addr(&self, fd: &OwnedFd) -> Result<Address, Errno> {
        address(getsockname(fd)?)
    }

    fn peer_addr(&self, fd: &OwnedFd) -> Result<Address, Errno> {
        getpeername(fd)?.map_or(Ok(Address::Unix(Vec::new())), address)
    }
}
