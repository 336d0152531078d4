//! The iterator behind `async for message in ws`.

#![allow(unsafe_code)]

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBoolMethods};

use super::send_method::Native;
use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::Wish;
use crate::bindings::connection::inbound::inbox;

/// The asynchronous iterator over the messages of a WebSocket.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Messages {
    ws: Py<PyAny>,
    /// True if `ws` is an instance of the class whose slots are known.
    is_native: bool,
}

impl Messages {
    /// Returns the connection if messages may be taken from it without asking the WebSocket.
    #[inline]
    fn direct<'py>(&self, ws: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Connection>>> {
        let py = ws.py();
        let (direct, connection) = match Native::get(py).filter(|_| self.is_native) {
            // SAFETY: `ws` is an instance of the class whose slots these are.
            Some(native) => unsafe { native.direct(ws) },
            None => {
                let direct = ws.getattr(intern!(py, "_direct"))?;
                let direct = direct.cast_exact::<PyBool>().is_ok_and(|one| one.is_true());
                (direct, Some(ws.getattr(intern!(py, "_conn"))?))
            }
        };
        Ok(connection.filter(|_| direct).and_then(|one| one.cast_into::<Connection>().ok()))
    }
}

#[pymethods]
impl Messages {
    #[new]
    fn new(ws: Bound<'_, PyAny>) -> Self {
        let is_native = Native::get(ws.py()).is_some_and(|native| native.is_type_of(&ws));
        Self { ws: ws.unbind(), is_native }
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ws = self.ws.bind(py);
        if let Some(connection) = self.direct(ws)? {
            return Ok(inbox::recv(&connection, Wish::Next)?.into_any());
        }
        ws.call_method0(intern!(py, "__anext__")).map(Bound::unbind)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ws)
    }
}
