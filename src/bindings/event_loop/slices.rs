//! Time slices: what is left over when one has ended, and how the loop is asked for the next.
//!
//! Connections that have more to deliver wait in a list, in the order in which their time ended. The loop calls
//! `_next_slice` once in each iteration while something is left over, so that its other users run in between.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::owner::Connection;
use super::reactor::Reactor;
use crate::session::{Verdict, delivery};

/// The connections that wait for a slice.
pub type Late = VecDeque<Py<Connection>>;

/// The length of a slice in nanoseconds; 0 means that it has no end.
static LENGTH: AtomicU64 = AtomicU64::new(5_000_000);

/// Sets for how many seconds wsrs keeps a loop at a stretch; 0 means without a bound.
#[pyfunction]
#[pyo3(signature = (seconds, /))]
pub fn set_time_slice(seconds: f64) -> PyResult<()> {
    let length = Duration::try_from_secs_f64(seconds).ok().filter(|one| one.as_secs() < 3600);
    let Some(length) = length else {
        return Err(PyValueError::new_err("a time slice must be from 0 to 3600 seconds"));
    };
    // The nanoseconds of an hour fit.
    LENGTH.store(length.as_nanos() as u64, Ordering::Relaxed);
    Ok(())
}

fn length() -> Option<Duration> {
    let nanoseconds = LENGTH.load(Ordering::Relaxed);
    (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
}

/// Counts a read of so many bytes that is about to be delivered, or a message that a task takes (0). Looks at the clock if
/// it is time to. True if the slice is over.
#[inline]
pub fn count_and_check(reactor: &Bound<'_, Reactor>, bytes: usize) -> bool {
    let is_due = reactor.get().with_shared(reactor.py(), |shared| shared.slice().count(bytes));
    is_due && is_over(reactor)
}

/// Looks at the clock. True if the slice, or the present share of it, is over.
#[cold]
pub fn is_over(reactor: &Bound<'_, Reactor>) -> bool {
    let Some(length) = length() else { return false };
    let now = Instant::now();
    match reactor.get().with_shared(reactor.py(), |shared| shared.check_slice(now, length)) {
        Verdict::GoOn => false,
        Verdict::Over => true,
        Verdict::Unbounded => {
            schedule(reactor);
            false
        }
    }
}

/// Begins a share of the slice for one of those that wait; all that is left of it if no others wait.
pub fn begin_share(reactor: &Bound<'_, Reactor>, others_wait: bool) {
    let Some(length) = length() else { return };
    let now = Instant::now();
    reactor.get().with_shared(reactor.py(), |shared| {
        shared.slice().begin_share(now, length, others_wait);
    });
}

/// Looks at the clock. True if the whole slice is over.
pub fn is_all_over(reactor: &Bound<'_, Reactor>) -> bool {
    begin_share(reactor, false);
    is_over(reactor)
}

/// Puts a connection behind those that wait for a slice.
pub fn wait(reactor: &Bound<'_, Reactor>, connection: Py<Connection>) {
    let (py, this) = (reactor.py(), reactor.get());
    this.with_late(py, |late| late.push_back(connection));
    // A batch asks for the next slice when it ends.
    if !this.with_shared(py, |shared| {
        shared.set_late(true);
        shared.is_in_batch()
    }) {
        schedule(reactor);
    }
}

/// Has the loop call `_next_slice` in its next iteration.
#[cold]
pub fn schedule(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    if this.with_shared(py, |shared| shared.schedule_slice(true)) {
        return;
    }
    this.call_method_soon(reactor.as_any(), "_next_slice", reactor.as_any());
}

/// True if the loop has been asked for a slice. What a poller reports until then has to wait for it.
pub fn is_scheduled(reactor: &Reactor, py: Python<'_>) -> bool {
    reactor.with_shared(py, |shared| shared.is_slice_scheduled())
}

/// Runs the slice that the loop was asked for.
pub fn run(reactor: &Bound<'_, Reactor>) -> PyResult<()> {
    reactor.get().with_shared(reactor.py(), |shared| {
        shared.schedule_slice(false);
        shared.slice().begin(false);
    });
    #[cfg(unix)]
    return crate::bindings::serve::poll::run_batch(reactor);
    #[cfg(not(unix))]
    {
        serve(reactor);
        Ok(())
    }
}

/// Delivers what waits in the connection that has waited longest. Returns false if none waits.
pub fn serve_one(reactor: &Bound<'_, Reactor>, others_wait: bool) -> bool {
    let (py, this) = (reactor.py(), reactor.get());
    let (first, more) = this.with_late(py, |late| (late.pop_front(), !late.is_empty()));
    let Some(connection) = first else { return false };
    begin_share(reactor, others_wait || more);
    delivery::next_slice(connection.bind(py));
    true
}

/// Serves the connections that wait, until the slice is over.
#[cfg(not(unix))]
fn serve(reactor: &Bound<'_, Reactor>) {
    while serve_one(reactor, false) && !is_all_over(reactor) {}
    if reactor.get().with_late(reactor.py(), |late| !late.is_empty()) {
        schedule(reactor);
    }
}
