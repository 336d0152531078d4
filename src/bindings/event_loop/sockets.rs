//! The engine's sockets and their owners. `serve/` accepts, reads and writes on them.
//!
//! The owner of a socket is a `Connection`, which is called without going through Python, or any asyncio
//! protocol (such as the one that reads the head of a handshake). The engine never calls back, and nothing is
//! borrowed while an owner runs.

#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, OwnedFd};

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::event_loop::owner::{Connection, Kind, Owner, count_written};
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::transport::EngineTransport;
use crate::engine::{Engine, Os, Ready, Token};
use crate::simd::prefetch::prefetch;

/// A payload that is written in place, without being copied into the queue.
pub enum Held {
    Bytes(Py<PyBytes>),
    /// Bytes that a thread has compressed.
    Made(Vec<u8>),
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the engine calls this with the GIL held (it is only reached through a GilCell); the bytes
        // are immutable and kept alive by the reference.
        let py = unsafe { Python::assume_attached() };
        let bytes: &[u8] = match self {
            Self::Bytes(bytes) => bytes.bind(py).as_bytes(),
            Self::Made(bytes) => bytes,
        };
        // SAFETY: as above; the lifetime is that of `self`, which holds the reference.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }
    }
}

type Entry = Option<(Token, Owner)>;

/// The engine, and the owners of its sockets by slot.
#[derive(Default)]
pub struct Sockets {
    engine: Option<Engine<Os, Held>>,
    owners: Vec<Entry>,
}

impl Sockets {
    pub fn is_open(&self) -> bool {
        self.engine.is_some()
    }

    pub fn engine(&mut self) -> Option<&mut Engine<Os, Held>> {
        self.engine.as_mut()
    }

    /// Takes the engine out. Dropping it closes our descriptors and leaves the sockets and the poller alone,
    /// if another process has them, too.
    pub const fn take_engine(&mut self) -> Option<Engine<Os, Held>> {
        self.engine.take()
    }

    #[inline]
    pub fn owner(&mut self, token: Token) -> Option<&mut Owner> {
        match self.owners.get_mut(token.index()) {
            Some(Some((held, owner))) if *held == token => Some(owner),
            _ => None,
        }
    }

    /// The connection that owns the socket. None if the owner is not a connection, or if the socket must not
    /// be read.
    #[inline]
    pub fn readable(&mut self, py: Python<'_>, token: Token) -> Option<Py<Connection>> {
        if self.engine.as_ref()?.is_paused(token) || self.owner(token)?.is_closing() {
            return None;
        }
        self.connection(token).map(|connection| connection.clone_ref(py))
    }

    fn put(&mut self, token: Token, owner: Owner) {
        let index = token.index();
        if self.owners.len() <= index {
            self.owners.resize_with(index + 1, || None);
        }
        self.owners[index] = Some((token, owner));
    }

    fn take(&mut self, token: Token) -> Option<Owner> {
        self.owner(token)?;
        self.owners.get_mut(token.index())?.take().map(|(_, owner)| owner)
    }

    /// The next socket that is ready. Prefetches what belongs to the sockets after it.
    #[inline]
    pub fn next_ready(&mut self) -> Option<Ready> {
        let ready = self.engine.as_mut()?.next_ready();
        self.look_ahead();
        ready
    }

    /// The socket that was left for later first.
    pub fn next_late(&mut self) -> Option<Ready> {
        self.engine.as_mut()?.next_late()
    }

    /// The number of sockets that were left for later.
    pub fn late_len(&self) -> usize {
        self.engine.as_ref().map_or(0, Engine::late_len)
    }

    /// Leaves a socket that was reported for later if a connection owns it.
    pub fn postpone(&mut self, ready: Ready) -> bool {
        let Ready::Socket { token, .. } = ready else { return false };
        let is_native = self.connection(token).is_some();
        if let Some(engine) = self.engine.as_mut().filter(|_| is_native) {
            engine.postpone(ready);
        }
        is_native
    }

    /// The next socket to write, with the same prefetching.
    #[inline]
    pub fn take_dirty(&mut self) -> Option<Token> {
        let token = self.engine.as_mut()?.take_dirty();
        self.look_ahead_to_write();
        token
    }

    /// Prefetches what belongs to the sockets that are read next: first the table entries, then the
    /// connection. Each is prefetched some events ahead of its use, because it is found through the one
    /// before. With a thousand sockets ready, all of it has left the processor's cache since they were last
    /// served. The listener and its WebSocket are prefetched later, before the delivery.
    #[inline]
    fn look_ahead(&self) {
        let Some(engine) = &self.engine else { return };
        if let Some(token) = engine.upcoming(6) {
            let (slot, size) = engine.entry_address(token);
            prefetch(slot, size);
            prefetch(self.owners.as_ptr().wrapping_add(token.index()), size_of::<Entry>());
        }
        if let Some(connection) = engine.upcoming(4).and_then(|token| self.connection(token)) {
            connection.get().fetch();
        }
    }

