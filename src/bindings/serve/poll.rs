//! Serves every socket that is ready in one call of the loop: accept, read, deliver, write.

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::event_loop::owner::Kind;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
use crate::bindings::event_loop::slices;
use crate::bindings::event_loop::sockets::{Sockets, lose, make_transport};
use crate::bindings::serve::read::readable_now;
use crate::bindings::serve::read_group::GROUP;
use crate::bindings::serve::write::{flush, flush_dirty};
use crate::engine::{Accepted, Engine, Ready, Token};

/// The most connections accepted each time a listener is ready, so that the loop's other users are served,
/// too.
const ACCEPTS: usize = 64;
/// Seconds until accepting resumes after the descriptors ran out, as in asyncio.
const ACCEPT_RETRY: f64 = 1.0;
/// The most connections that have bytes to deliver while further ones are read: it bounds the memory of what was read and
/// could not be delivered in time.
const CROWD: usize = 16;

/// Ends the batch when it is dropped, even by a panic: while a batch seems to be running, no other can begin.
struct Batch<'a, 'py>(&'a Bound<'py, Reactor>);

impl Drop for Batch<'_, '_> {
    fn drop(&mut self) {
        self.0.get().with_shared(self.0.py(), Shared::end_batch);
    }
}

/// Serves what is ready. While something is left over of the last time slice, this is done in the slice that the loop was
/// asked for, so that one iteration of the loop has one slice.
pub fn on_ready(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    if slices::is_scheduled(reactor.get(), reactor.py()) {
        return Ok(());
    }
    run_batch(reactor)
}

/// Runs one batch: serves what is ready and then what was left over, until the time slice is over. Then it writes what was
/// queued meanwhile.
pub fn run_batch(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    let (py, this) = (reactor.py(), reactor.get());
    if !this.with_shared(py, Shared::begin_batch) {
        return Ok(()); // a listener runs the loop itself; the outer batch serves the rest
    }
    let batch = Batch(reactor);
    let has_late = this.with_shared(py, |shared| shared.has_late());
    let polled = this.with_sockets(py, |sockets| match sockets.engine() {
        Some(engine) => {
            engine.set_busy(has_late);
            engine.poll().map(drop)
        }
        None => Ok(()),
    });
    if polled.is_ok() {
        serve_fresh(reactor);
    }
    if this.with_shared(py, |shared| shared.has_late()) {
        serve_late(reactor);
    }
    Reactor::flush_all(reactor);
    drop(batch);
    Reactor::flush_rest_later(reactor);
    polled?;
    this.take_error(py).map_or(Ok(()), Err)
}

/// Serves the sockets of this batch. Once their time is over, connections are left for later. Accepting, handshakes and
/// writing go on for a little longer, because what is left for later waits behind the whole crowd.
fn serve_fresh(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let mut leaves_connections = this.with_late(py, |late| late.len()) >= CROWD;
    let mut is_late = false;
    loop {
        let next = |sockets: &mut Sockets| loop {
            let ready = sockets.next_ready()?;
            if !(leaves_connections && sockets.postpone(ready)) {
                return Some(ready);
            }
        };
        if !serve_group(reactor, next) {
            return;
        }
        if slices::is_over(reactor) {
            this.with_shared(py, |shared| shared.set_late(true));
            if is_late {
                return this.with_sockets(py, |sockets| {
                    if let Some(engine) = sockets.engine() {
                        engine.postpone_rest();
                    }
                });
            }
            (leaves_connections, is_late) = (true, true);
            slices::begin_share(reactor, true);
        }
    }
}

/// Serves what was left over, until the time slice is over: by turns a connection that has more to deliver, and a group of
/// sockets. What is left over again waits behind all others, for the next slice.
#[cold]
fn serve_late(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    set_busy(reactor, true);
    let mut in_vain = 0;
    while in_vain < 2 && !slices::is_all_over(reactor) {
        let sockets = this.with_sockets(py, |sockets| sockets.late_len());
        let served = if this.with_shared(py, Shared::take_turns) {
            slices::serve_one(reactor, sockets > 0)
        } else {
            let reads = sockets > 0 && this.with_late(py, |late| late.len()) < CROWD;
            if reads {
                slices::begin_share(reactor, true);
                serve_group(reactor, Sockets::next_late);
            }
            reads
        };
        in_vain = if served { 0 } else { in_vain + 1 };
    }
    set_busy(reactor, false);
    if in_vain < 2 {
        slices::schedule(reactor);
    } else {
        this.with_shared(py, |shared| shared.set_late(false));
    }
}

/// Sets whether sockets with more to read wait behind the others.
fn set_busy(reactor: &Bound<'_, Reactor>, is_busy: bool) {
    reactor.get().with_sockets(reactor.py(), |sockets| {
        if let Some(engine) = sockets.engine() {
            engine.set_busy(is_busy);
        }
    });
}

/// Serves one group of sockets: all of them are read, then their bytes are delivered, then the queues are written. Returns
/// true if there may be more.
fn serve_group(reactor: &Bound<'_, Reactor>, next: impl Fn(&mut Sockets) -> Option<Ready>) -> bool {
    let (py, this) = (reactor.py(), reactor.get());
    let mut read_group = this.take_read_group(py);
    let mut is_complete = false;
    for _ in 0..GROUP {
        let Some(ready) = this.with_sockets(py, &next) else { break };
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
        is_complete = !read || read_group.are_enough();
        if is_complete {
            break;
        }
    }
    read_group.deliver(reactor);
    this.give_read_group(py, read_group);
    if is_complete {
        flush_dirty(reactor);
    }
    is_complete
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
    for number in 0..ACCEPTS {
        if number > 0 && slices::is_over(reactor) {
            return; // the poller reports the listener again
        }
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
