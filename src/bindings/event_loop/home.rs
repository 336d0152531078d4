//! The thread to which the connections of an event loop belong: the one that runs the loop.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::event_loop::shared::forks;

/// The thread in which the loop was last seen to run; 0 before that.
#[derive(Default)]
pub struct Home(AtomicUsize);

impl Home {
    /// Records that the loop runs in this thread, because it has called us.
    #[inline]
    pub fn enter(&self, py: Python<'_>) {
        self.0.store(here(py), Ordering::Relaxed);
    }

    /// Forgets where the loop ran.
    pub fn leave(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Raises `RuntimeError` if `event_loop` runs in another thread. A loop that does not run may be used from
    /// any thread, and may go on in another one. So only a difference is examined further: a comparison costs
    /// a message next to nothing.
    #[inline]
    pub fn check(&self, py: Python<'_>, event_loop: &Py<PyAny>) -> PyResult<()> {
        if self.is_here(py) { Ok(()) } else { self.check_elsewhere(py, event_loop) }
    }

    /// True if the loop was last seen to run in this thread.
    #[inline]
    pub fn is_here(&self, py: Python<'_>) -> bool {
        self.0.load(Ordering::Relaxed) == here(py)
    }

    /// Like [`Self::check`], but always asks the event loop. Raises `RuntimeError` if that is closed, too.
    #[cold]
    pub fn check_elsewhere(&self, py: Python<'_>, event_loop: &Py<PyAny>) -> PyResult<()> {
        let threads = py.import(intern!(py, "wsrs._backend.threads"))?;
        if threads.call_method1(intern!(py, "check_thread"), (event_loop,))?.is_truthy()? {
            self.enter(py);
        }
        Ok(())
    }
}

/// Identifies this thread, and this process among its forks, whose threads have the same addresses.
#[inline]
fn here(_py: Python<'_>) -> usize {
    // SAFETY: the thread is attached, so there is a current thread state. Only its address is used, to which
    // the few forks that a process has behind it add less than the size of that state.
    let state = unsafe { ffi::PyThreadState_Get() };
    state.addr().wrapping_add(forks() as usize)
}