    /// Does the same for the sockets that are written next: the table entries, and the part of the connection
    /// that says who must be notified. They were read a moment ago, but the memory that the kernel uses for a
    /// write has displaced them since.
    #[inline]
    fn look_ahead_to_write(&self) {
        let Some(engine) = &self.engine else { return };
        if let Some(token) = engine.upcoming_dirty(1) {
            let (slot, size) = engine.entry_address(token);
            prefetch(slot, size);
            prefetch(self.owners.as_ptr().wrapping_add(token.index()), size_of::<Entry>());
        }
        if let Some(connection) = engine.upcoming_dirty(0).and_then(|token| self.connection(token))
        {
            connection.get().look_ahead_to_write();
        }
    }

    #[inline]
    fn connection(&self, token: Token) -> Option<&Py<Connection>> {
        match self.owners.get(token.index()) {
            Some(Some((_, owner))) => match owner.kind() {
                Kind::Native(connection) => Some(connection),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.owners.iter().flatten().try_for_each(|(_, owner)| owner.traverse(visit))
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
    /// Stops accepting. The socket itself is left for its owner to close.
    fn close(&self, py: Python<'_>) {
        let owner = self.reactor.get().with_sockets(py, |sockets| {
            if let Some(engine) = &mut sockets.engine {
                engine.unlisten(self.token);
            }
            sockets.take(self.token)
        });
        drop(owner);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}

/// Makes the engine if there is none yet, and has the loop watch its poller.
pub fn open(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    let (py, this) = (reactor.py(), reactor.get());
    if this.with_sockets(py, |sockets| sockets.is_open()) {
        return Ok(());
    }
    let engine = Engine::new(Os)?;
    let descriptor = engine.poller_fd();
    let callback = reactor.getattr(intern!(py, "_on_ready"))?;
    let watch = this.event_loop(py).getattr(py, intern!(py, "add_reader"))?;
    // The loop copies the current context for the callback. An empty one keeps nothing alive of whoever came
    // first, and gives nothing of that to the others.
    let empty = py.import("contextvars")?.getattr("Context")?.call0()?;
    empty.call_method1(intern!(py, "run"), (watch, descriptor, callback))?;
    this.with_sockets(py, |sockets| sockets.engine = Some(engine));
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
    let token = reactor.get().with_sockets(py, |sockets| {
        let token = sockets.engine.as_mut().ok_or_else(no_engine)?.listen(own)?;
        sockets.put(token, Owner::new(Kind::Listener(factory)));
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
    // SAFETY: as in `listen`. The descriptor is duplicated first, so that `sock` stays usable if the engine
    // refuses.
    let own: OwnedFd = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
    let token = reactor.get().with_sockets(py, |sockets| {
        PyResult::Ok(sockets.engine.as_mut().ok_or_else(no_engine)?.adopt(own)?)
    })?;
    sock.call_method0(intern!(py, "close"))
        .and_then(|_| make_transport(reactor, token, protocol))
        .inspect_err(|_| lose(reactor, token, None))
}

pub fn make_transport(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Py<EngineTransport>> {
    let py = reactor.py();
    let transport = Py::new(py, EngineTransport::new(reactor.clone().unbind(), token))?;
    let owner = Owner::new(Kind::of(protocol)?);
    reactor.get().with_sockets(py, |sockets| sockets.put(token, owner));
    protocol.call_method1(intern!(py, "connection_made"), (transport.bind(py),))?;
    Ok(transport)
}

/// Closes a socket once its queue is written.
pub fn close(reactor: &Bound<'_, Reactor>, token: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    let empty = this.with_sockets(py, |sockets| {
        let Some(owner) = sockets.owner(token) else { return false };
        owner.close();
        let Some(engine) = &mut sockets.engine else { return true };
        engine.pause(token);
        engine.out_ref(token).is_none_or(|out| out.is_empty())
    });
    if empty {
        lose(reactor, token, None);
    }
}

/// Closes a socket at once. Its owner's `connection_lost` is called in the next tick, and only once.
pub fn lose(reactor: &Bound<'_, Reactor>, token: Token, error: Option<PyErr>) {
    let (py, this) = (reactor.py(), reactor.get());
    let (owner, written) = this.with_sockets(py, |sockets| {
        let written = sockets.engine.as_mut().map_or(0, |engine| {
            let written = engine.out_ref(token).map_or(0, |out| out.total_written());
            engine.close(token);
            written
        });
        (sockets.take(token), written)
    });
    let Some(owner) = owner else { return };
    if let Kind::Native(connection) = owner.kind() {
        count_written(py, connection.get(), written);
    }
    let argument = match error {
        Some(error) => error.into_value(py).into_any(),
        None => py.None(),
    };
    if let Some(protocol) = owner.kind().protocol(py) {
        this.call_method_soon(&protocol, "connection_lost", argument.bind(py));
    }
}

/// Hands a socket to another protocol.
pub fn set_protocol(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let kind = Kind::of(protocol)?;
    let old = reactor.get().with_sockets(reactor.py(), |sockets| {
        sockets.owner(token).map(|owner| owner.replace(kind))
    });
    drop(old);
    Ok(())
}
