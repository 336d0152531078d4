//! The bytes of one connection: a socket, with or without TLS.

use std::io;
use std::net::TcpStream;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use wsrs_bench::Result;

use crate::tls::{Tls, Trust};

/// A socket, plain or with TLS. It is blocking at first.
pub enum Channel {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Channel {
    /// Wraps a connected socket, with TLS if there is `trust`.
    ///
    /// # Errors
    /// Errors of TLS.
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

    /// Writes all bytes; the socket must still be blocking.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => io::Write::write_all(socket, bytes),
            Self::Tls(tls) => tls.write_all(bytes),
        }
    }

    /// Reads; the socket must still be blocking.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => io::Read::read(socket, buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Sends once, and returns how many bytes were taken; with TLS they may not have left yet.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(send(socket, bytes, SendFlags::NOSIGNAL)?),
            Self::Tls(tls) => tls.send(bytes),
        }
    }

    /// True while bytes that were taken wait for the socket.
    #[inline]
    pub fn waiting(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.waiting(),
        }
    }

    /// Sends waiting bytes, as far as the socket takes them.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// Receives once; 0 bytes mean the end.
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(recv(socket, buffer, RecvFlags::empty())?.0),
            Self::Tls(tls) => tls.recv(buffer),
        }
    }
}
