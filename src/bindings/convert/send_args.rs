//! The arguments that say how to send. A value of another type is rejected with the name of its argument.

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

/// The argument `binary`. If it is `None`, text is sent as text, and bytes as binary.
pub fn binary(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("binary", value)
}

/// The argument `compress`. If it is `None`, the message is compressed if that was negotiated.
pub fn compress(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("compress", value)
}

/// The argument `mask`. If it is `None`, the role decides (RFC 6455 section 5.1).
pub fn mask(value: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    optional("mask", value)
}

/// The argument `fin`. It is true if the message ends with this frame.
pub fn fin(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag("fin", value)
}

/// The argument `callback`. It is called once the frame is written, or cannot be, in the context of the
/// sender.
pub fn callback(value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    static BIND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if value.is_none() {
        return Ok(None);
    }
    let bind = BIND.import(value.py(), "wsrs._aio.callbacks", "bind_callback")?;
    bind.call1((value,)).map(|bound| Some(bound.unbind()))
}
