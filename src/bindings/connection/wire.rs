//! What carries the bytes of a connection: a socket of the engine, or a transport of the loop.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

#[cfg(unix)]
use super::Connection;
#[cfg(unix)]
use crate::engine::Token;
use crate::session::Counters;

/// What carries the bytes.
enum Carrier {
    /// Nothing yet, or no more.
    Nothing,
    /// A socket of the engine.
    #[cfg(unix)]
    Engine(Token),
    /// A transport of the loop.
    Loop(LoopQueue),
}

/// What is queued for a transport of the loop, which is given it at the end of the tick.
pub struct LoopQueue {
    bytes: Vec<u8>,
    /// Bytes that the transport was given.
    written: u64,
    /// The transport has asked to wait.
    is_blocked: bool,
}

impl LoopQueue {
    /// What is queued, to append to.
    pub const fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that are queued.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The place in the outgoing stream where what is queued ends.
    pub const fn total_queued(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// Whether the transport has asked to wait.
    pub const fn is_blocked(&self) -> bool {
        self.is_blocked
    }
}

/// What carries the bytes of a connection.
pub struct Wire {
    carrier: Carrier,
    transport: Option<Py<PyAny>>,
}

/// Where the bytes of a connection are to be written.
pub enum Target<'a> {
    Nothing,
    #[cfg(unix)]
    Engine(Token),
    Loop(&'a mut LoopQueue),
}

impl Wire {
    pub const fn new() -> Self {
        Self { carrier: Carrier::Nothing, transport: None }
    }

    /// A socket of the engine.
    #[cfg(unix)]
    pub fn open_engine(&mut self, token: Token, transport: Py<PyAny>) -> Option<Py<PyAny>> {
        self.carrier = Carrier::Engine(token);
        self.transport.replace(transport)
    }

    /// A transport of the loop.
    pub fn open_loop(&mut self, transport: Py<PyAny>) -> Option<Py<PyAny>> {
        let queue = LoopQueue { bytes: Vec::new(), written: 0, is_blocked: false };
        self.carrier = Carrier::Loop(queue);
        self.transport.replace(transport)
    }

    /// Nothing is carried any more. What a transport of the loop was given is counted; an engine's socket
    /// tells by [`count_written`].
    pub fn close(&mut self, counters: &mut Counters) {
        if let Carrier::Loop(queue) = &self.carrier {
            counters.end_wire(queue.written);
        }
        self.carrier = Carrier::Nothing;
    }

    #[cfg(unix)]
    #[inline]
    pub const fn token(&self) -> Option<Token> {
        match self.carrier {
            Carrier::Engine(token) => Some(token),
            _ => None,
        }
    }

    /// Where to write.
    #[inline]
    pub fn target(&mut self) -> Target<'_> {
        match &mut self.carrier {
            Carrier::Nothing => Target::Nothing,
            #[cfg(unix)]
            Carrier::Engine(token) => Target::Engine(*token),
            Carrier::Loop(queue) => Target::Loop(queue),
        }
    }

    /// Whether a transport of the loop carries the bytes.
    #[inline]
    pub const fn is_loop(&self) -> bool {
        matches!(self.carrier, Carrier::Loop(_))
    }

    /// A transport of the loop asks to wait, or has room again: whether there is one.
    pub const fn block(&mut self, is_blocked: bool) -> bool {
        match &mut self.carrier {
            Carrier::Loop(queue) => {
                queue.is_blocked = is_blocked;
                true
            }
            _ => false,
        }
    }

    /// Whether all that is queued was given to what ends when it has written it. A transport of the loop takes
    /// nothing after its end, so it must have been given everything; the engine's own ends when its queue is
    /// written.
    pub const fn may_end(&self) -> bool {
        match &self.carrier {
            Carrier::Nothing => false,
            #[cfg(unix)]
            Carrier::Engine(_) => true,
            Carrier::Loop(queue) => queue.bytes.is_empty(),
        }
    }

    /// What is queued for a transport of the loop, if it takes anything now.
    pub fn take_queued(&mut self) -> Option<Vec<u8>> {
        match &mut self.carrier {
            Carrier::Loop(queue) if !queue.is_blocked && !queue.bytes.is_empty() => {
                queue.written += queue.bytes.len() as u64;
                Some(std::mem::take(&mut queue.bytes))
            }
            _ => None,
        }
    }

    /// What is queued here for a transport of the loop, and that transport.
    pub fn queued(&self) -> (usize, Option<&Py<PyAny>>) {
        match &self.carrier {
            Carrier::Loop(queue) => (queue.bytes.len(), self.transport.as_ref()),
            _ => (0, None),
        }
    }

    /// Bytes that a transport of the loop was given, and those with the ones queued for it.
    pub const fn written_and_total(&self) -> (u64, u64) {
        match &self.carrier {
            Carrier::Loop(queue) => (queue.written, queue.total_queued()),
            _ => (0, 0),
        }
    }

    pub const fn transport(&self) -> Option<&Py<PyAny>> {
        self.transport.as_ref()
    }

    pub fn take_transport(&mut self) -> Option<Py<PyAny>> {
        self.transport.take()
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.transport)
    }
}

/// An engine's socket is closed, having written this much.
#[cfg(unix)]
pub fn count_written(py: Python<'_>, connection: &Connection, written: u64) {
    connection.state.with(py, |state| state.session.counters_mut().end_wire(written));
}
