//! TLS as a client, by rustls: only the given certificate is trusted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use wsrs_bench::Result;

/// The name that the certificate must have.
const NAME: &str = "localhost";

/// The TLS configuration of a run's connections.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Trusts the first certificate in the PEM file `path`.
    ///
    /// # Errors
    /// When there is none, or none that can be trusted.
    pub fn new(path: &Path) -> Result<Self> {
        let certificate = CertificateDer::from_pem_file(path)
            .map_err(|e| format!("--tls {}: {e}", path.display()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// A socket with TLS on it.
pub struct Tls {
    session: ClientConnection,
    socket: TcpStream,
}

impl Tls {
    /// Begins TLS; the first use makes the handshake.
    ///
    /// # Errors
    /// Errors of rustls.
    pub fn new(trust: &Trust, socket: TcpStream) -> Result<Self> {
        let mut session = ClientConnection::new(Arc::clone(&trust.0), ServerName::try_from(NAME)?)?;
        // A message is taken whole, and ciphertext that the socket does not take waits.
        session.set_buffer_limit(None);
        Ok(Self { session, socket })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Writes on a blocking socket, the handshake first.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = rustls::Stream::new(&mut self.session, &mut self.socket);
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Reads from a blocking socket.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut self.session, &mut self.socket).read(buffer)
    }

    /// Takes all of `bytes`, and sends as much as the socket takes.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.session.writer().write_all(bytes)?;
        self.flush()?;
        Ok(bytes.len())
    }

    /// Sends waiting ciphertext, as far as the socket takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// True while ciphertext waits for the socket.
    pub fn waiting(&self) -> bool {
        self.session.wants_write()
    }

    /// Reads once from the socket, and returns everything that this made readable; `buffer` holds several records.
    /// 0 bytes mean the end; a part of a record is `WouldBlock`.
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.session.read_tls(&mut self.socket)? == 0 {
            return Ok(0);
        }
        let state = self.session.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() > buffer.len() {
            return Err(io::Error::other("more than a read holds"));
        }
        let mut got = 0;
        while got < buffer.len() {
            match self.session.reader().read(&mut buffer[got..]) {
                Ok(0) => return Ok(got), // close_notify
                Ok(more) => got += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock && got > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }
}
