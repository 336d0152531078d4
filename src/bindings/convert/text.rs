//! The text of a message as `str`.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Decodes `bytes`. They were validated as they arrived, unless `lossy` (skip_utf8_validation): then whatever
/// is not UTF-8 becomes U+FFFD, as in ws.
#[inline]
pub fn decode(py: Python<'_>, bytes: &[u8], lossy: bool) -> PyResult<Py<PyAny>> {
    if lossy {
        // CPython's "replace" is not used, because a program can register code of its own in its place.
        return Ok(PyString::new(py, &String::from_utf8_lossy(bytes)).into_any().unbind());
    }
    // SAFETY: pointer and length are those of a live slice; the result is a new reference or null
    // and an error. CPython copies ASCII a word at a time into an exactly sized string.
    unsafe {
        let text = ffi::PyUnicode_DecodeUTF8(
            bytes.as_ptr().cast(),
            bytes.len() as ffi::Py_ssize_t,
            std::ptr::null(),
        );
        Ok(Bound::from_owned_ptr_or_err(py, text)?.unbind())
    }
}
