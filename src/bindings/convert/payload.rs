//! The data that a program may send, as bytes: ws's table "data to send", for the types of Python.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::slice;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The data of a message, left in the object in which it was passed where that is possible.
pub enum Payload<'py> {
    Empty,
    /// An immutable object, which may be kept until it is written.
    Bytes(Bound<'py, PyBytes>),
    /// Text, as the UTF-8 form that CPython keeps with the object.
    Text(Bound<'py, PyString>),
    /// A view of another object's memory.
    View(View),
}

impl<'py> Payload<'py> {
    /// Accepts `data` as ws's `send` does. `None` and `bool` are not data.
    ///
    /// # Errors
    /// `TypeError` for a type that has no bytes, `ValueError` for text with lone surrogates or a
    /// list with items outside of 0..=255.
    #[inline]
    pub fn of(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = data.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if let Ok(text) = data.cast::<PyString>() {
            text.to_str()?; // fails here on lone surrogates, before anything is queued
            return Ok(Self::Text(text.clone()));
        }
        Self::of_other(data)
    }

    fn of_other(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        if data.is_none() || data.is_instance_of::<PyBool>() {
            return Err(unsendable(data));
        }
        if data.is_instance_of::<PyInt>() || data.is_instance_of::<PyFloat>() {
            return Ok(Self::Text(data.str()?));
        }
        if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
            return Self::of_list(data);
        }
        if let Some(view) = View::of(data)? {
            return Ok(Self::View(view));
        }
        let py = data.py();
        if let Some(method) = data.getattr_opt(intern!(py, "__bytes__"))? {
            return Ok(Self::Bytes(exact(&method.call0()?.cast_into::<PyBytes>()?)));
        }
        if let Some(method) = data.getattr_opt(intern!(py, "__buffer__"))? {
            return Self::owned(&method.call1((0,))?);
        }
        Err(unsendable(data))
    }

    /// Like `of`, for the data of a ping or pong, where None means no data.
    pub fn of_optional(data: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        data.map_or(Ok(Self::Empty), Self::of)
    }

    /// Like `bytes(data)`. An item that is not a byte is reported in the words of `wsrs._backend.sendable`,
    /// which both cores use.
    fn of_list(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = data.py();
        let made = Self::owned(data);
        match &made {
            Err(error)
                if error.is_instance_of::<PyTypeError>(py)
                    || error.is_instance_of::<PyValueError>(py) =>
            {
                let words = py.import(intern!(py, "wsrs._backend.sendable"))?;
                Self::owned(&words.call_method1(intern!(py, "list_bytes"), (data,))?)
            }
            _ => made,
        }
    }

    /// The same data, copied if it is in memory to which Python code may write.
    pub fn kept(self, py: Python<'py>) -> Self {
        match self {
            Self::View(view) => Self::Bytes(PyBytes::new(py, view.as_slice())),
            other => other,
        }
    }

    fn owned(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        let bytes = data.py().get_type::<PyBytes>().call1((data,))?;
        Ok(Self::Bytes(exact(&bytes.cast_into::<PyBytes>()?)))
    }

    /// True if ws would send it as text by default.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Bytes(bytes) => bytes.as_bytes(),
            // `of` has made the UTF-8 form, so this cannot fail.
            Self::Text(text) => text.to_str().unwrap_or_default().as_bytes(),
            Self::View(view) => view.as_slice(),
        }
    }
}

/// Returns an exact `bytes`. A subclass may have a finaliser, and what is queued is dropped while it is
/// borrowed.
fn exact<'py>(bytes: &Bound<'py, PyBytes>) -> Bound<'py, PyBytes> {
    if bytes.is_exact_instance_of::<PyBytes>() {
        bytes.clone()
    } else {
        PyBytes::new(bytes.py(), bytes.as_bytes())
    }
}

fn unsendable(data: &Bound<'_, PyAny>) -> PyErr {
    let name = data.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "data must be str, int, float, bytes-like, a list or tuple of 0..255, a Blob or an object \
         with __bytes__ or __buffer__, not {name}"
    ))
}

/// A contiguous view taken by the buffer protocol, released when dropped.
pub struct View(Box<ffi::Py_buffer>);

impl View {
    /// Takes a view of `data`. Returns None if it does not support the buffer protocol. Strided memory is
    /// copied first.
    fn of(data: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        // SAFETY: `data` is a live object; the GIL is held.
        if unsafe { ffi::PyObject_CheckBuffer(data.as_ptr()) } == 0 {
            return Ok(None);
        }
        if let Some(view) = Self::take(data) {
            return Ok(Some(view));
        }
        // SAFETY: as above; PyMemoryView_FromObject gives a new reference or null and an error.
        let strided = unsafe {
            Bound::from_owned_ptr_or_err(data.py(), ffi::PyMemoryView_FromObject(data.as_ptr()))?
        };
        let copy = strided.call_method0(intern!(data.py(), "tobytes"))?;
        Self::take(&copy).map(Some).ok_or_else(|| unsendable(data))
    }

    fn take(data: &Bound<'_, PyAny>) -> Option<Self> {
        let mut view = Box::new(MaybeUninit::<ffi::Py_buffer>::zeroed());
        // SAFETY: `data` has the buffer protocol; the structure is ours and stays where it is.
        let status =
            unsafe { ffi::PyObject_GetBuffer(data.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_SIMPLE) };
        if status == 0 {
            // SAFETY: filled by the call above.
            return Some(Self(unsafe { view.assume_init() }));
        }
        // SAFETY: the GIL is held; the caller tries another way.
        unsafe { ffi::PyErr_Clear() };
        None
    }

    fn as_slice(&self) -> &[u8] {
        if self.0.len <= 0 || self.0.buf.is_null() {
            return &[];
        }
        // SAFETY: the exporter keeps `len` bytes at `buf` while the view is held. While the slice is used, the
        // GIL is held and no Python code runs that might write to them: the bytes are framed, compressed or
        // copied. The one function of the program that runs while a frame is made is `generate_mask`, which
        // [`Payload::kept`] is for.
        unsafe { slice::from_raw_parts(self.0.buf.cast(), self.0.len as usize) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: taken by PyObject_GetBuffer and not released yet; the GIL is held.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) }
    }
}
