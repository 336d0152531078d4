//! The engine's sockets and who they belong to: accept, read, write, in batches.
//!
//! A socket's client is a `Connection`, reached without Python, or any asyncio protocol (which reads
//! the handshake's head). The engine never calls back, and no borrow is held while a client runs.

#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, OwnedFd};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::client::{Client, Kind, WriteLimits};
use super::connection::Connection;
use super::reactor::Reactor;
use super::transport::EngineTransport;
use crate::engine::{Accepted, Engine, Flush, Os, Read, Ready, Token};

/// Connections accepted per readiness of a listener, so that the loop's other users are served.
const ACCEPTS: usize = 64;
/// Reads of a socket per readiness: with the shared buffer's 256 KiB, at most 1 MiB.
const READS: usize = 4;
/// Seconds until accepting is tried again after the descriptors ran out, as asyncio has it.
const ACCEPT_RETRY: f64 = 1.0;
/// A frame that misses at least this many bytes is received straight into its `bytes`.
const DIRECT_MIN: usize = 16 * 1024;

/// A payload that is written from where it is.
pub struct Held(pub Py<PyBytes>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: called by the engine with the GIL held (it is reached through a GilCell); the
        // bytes are immutable and kept alive by the reference.
        let py = unsafe { Python::assume_attached() };
        let bytes: &[u8] = self.0.bind(py).as_bytes();
        // SAFETY: as above; the lifetime is that of `self`, which holds the reference.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }
    }
}

/// The engine and, by slot, the clients of its sockets.
#[derive(Default)]
pub struct Sockets {
    engine: Option<Engine<Os, Held>>,
    clients: Vec<Option<(Token, Client)>>,
}

impl Sockets {
    pub fn is_open(&self) -> bool {
        self.engine.is_some()
    }

    pub fn engine(&mut self) -> Option<&mut Engine<Os, Held>> {
        self.engine.as_mut()
    }

    #[inline]
    pub fn client(&mut self, token: Token) -> Option<&mut Client> {
        match self.clients.get_mut(token.index()) {
            Some(Some((owner, client))) if *owner == token => Some(client),
            _ => None,
        }
    }

    fn put(&mut self, token: Token, client: Client) {
        let index = token.index();
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, || None);
        }
        self.clients[index] = Some((token, client));
    }

    fn take(&mut self, token: Token) -> Option<Client> {
        self.client(token)?;
        self.clients.get_mut(token.index())?.take().map(|(_, client)| client)
    }

    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.clients.iter().flatten().try_for_each(|(_, client)| client.traverse(visit))
    }
}

/// A listening socket that the engine serves.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Listener {
    reactor: Py<Reactor>,
    token: Token,
}

