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

/// The bytes queued for a transport of the loop, which is handed them at the end of the tick.
pub struct LoopQueue {
    bytes: Vec<u8>,
    /// Number of bytes that the transport was handed.
    written: u64,
    /// True while the transport has asked us to stop writing.
    is_blocked: bool,
}

impl LoopQueue {
    /// The queued bytes, to append to.
    pub const fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Number of bytes that are queued.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The position in the outgoing stream at which the queue ends.
    pub const fn total_queued(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// True while the transport has asked us to stop writing.
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

    /// Lets a socket of the engine carry the bytes. Returns the previous transport.
    #[cfg(unix)]
    pub fn open_engine(&mut self, token: Token, transport: Py<PyAny>) -> Option<Py<PyAny>> {
        self.carrier = Carrier::Engine(token);
        self.transport.replace(transport)
    }

    /// Lets a transport of the loop carry the bytes. Returns the previous transport.
    pub fn open_loop(&mut self, transport: Py<PyAny>) -> Option<Py<PyAny>> {
        let queue = LoopQueue { bytes: Vec::new(), written: 0, is_blocked: false };
        self.carrier = Carrier::Loop(queue);
        self.transport.replace(transport)
    }

    /// Stops carrying bytes. Counts the bytes that a transport of the loop was handed; [`count_written`] does
    /// so for a socket of the engine.
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

    /// True if a transport of the loop carries the bytes.
    #[inline]
    pub const fn is_loop(&self) -> bool {
        matches!(self.carrier, Carrier::Loop(_))
    }

    /// Records that a transport of the loop has asked us to stop writing, or has room again. True if there is
    /// such a transport.
    pub const fn block(&mut self, is_blocked: bool) -> bool {
        match &mut self.carrier {
            Carrier::Loop(queue) => {
                queue.is_blocked = is_blocked;
                true
            }
            _ => false,
        }
    }

    /// True if the transport may be told to end. A transport of the loop takes nothing after that, so it must
    /// have been handed everything in the queue. The engine's own transport ends once its queue is written.
    pub const fn may_end(&self) -> bool {
        match &self.carrier {
            Carrier::Nothing => false,
            #[cfg(unix)]
            Carrier::Engine(_) => true,
            Carrier::Loop(queue) => queue.bytes.is_empty(),
        }
    }

    /// True if bytes are queued for a transport of the loop, and it accepts some now.
    pub fn has_queued(&self) -> bool {
        matches!(&self.carrier, Carrier::Loop(queue) if !queue.is_blocked && !queue.bytes.is_empty())
    }

    /// Takes the bytes queued for a transport of the loop, if it accepts any now.
    pub fn take_queued(&mut self) -> Option<Vec<u8>> {
        match &mut self.carrier {
            Carrier::Loop(queue) if !queue.is_blocked && !queue.bytes.is_empty() => {
                queue.written += queue.bytes.len() as u64;
                Some(std::mem::take(&mut queue.bytes))
            }
            _ => None,
        }
    }

    /// The number of bytes queued here for a transport of the loop, and that transport.
    pub fn queued(&self) -> (usize, Option<&Py<PyAny>>) {
        match &self.carrier {
            Carrier::Loop(queue) => (queue.bytes.len(), self.transport.as_ref()),
            _ => (0, None),
        }
    }

    /// The number of bytes that a transport of the loop was handed, without and with those still queued for
    /// it.
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

/// Counts the bytes that a socket of the engine has written by the time it is closed.
#[cfg(unix)]
pub fn count_written(py: Python<'_>, connection: &Connection, written: u64) {
    connection.state.with(py, |state| state.session.counters_mut().end_wire(written));
}
