//! Text of a message as `str`.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;

/// `bytes` as `str`. They were validated while they came, unless `lossy` (skip_utf8_validation): then
/// what is not UTF-8 becomes U+FFFD, as in ws.
#[inline]
pub fn decode(py: Python<'_>, bytes: &[u8], lossy: bool) -> PyResult<Py<PyAny>> {
    let errors = if lossy { c"replace".as_ptr() } else { c"strict".as_ptr() };
    // SAFETY: pointer and length are those of a live slice; the result is a new reference or null
    // and an error. CPython copies ASCII a word at a time into an exactly sized string.
    unsafe {
        let text = ffi::PyUnicode_DecodeUTF8(
            bytes.as_ptr().cast(),
            bytes.len() as ffi::Py_ssize_t,
            errors,
        );
        Ok(Bound::from_owned_ptr_or_err(py, text)?.unbind())
    }
}