#[pymethods]
impl Listener {
    /// Stops accepting. The socket itself stays its owner's to close.
    fn close(&self, py: Python<'_>) {
        let client = self.reactor.get().sockets.with(py, |sockets| {
            if let Some(engine) = &mut sockets.engine {
                engine.unlisten(self.token);
            }
            sockets.take(self.token)
        });
        drop(client);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}

/// Makes the engine where there is none yet, its poller watched by the loop.
pub fn open(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    let (py, this) = (reactor.py(), reactor.get());
    if this.sockets.with(py, |sockets| sockets.is_open()) {
        return Ok(());
    }
    let engine = Engine::new(Os)?;
    let descriptor = engine.poller_fd();
    let callback = reactor.getattr(intern!(py, "_on_ready"))?;
    this.event_loop(py).call_method1(py, intern!(py, "add_reader"), (descriptor, callback))?;
    this.sockets.with(py, |sockets| sockets.engine = Some(engine));
    Ok(())
}

fn no_engine() -> PyErr {
    PyRuntimeError::new_err("the engine of this event loop is closed")
}

fn descriptor(sock: &Bound<'_, PyAny>) -> PyResult<i32> {
    let number: i32 = sock.call_method0(intern!(sock.py(), "fileno"))?.extract()?;
    if number < 0 {
        return Err(PyOSError::new_err((9, "the socket is closed")));
    }
    Ok(number)
}

pub fn listen(
    reactor: &Bound<'_, Reactor>,
    sock: &Bound<'_, PyAny>,
    factory: Py<PyAny>,
) -> PyResult<Listener> {
    let py = reactor.py();
    let number = descriptor(sock)?;
    // SAFETY: the Python socket keeps the descriptor open during this call.
    let own = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
    let token = reactor.get().sockets.with(py, |sockets| {
        let token = sockets.engine.as_mut().ok_or_else(no_engine)?.listen(own)?;
        sockets.put(token, Client::new(Kind::Listener(factory)));
        PyResult::Ok(token)
    })?;
    Ok(Listener { reactor: reactor.clone().unbind(), token })
}

pub fn adopt(
    reactor: &Bound<'_, Reactor>,
    sock: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Py<EngineTransport>> {
    let py = reactor.py();
    let number = descriptor(sock)?;
    // SAFETY: as in `listen`. A copy first, so that the socket is whole if the engine refuses.
    let own: OwnedFd = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
    let token = reactor.get().sockets.with(py, |sockets| {
        PyResult::Ok(sockets.engine.as_mut().ok_or_else(no_engine)?.adopt(own)?)
    })?;
    sock.call_method0(intern!(py, "close"))
        .and_then(|_| make_transport(reactor, token, protocol))
        .inspect_err(|_| lose(reactor, token, None))
}

fn make_transport(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Py<EngineTransport>> {
    let py = reactor.py();
    let transport = Py::new(py, EngineTransport::new(reactor.clone().unbind(), token))?;
    let client = Client::new(Kind::of(protocol)?);
    reactor.get().sockets.with(py, |sockets| sockets.put(token, client));
    protocol.call_method1(intern!(py, "connection_made"), (transport.bind(py),))?;
    Ok(transport)
}

/// Ends a batch however it ends: one that seemed to go on would be the last.
struct Batch<'a, 'py>(&'a Bound<'py, Reactor>);

impl Drop for Batch<'_, '_> {
    fn drop(&mut self) {
        self.0.get().end_batch(self.0.py());
    }
}

/// One batch: what is ready, at most the engine's bound of events, then what was queued meanwhile.
pub fn on_ready(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    let (py, this) = (reactor.py(), reactor.get());
    if this.with_shared(py, |shared| std::mem::replace(&mut shared.in_batch, true)) {
        return Ok(()); // a loop run within a listener; the outer batch goes on with the rest
    }
    let batch = Batch(reactor);
    let polled = this.sockets.with(py, |sockets| match &mut sockets.engine {
        Some(engine) => engine.poll().map(drop),
        None => Ok(()),
    });
    if polled.is_ok() {
        while let Some(ready) =
            this.sockets.with(py, |sockets| sockets.engine.as_mut()?.next_ready())
        {
            match ready {
                Ready::Accept(token) => accept(reactor, token),
                Ready::Socket { token, readable, writable, hangup } => {
                    if writable {
                        flush(reactor, token);
                    }
                    if readable || (hangup && !writable) {
                        readable_now(reactor, token);
                    }
                }
            }
        }
    }
    Reactor::flush_all(reactor);
    drop(batch);
    polled?;
    this.take_error(py).map_or(Ok(()), Err)
}

fn accept(reactor: &Bound<'_, Reactor>, listener: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    for _ in 0..ACCEPTS {
        let (accepted, factory) = this.sockets.with(py, |sockets| {
            let factory = match sockets.client(listener).map(|client| &client.kind) {
                Some(Kind::Listener(factory)) => Some(factory.clone_ref(py)),
                _ => None,
            };
            (sockets.engine.as_mut().map(|engine| engine.accept(listener)), factory)
        });
        let (Some(accepted), Some(factory)) = (accepted, factory) else { return };
        match accepted {
            Accepted::Socket { token, .. } => {
                let made = factory
                    .call0(py)
                    .and_then(|protocol| make_transport(reactor, token, protocol.bind(py)));
                if let Err(error) = made {
                    this.report(py, "the protocol of an accepted connection failed", error);
                    lose(reactor, token, None);
                }
            }
            Accepted::WouldBlock => return,
            Accepted::Exhausted => return wait_for_descriptors(reactor),
            Accepted::Failed(error) => {
                this.report(py, "accepting a connection failed", error.into());
                return;
            }
        }
    }
}

fn wait_for_descriptors(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let error = PyOSError::new_err("no descriptor for another connection: accepting pauses");
    this.report(py, "accepting paused for a second", error);
    let outcome = reactor.getattr(intern!(py, "_resume_accepting")).and_then(|resume| {
        this.event_loop(py).call_method1(py, intern!(py, "call_later"), (ACCEPT_RETRY, resume))
    });
    if let Err(error) = outcome {
        this.report(py, "wsrs could not schedule the next accept", error);
    }
}

/// Tries again to accept; waits once more where that fails.
pub fn resume_accepting(reactor: &Bound<'_, Reactor>) {
    let resumed = reactor.get().sockets.with(reactor.py(), |sockets| {
        sockets.engine.as_mut().map_or(Ok(()), Engine::resume_accepting)
    });
    if resumed.is_err() {
        wait_for_descriptors(reactor);
    }
}

/// Reads until the socket is drained or has had its turn; each read is delivered before the next.
fn readable_now(reactor: &Bound<'_, Reactor>, token: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    for _ in 0..READS {
        let kind = this.sockets.with(py, |sockets| {
            let paused = sockets.engine.as_ref().is_none_or(|engine| engine.is_paused(token));
            let client = sockets.client(token).filter(|client| !paused && !client.closing);
            client.map(|client| client.kind.clone_ref(py))
        });
        let Some(kind) = kind else { return };
        let read = match &kind {
            Kind::Native(connection) => read_native(reactor, token, connection.bind(py)),
            Kind::Stream(protocol) => read_stream(reactor, token, protocol.bind(py)),
            Kind::Buffered(protocol) => read_buffered(reactor, token, protocol.bind(py)),
            Kind::Listener(_) => return,
        };
        match read {
            Ok(Read::Data { drained: false, .. }) => {}
            Ok(Read::Data { .. } | Read::WouldBlock) => break,
            Ok(Read::Eof) => {
                at_eof(reactor, token, &kind);
                break;
            }
            Ok(Read::Lost(error)) => return lose(reactor, token, Some(error.into())),
            Err(error) => {
                this.report(py, "a protocol raised an exception", error.clone_ref(py));
                return lose(reactor, token, Some(error));
            }
        }
    }
}

fn read_native(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    connection: &Bound<'_, Connection>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let direct = connection.get().receive_direct(py, DIRECT_MIN, |spare| {
        this.sockets.with(py, |sockets| {
            sockets.engine.as_mut().map_or(Read::WouldBlock, |engine| engine.read(token, spare))
        })
    });
    if let Some(read) = direct {
        if matches!(read, Read::Data { .. }) {
            Connection::feed(connection, &mut []);
        }
        return Ok(read);
    }
    read_shared(reactor, token, |bytes| {
        Connection::feed(connection, bytes);
        Ok(())
    })
}

