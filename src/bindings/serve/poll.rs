//! Serves every socket that is ready in one call of the loop: accept, read, deliver, write.

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::event_loop::owner::Kind;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
use crate::bindings::event_loop::sockets::{lose, make_transport};
use crate::bindings::serve::read::readable_now;
use crate::bindings::serve::read_group::GROUP;
use crate::bindings::serve::write::{flush, flush_dirty};
use crate::engine::{Accepted, Engine, Ready, Token};

/// The most connections accepted each time a listener is ready, so that the loop's other users are served,
/// too.
const ACCEPTS: usize = 64;
/// Seconds until accepting resumes after the descriptors ran out, as in asyncio.
const ACCEPT_RETRY: f64 = 1.0;

/// Ends the batch when it is dropped, even by a panic: while a batch seems to be running, no other can begin.
struct Batch<'a, 'py>(&'a Bound<'py, Reactor>);

impl Drop for Batch<'_, '_> {
    fn drop(&mut self) {
        self.0.get().end_batch(self.0.py());
    }
}

/// Runs one batch: serves what is ready, up to the engine's limit of events, then writes what was queued
/// meanwhile.
pub fn on_ready(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    let (py, this) = (reactor.py(), reactor.get());
    if !this.with_shared(py, Shared::begin_batch) {
        return Ok(()); // a listener runs the loop itself; the outer batch serves the rest
    }
    let batch = Batch(reactor);
    let polled = this.with_sockets(py, |sockets| match sockets.engine() {
        Some(engine) => engine.poll().map(drop),
        None => Ok(()),
    });
    if polled.is_ok() {
        serve_ready(reactor);
    }
    Reactor::flush_all(reactor);
    drop(batch);
    Reactor::flush_rest_later(reactor);
    polled?;
    this.take_error(py).map_or(Ok(()), Err)
}

/// Serves the ready sockets in groups. All sockets of a group are read, then their bytes are delivered, then
/// the queues are written.
fn serve_ready(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let mut read_group = this.take_read_group(py);
    let mut served = 0;
    while let Some(ready) = this.with_sockets(py, |sockets| sockets.next_ready()) {
        let read = match ready {
            Ready::Socket { token, readable: true, writable: false, hangup: false } => {
                read_group.read(reactor, token)
            }
            _ => false,
        };
        if !read {
            read_group.deliver(reactor);
            serve(reactor, ready);
        }
        served += 1;
        if served >= GROUP || read_group.are_enough() {
            read_group.deliver(reactor);
            flush_dirty(reactor);
            served = 0;
        }
    }
    read_group.deliver(reactor);
    this.give_read_group(py, read_group);
}

/// Serves one event that cannot be part of a read group.
fn serve(reactor: &Bound<'_, Reactor>, ready: Ready) {
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

fn accept(reactor: &Bound<'_, Reactor>, listener: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    for _ in 0..ACCEPTS {
        let (accepted, factory) = this.with_sockets(py, |sockets| {
            let factory = match sockets.owner(listener).map(|owner| owner.kind()) {
                Some(Kind::Listener(factory)) => Some(factory.clone_ref(py)),
                _ => None,
            };
            (sockets.engine().map(|engine| engine.accept(listener)), factory)
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
    let error = PyOSError::new_err("no descriptor is left for another connection");
    this.report(py, "accepting paused for a second", error);
    let outcome = reactor.getattr(intern!(py, "_resume_accepting")).and_then(|resume| {
        this.event_loop(py).call_method1(py, intern!(py, "call_later"), (ACCEPT_RETRY, resume))
    });
    if let Err(error) = outcome {
        this.report(py, "wsrs could not schedule the next accept", error);
    }
}

/// Resumes accepting, or waits once more if that fails.
pub fn resume_accepting(reactor: &Bound<'_, Reactor>) {
    let resumed = reactor.get().with_sockets(reactor.py(), |sockets| {
        sockets.engine().map_or(Ok(()), Engine::resume_accepting)
    });
    if resumed.is_err() {
        wait_for_descriptors(reactor);
    }
}
