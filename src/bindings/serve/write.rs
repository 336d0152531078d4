//! Writes the queues of sockets and notifies their owners.

use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::flush;
use crate::bindings::event_loop::owner::Kind;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::sockets::lose;
use crate::engine::{Flush, Token};

/// Writes the queues of the sockets that are dirty now. What a callback queues meanwhile is left for later:
/// otherwise a callback that sends again each time it is called would keep the loop to itself.
pub fn flush_dirty(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let dirty = this.with_sockets(py, |sockets| sockets.engine().map_or(0, |one| one.dirty_len()));
    for _ in 0..dirty {
        let Some(token) = this.with_sockets(py, |sockets| sockets.take_dirty()) else {
            return;
        };
        flush(reactor, token);
    }
}

/// Writes the queue of one socket and notifies its owner.
pub fn flush(reactor: &Bound<'_, Reactor>, token: Token) {
    flush_and_tell(reactor, token, flush::written);
}

/// Writes the queue of one socket. For a connection that waits for writes, `tell` is called with the number
/// of bytes left.
pub fn flush_and_tell(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    tell: impl FnOnce(&Bound<'_, Connection>, usize),
) {
    let (py, this) = (reactor.py(), reactor.get());
    let (outcome, kind, closing) = this.with_sockets(py, |sockets| {
        let outcome = sockets.engine().map(|engine| engine.flush(token));
        match sockets.owner(token) {
            Some(owner) => {
                let told = owner.wants_to_know(py);
                (outcome, told, owner.is_closing())
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
        Some(Kind::Native(connection)) => tell(connection.bind(py), left),
        Some(Kind::Stream(protocol) | Kind::Buffered(protocol)) => {
            control_writing(reactor, token, protocol.bind(py), left);
        }
        _ => {}
    }
    if closing && left == 0 {
        lose(reactor, token, None);
    }
}

/// Applies asyncio's flow control to a protocol in Python: it pauses above the high-water mark and resumes at
/// the low-water mark.
fn control_writing(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
    left: usize,
) {
    let (py, this) = (reactor.py(), reactor.get());
    let change =
        this.with_sockets(py, |sockets| sockets.owner(token).and_then(|owner| owner.cross(left)));
    let outcome = match change {
        Some(true) => protocol.call_method0(intern!(py, "pause_writing")),
        Some(false) => protocol.call_method0(intern!(py, "resume_writing")),
        None => return,
    };
    if let Err(error) = outcome {
        this.report(py, "a protocol's flow control raised an exception", error);
    }
}