fn read_stream(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, |bytes| {
        protocol.call_method1(intern!(py, "data_received"), (PyBytes::new(py, bytes),)).map(drop)
    })
}

fn read_buffered(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, |mut bytes: &mut [u8]| {
        while !bytes.is_empty() {
            let room = protocol.call_method1(intern!(py, "get_buffer"), (bytes.len(),))?;
            let view = py.import("builtins")?.getattr("memoryview")?.call1((room,))?;
            let n = view.len()?.min(bytes.len());
            if n == 0 {
                return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
            }
            let (now, rest) = bytes.split_at_mut(n);
            let range = pyo3::types::PySlice::new(py, 0, n as isize, 1);
            view.set_item(range, PyBytes::new(py, now))?;
            view.call_method0("release")?;
            protocol.call_method1(intern!(py, "buffer_updated"), (n,))?;
            bytes = rest;
        }
        Ok(())
    })
}

/// One read into the loop's shared buffer, given to `deliver`.
fn read_shared(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    deliver: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let mut buffer = this.with_shared(py, super::reactor::Shared::take_read_buffer);
    // SAFETY: initialised bytes seen as perhaps uninitialised ones; the engine only writes bytes.
    let spare = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) };
    let read = this.sockets.with(py, |sockets| {
        sockets.engine.as_mut().map_or(Read::WouldBlock, |engine| engine.read(token, spare))
    });
    let outcome = match &read {
        Read::Data { n, .. } => deliver(&mut buffer[..*n]),
        _ => Ok(()),
    };
    this.with_shared(py, |shared| shared.give_read_buffer(buffer));
    outcome.map(|()| read)
}

