//! What a connection's turn reads first, for the processor to fetch before it comes: with a thousand sockets
//! ready it has left the cache since the last one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFunction, PyTuple, PyType};

use crate::simd::prefetch::prefetch;

/// Objects noted of a listener: of a function its closure, and two cells with what is in them.
const NOTED: usize = 5;
/// Bytes fetched of each object: its head, and what a cell, a small tuple or a bound method holds.
const SIZE: usize = 48;

/// Addresses of the objects that a listener refers to, only ever given to the processor's prefetch: they keep
/// nothing alive, and one whose object is gone does no harm. The interpreter finds one by way of the other,
/// and would wait for each.
#[derive(Default)]
pub struct Prefetch([usize; NOTED]);

impl Prefetch {
    /// What `listener` refers to: a closure with its variables, or what a method is bound to. Nothing for any
    /// other callable.
    pub fn of(listener: &Bound<'_, PyAny>) -> Self {
        let mut noted = Self::default();
        let mut places = noted.0.iter_mut();
        let mut note = |object: &Bound<'_, PyAny>| {
            if let Some(place) = places.next() {
                *place = object.as_ptr() as usize;
            }
        };
        let py = listener.py();
        // Only of the interpreter's own types: an attribute of any other object may run a program's code.
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

    /// Has the processor fetch them.
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
