//! The arguments that say how to send, refused by name where they are of another kind.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBool;

/// `binary`, `compress`, `fin`, `mask`.
pub type SendArgs = (Option<bool>, Option<bool>, bool, Option<bool>);

fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let found = value.cast_exact::<PyBool>().map(|one| one.is_true());
    found.or_else(|_| {
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!("{name} must be a bool, not {kind}")))
    })
}

fn optional(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    if value.is_none() { Ok(None) } else { flag(name, value).map(Some) }
}

/// `None`: text is sent as text, and bytes as binary.
pub fn binary(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("binary", value)
}

/// `None`: where it was agreed on.
pub fn compress(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("compress", value)
}

/// `None`: as the role wants it (RFC 6455 section 5.1).
pub fn mask(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("mask", value)
}

/// Whether the message ends with this frame.
pub fn fin(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("fin", value)
}

/// Called when the frame is written out, or is not going to be; in the context of whoever sends it.
pub fn callback(value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    static BIND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if value.is_none() {
        return Ok(None);
    }
    let bind = BIND.import(value.py(), "wsrs._aio.callbacks", "bind_callback")?;
    bind.call1((value,)).map(|bound| Some(bound.unbind()))
}
