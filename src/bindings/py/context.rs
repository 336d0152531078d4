//! Calls in a `contextvars.Context`.

#![allow(unsafe_code)]

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A context in which Python code is called.
pub struct Context(Py<PyAny>);

impl Context {
    /// Returns `given`, or else a copy of the current context.
    pub fn of(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(given) = given else {
            // SAFETY: the GIL is held; the call returns a new reference, or null with an error set.
            let copy = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent()) }?;
            return Ok(Self(copy.unbind()));
        };
        // SAFETY: the object is alive; the macro only reads its type.
        if unsafe { ffi::PyContext_CheckExact(given.as_ptr()) } == 0 {
            let kind = given.get_type().name()?;
            return Err(PyTypeError::new_err(format!("context must be a Context, not {kind}")));
        }
        Ok(Self(given.clone().unbind()))
    }

    /// Runs `act` in this context, or in what `to_enter` of `_backend/context.py` says if it is entered
    /// already.
    #[inline]
    pub fn run<R>(&self, py: Python<'_>, act: impl FnOnce() -> R) -> R {
        let _entered = enter(py, &self.0);
        act()
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}

/// A context that is entered. It is left when this is dropped, even by a panic.
#[must_use]
pub enum Entered<'a, 'py> {
    /// The context itself.
    Itself(Python<'py>, &'a Py<PyAny>),
    /// A copy of it.
    Copy(Python<'py>, Py<PyAny>),
    /// It is the current one already.
    Already,
}

impl Drop for Entered<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        match self {
            Self::Itself(py, context) => leave(*py, context),
            Self::Copy(py, context) => leave(*py, context),
            Self::Already => {}
        }
    }
}

/// Enters `context`, which must be one, or what `to_enter` says.
#[inline]
pub fn enter<'a, 'py>(py: Python<'py>, context: &'a Py<PyAny>) -> Entered<'a, 'py> {
    // SAFETY: the GIL is held, and the object is a context. It is left when the result is dropped.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } == 0 {
        return Entered::Itself(py, context);
    }
    enter_otherwise(py, context)
}

#[cold]
fn enter_otherwise<'a, 'py>(py: Python<'py>, context: &'a Py<PyAny>) -> Entered<'a, 'py> {
    static TO_ENTER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    drop(PyErr::take(py)); // it says that the context is entered already
    let found = TO_ENTER
        .import(py, "wsrs._backend.context", "to_enter")
        .and_then(|function| function.call1((context,)));
    match found {
        Ok(copy) if !copy.is_none() => {
            // SAFETY: as above. The copy is new, so nobody has entered it.
            if unsafe { ffi::PyContext_Enter(copy.as_ptr()) } == 0 {
                return Entered::Copy(py, copy.unbind());
            }
            PyErr::fetch(py).write_unraisable(py, None);
            Entered::Already
        }
        Ok(_) => Entered::Already,
        Err(error) => {
            error.write_unraisable(py, None);
            Entered::Already
        }
    }
}

#[inline]
fn leave(py: Python<'_>, context: &Py<PyAny>) {
    // SAFETY: it was entered by this thread, and whatever was entered since was left again.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        PyErr::fetch(py).write_unraisable(py, None);
    }
}
