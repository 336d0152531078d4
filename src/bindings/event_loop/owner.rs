//! The owner of an engine's socket. This is the only file through which `event_loop` refers to connections.

// Without the engine only the name `Connection` is needed from this file.
#![cfg_attr(not(unix), allow(dead_code))]

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

pub use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::flush;
pub use crate::bindings::connection::outbound::flush::flush;
#[cfg(unix)]
pub use crate::bindings::connection::wire::count_written;

/// The object that is called when something happens on the socket.
pub enum Kind {
    /// A connection, which is called without going through Python.
    Native(Py<Connection>),
    /// An `asyncio.Protocol`.
    Stream(Py<PyAny>),
    /// Any other `asyncio.BufferedProtocol`.
    Buffered(Py<PyAny>),
    /// A listening socket and its protocol factory.
    Listener(Py<PyAny>),
}

impl Kind {
    /// Determines how `protocol` is to be called, by the same check that asyncio's transports make.
    pub fn of(protocol: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(connection) = protocol.cast::<Connection>() {
            return Ok(Self::Native(connection.clone().unbind()));
        }
        let py = protocol.py();
        let buffered = py.import("asyncio")?.getattr(intern!(py, "BufferedProtocol"))?;
        let protocol_object = protocol.clone().unbind();
        Ok(if protocol.is_instance(&buffered)? {
            Self::Buffered(protocol_object)
        } else {
            Self::Stream(protocol_object)
        })
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(connection) => Self::Native(connection.clone_ref(py)),
            Self::Stream(protocol) => Self::Stream(protocol.clone_ref(py)),
            Self::Buffered(protocol) => Self::Buffered(protocol.clone_ref(py)),
            Self::Listener(factory) => Self::Listener(factory.clone_ref(py)),
        }
    }

    /// The protocol as a Python object; None for a listening socket.
    pub fn protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Native(connection) => Some(connection.bind(py).clone().into_any()),
            Self::Stream(protocol) | Self::Buffered(protocol) => Some(protocol.bind(py).clone()),
            Self::Listener(_) => None,
        }
    }
}

/// asyncio's default high-water and low-water marks, in bytes.
pub const HIGH: usize = 64 * 1024;
pub const LOW: usize = 16 * 1024;

/// The marks by which a protocol in Python is told to pause and to resume writing, in bytes.
struct WriteLimits {
    low: usize,
    high: usize,
    is_paused: bool,
}

/// The owner of one socket.
pub struct Owner {
    kind: Kind,
    limits: WriteLimits,
    is_closing: bool,
}

impl Owner {
    pub const fn new(kind: Kind) -> Self {
        let limits = WriteLimits { low: LOW, high: HIGH, is_paused: false };
        Self { kind, limits, is_closing: false }
    }

    #[inline]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Hands the socket to another protocol. Returns the previous one, which must be dropped with nothing
    /// borrowed.
    #[must_use]
    pub const fn replace(&mut self, kind: Kind) -> Kind {
        std::mem::replace(&mut self.kind, kind)
    }

    /// Marks the socket to be closed once its queue is written.
    pub const fn close(&mut self) {
        self.is_closing = true;
    }

    #[inline]
    pub const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The low-water and the high-water mark, in bytes.
    pub const fn limits(&self) -> (usize, usize) {
        (self.limits.low, self.limits.high)
    }

    pub const fn set_limits(&mut self, low: usize, high: usize) {
        (self.limits.low, self.limits.high) = (low, high);
    }

    /// Returns what a protocol must be told now that `left` bytes are queued: to pause writing (true), to
    /// resume it (false), or nothing (None).
    pub fn cross(&mut self, left: usize) -> Option<bool> {
        let limits = &mut self.limits;
        let change = if limits.is_paused { left <= limits.low } else { left > limits.high };
        change.then(|| {
            limits.is_paused = !limits.is_paused;
            limits.is_paused
        })
    }

    /// The owner to be notified of a write; None for a connection that has neither callbacks nor waiting
    /// senders.
    #[inline]
    pub fn wants_to_know(&self, py: Python<'_>) -> Option<Kind> {
        match &self.kind {
            Kind::Native(connection) if !flush::awaits_writes(connection.get(), py) => None,
            kind => Some(kind.clone_ref(py)),
        }
    }

    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.kind {
            Kind::Native(connection) => visit.call(connection),
            Kind::Stream(object) | Kind::Buffered(object) | Kind::Listener(object) => {
                visit.call(object)
            }
        }
    }
}
