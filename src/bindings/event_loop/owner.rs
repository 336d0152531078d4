//! Who a socket of the engine belongs to.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::flush;
use crate::bindings::event_loop::sockets::DEFAULT_LIMITS;

/// What is called when something happens to the socket.
pub enum Kind {
    /// A connection: called without Python.
    Native(Py<Connection>),
    /// An `asyncio.Protocol`.
    Stream(Py<PyAny>),
    /// An `asyncio.BufferedProtocol` of somebody else.
    Buffered(Py<PyAny>),
    /// A listening socket and its protocol factory.
    Listener(Py<PyAny>),
}

impl Kind {
    /// How `protocol` wants to be called; the same question that asyncio's transports ask.
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

/// The marks between which a protocol in Python is asked to pause its writing.
pub struct WriteLimits {
    pub high: usize,
    pub low: usize,
    pub paused: bool,
}

impl WriteLimits {
    /// What to tell the protocol now that `left` bytes are queued: pause (true), resume, or nothing.
    pub fn cross(&mut self, left: usize) -> Option<bool> {
        let change = if self.paused { left <= self.low } else { left > self.high };
        change.then(|| {
            self.paused = !self.paused;
            self.paused
        })
    }
}

/// The client of one socket.
pub struct Client {
    pub kind: Kind,
    pub limits: WriteLimits,
    /// Close when what is queued is written.
    pub closing: bool,
}

impl Client {
    pub fn new(kind: Kind) -> Self {
        Self { kind, limits: DEFAULT_LIMITS, closing: false }
    }

    /// Whom to tell of a write. A connection without callbacks and waiting senders need not know.
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
