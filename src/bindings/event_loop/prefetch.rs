//! Prefetches the memory that is read first when a connection is served. With a thousand sockets ready, that
//! memory has left the processor's cache since the connection was last served.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFunction, PyTuple, PyType};

use crate::simd::prefetch::prefetch;

/// Number of objects recorded per listener: a function's closure tuple, and two cells with their contents.
const NOTED: usize = 5;
/// Number of bytes prefetched per object: its header and the fields of a cell, a small tuple or a bound
/// method.
const SIZE: usize = 48;

/// Addresses of the objects that a listener refers to. They are only passed to the processor's prefetch
/// instruction, so they keep nothing alive, and a dangling one does no harm. The interpreter finds each of
/// these objects through the one before, and would otherwise wait for each in turn.
#[derive(Default)]
pub struct Prefetch([usize; NOTED]);

impl Prefetch {
    /// Records what `listener` refers to: a function's closure and its variables, or the object that a method
    /// is bound to. Records nothing for any other callable.
    pub fn of(listener: &Bound<'_, PyAny>) -> Self {
        let mut noted = Self::default();
        let mut places = noted.0.iter_mut();
        let mut note = |object: &Bound<'_, PyAny>| {
            if let Some(place) = places.next() {
                *place = object.as_ptr() as usize;
            }
        };
        let py = listener.py();
        // Only the interpreter's own types are looked into: reading an attribute of any other object may run
        // user code.
        if listener.is_exact_instance_of::<PyFunction>()
            && let Ok(closure) = listener.getattr(intern!(py, "__closure__"))
            && let Ok(cells) = closure.cast::<PyTuple>()
        {
            note(cells);
            for cell in cells {
                note(&cell);
                // An empty cell raises ValueError.
                let _ = cell.getattr(intern!(py, "cell_contents")).map(|contents| note(&contents));
            }
        } else if is_bound_method(listener)
            && let Ok(bound_to) = listener.getattr(intern!(py, "__self__"))
        {
            note(&bound_to);
        }
        noted
    }

    /// Prefetches the recorded objects.
    #[inline]
    pub fn fetch(&self) {
        for address in self.0.iter().filter(|address| **address != 0) {
            prefetch(*address as *const u8, SIZE);
        }
    }
}

fn is_bound_method(listener: &Bound<'_, PyAny>) -> bool {
    static METHOD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    METHOD
        .import(listener.py(), "types", "MethodType")
        .is_ok_and(|method| listener.get_type().is(method))
}
