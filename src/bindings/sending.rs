//! `WebSocket.send` without a Python frame: its usual case, an open WebSocket, is one native call.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use super::connection::Connection;

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

unsafe extern "C" {
    /// `instancemethod`: makes any callable a method of a class that has it as an attribute.
    fn PyInstanceMethod_New(function: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// The descriptor to be put into the class.
pub fn native(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let native = wrap_pyfunction!(send, py)?;
    // SAFETY: a new reference to a method descriptor around a callable, or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, PyInstanceMethod_New(native.as_ptr())) }
}
