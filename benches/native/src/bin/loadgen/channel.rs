//! The bytes of one connection: a socket, with TLS on it or not.

use std::io;
use std::net::TcpStream;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use wsrs_bench::Result;

use crate::tls::{Tls, Trust};

/// A socket, plain or with TLS. It blocks until it is told not to.
pub enum Channel {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Channel {
    /// A connected socket; with `trust` TLS is spoken on it.
    ///
    /// # Errors
    /// What TLS says.
    pub fn new(socket: TcpStream, trust: Option<&Trust>) -> Result<Self> {
        Ok(match trust {
            None => Self::Plain(socket),
            Some(trust) => Self::Tls(Box::new(Tls::new(trust, socket)?)),
        })
    }

    #[inline]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.socket(),
        }
    }

    /// Writes all, while the socket blocks.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => io::Write::write_all(socket, bytes),
            Self::Tls(tls) => tls.write_all(bytes),
        }
    }

    /// Reads, while the socket blocks.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => io::Read::read(socket, buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// One send; returns how many bytes of it were taken, which with TLS may not be out yet.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(send(socket, bytes, SendFlags::NOSIGNAL)?),
            Self::Tls(tls) => tls.send(bytes),
        }
    }

    /// Whether bytes that were taken wait for the socket.
    #[inline]
    pub fn waiting(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.waiting(),
        }
    }

    /// Sends those, as far as the socket takes them.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// One receive; no bytes are the end.
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(recv(socket, buffer, RecvFlags::empty())?.0),
            Self::Tls(tls) => tls.recv(buffer),
        }
    }
}
