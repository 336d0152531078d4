//! `WebSocket.send` and `async for` without a Python frame of ours: their usual case, an open
//! WebSocket, is one native call. What else there is stays with the methods in Python.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBoolMethods};

use super::connection::Connection;
use super::waiter::Wish;

/// `readyState` of an open WebSocket.
const OPEN: i32 = 1;

/// `WebSocket.send`; see `python/wsrs/websocket.py`.
#[pyfunction]
#[pyo3(signature = (ws, data, options = None, callback = None, *, binary = None, compress = None, fin = true, mask = None))]
#[allow(clippy::too_many_arguments)] // keywords in Python
fn send<'py>(
    ws: &Bound<'py, PyAny>,
    data: &Bound<'py, PyAny>,
    options: Option<&Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    binary: Option<bool>,
    compress: Option<bool>,
    fin: bool,
    mask: Option<bool>,
) -> PyResult<Py<PyAny>> {
    let py = ws.py();
    if options.is_none()
        && let Ok(connection) = ws.getattr(intern!(py, "_conn"))?.cast_into::<Connection>()
        && is_open(ws)?
    {
        let callback = callback.map(|one| one.clone().unbind());
        return Connection::send_now(&connection, data, (binary, compress, fin, mask), callback);
    }
    let arguments = (data, options, callback, binary, compress, fin, mask);
    ws.call_method1(intern!(py, "_send_otherwise"), arguments).map(Bound::unbind)
}

#[inline]
fn is_open(ws: &Bound<'_, PyAny>) -> PyResult<bool> {
    ws.getattr(intern!(ws.py(), "_ready_state"))?.extract::<i32>().map(|state| state == OPEN)
}

#[cfg(unix)]
unsafe extern "C" {
    /// `instancemethod`: makes any callable a method of a class that has it as an attribute.
    fn PyInstanceMethod_New(function: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// The descriptor to be put into the class.
pub fn send_method(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let native = wrap_pyfunction!(send, py)?;
    // SAFETY: a new reference to a method descriptor around a callable, or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, PyInstanceMethod_New(native.as_ptr())) }
}

/// What `async for` goes through: the messages of a WebSocket.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Messages {
    ws: Py<PyAny>,
}

#[pymethods]
impl Messages {
    #[new]
    fn new(ws: Py<PyAny>) -> Self {
        Self { ws }
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ws = self.ws.bind(py);
        if ws.getattr(intern!(py, "_direct"))?.cast_exact::<PyBool>().is_ok_and(|one| one.is_true())
            && let Ok(connection) = ws.getattr(intern!(py, "_conn"))?.cast_into::<Connection>()
        {
            return Ok(Connection::waiter(&connection, Wish::Next)?.into_any());
        }
        ws.call_method0(intern!(py, "__anext__")).map(Bound::unbind)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ws)
    }
}