/// The peer's FIN: the protocol says whether the other direction stays open.
fn at_eof(reactor: &Bound<'_, Reactor>, token: Token, kind: &Kind) {
    let py = reactor.py();
    let keep = match kind {
        Kind::Native(connection) => Ok(Connection::at_eof(connection.bind(py))),
        Kind::Stream(protocol) | Kind::Buffered(protocol) => protocol
            .bind(py)
            .call_method0(intern!(py, "eof_received"))
            .and_then(|answer| answer.is_truthy()),
        Kind::Listener(_) => Ok(true),
    };
    match keep {
        Ok(true) => {}
        Ok(false) => close(reactor, token),
        Err(error) => lose(reactor, token, Some(error)),
    }
}

/// Writes what the dirty sockets have queued.
pub fn flush_dirty(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    while let Some(token) = this.sockets.with(py, |sockets| sockets.engine.as_mut()?.take_dirty()) {
        flush(reactor, token);
    }
}

/// Writes what one socket has queued, and tells its client how it went.
pub fn flush(reactor: &Bound<'_, Reactor>, token: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    let (outcome, kind, closing) = this.sockets.with(py, |sockets| {
        let outcome = sockets.engine.as_mut().map(|engine| engine.flush(token));
        match sockets.client(token) {
            Some(client) => {
                let told = client.wants_to_know(py);
                (outcome, told, client.closing)
            }
            None => (None, None, false),
        }
    });
    let left = match outcome {
        None => return,
        Some(Flush::Lost(error)) => return lose(reactor, token, Some(error.into())),
        Some(Flush::Drained) => 0,
        Some(Flush::Pending(left)) => left,
    };
    match kind {
        Some(Kind::Native(connection)) => Connection::written(connection.bind(py), left),
        Some(Kind::Stream(protocol) | Kind::Buffered(protocol)) => {
            control_writing(reactor, token, protocol.bind(py), left);
        }
        _ => {}
    }
    if closing && left == 0 {
        lose(reactor, token, None);
    }
}

/// asyncio's flow control for a protocol in Python: above the high mark pause, at the low one resume.
fn control_writing(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
    left: usize,
) {
    let (py, this) = (reactor.py(), reactor.get());
    let change = this
        .sockets
        .with(py, |sockets| sockets.client(token).and_then(|client| client.limits.cross(left)));
    let outcome = match change {
        Some(true) => protocol.call_method0(intern!(py, "pause_writing")),
        Some(false) => protocol.call_method0(intern!(py, "resume_writing")),
        None => return,
    };
    if let Err(error) = outcome {
        this.report(py, "a protocol's flow control raised an exception", error);
    }
}

/// Closes a socket once what it has queued is written.
pub fn close(reactor: &Bound<'_, Reactor>, token: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    let empty = this.sockets.with(py, |sockets| {
        let Some(client) = sockets.client(token) else { return false };
        client.closing = true;
        let Some(engine) = &mut sockets.engine else { return true };
        engine.pause(token);
        engine.out_ref(token).is_none_or(|out| out.is_empty())
    });
    if empty {
        lose(reactor, token, None);
    }
}

/// Closes a socket at once; its client's `connection_lost` follows in the next tick, only once.
pub fn lose(reactor: &Bound<'_, Reactor>, token: Token, error: Option<PyErr>) {
    let (py, this) = (reactor.py(), reactor.get());
    let client = this.sockets.with(py, |sockets| {
        if let Some(engine) = &mut sockets.engine {
            engine.close(token);
        }
        sockets.take(token)
    });
    let Some(client) = client else { return };
    let argument = match error {
        Some(error) => error.into_value(py).into_any(),
        None => py.None(),
    };
    if let Some(protocol) = client.kind.protocol(py) {
        this.call_method_soon(&protocol, "connection_lost", argument.bind(py));
    }
}

/// Gives a socket to another protocol.
pub fn set_protocol(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let kind = Kind::of(protocol)?;
    let old = reactor.get().sockets.with(reactor.py(), |sockets| {
        sockets.client(token).map(|client| std::mem::replace(&mut client.kind, kind))
    });
    drop(old);
    Ok(())
}

/// The default marks of asyncio.
pub const DEFAULT_LIMITS: WriteLimits =
    WriteLimits { high: 64 * 1024, low: 16 * 1024, paused: false };
