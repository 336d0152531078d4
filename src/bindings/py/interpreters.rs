//! The interpreters of the process.

#![allow(unsafe_code)]

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Raises `ImportError` in a subinterpreter. The interpreters of a process share this module's statics, and
/// with them classes and functions that belong to one of them. CPython 3.12 refuses such modules by itself,
/// but only in isolated subinterpreters.
pub fn check_main_interpreter(_py: Python<'_>) -> PyResult<()> {
    // SAFETY: the thread is attached to an interpreter. The pointers are only compared.
    if unsafe { ffi::PyInterpreterState_Get() == ffi::PyInterpreterState_Main() } {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "the Rust core of wsrs cannot be used in a subinterpreter; set WSRS_PURE_PYTHON=1 to use the pure \
         core there",
    ))
}
