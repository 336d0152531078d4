//! `WebSocket.send` without a Python frame of ours: the usual case, an open WebSocket, is one native call.
//! All other cases are left to the method in Python.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::send;
use crate::bindings::convert::send_args::{self, SendArgs};
use crate::bindings::py::slots::Slot;

/// `readyState` of an open WebSocket; mirrors `python/wsrs/_websocket/state.py`.
const OPEN: i32 = 1;

/// What the native `send` knows about the class whose method it is.
pub struct Native {
    class: Py<PyType>,
    connection: Slot,
    ready_state: Slot,
    direct: Slot,
    /// The integer 1, of which CPython has only one.
    open: Py<PyAny>,
    /// The `send` that takes all arguments.
    with_options: Py<PyAny>,
    /// The keywords that say how to send, interned like those of a call.
    keywords: [Py<PyString>; 4],
}

impl Native {
    /// What is known about the class; None before [`send_method`] is called.
    pub fn get(py: Python<'_>) -> Option<&'static Self> {
        NATIVE.get(py)
    }

    /// True if the type of `ws` is the class or derived from it, and so has the same slots at the same
    /// offsets. `isinstance` would not do, because it believes an object's `__class__`.
    pub fn is_type_of(&self, ws: &Bound<'_, PyAny>) -> bool {
        // SAFETY: both are alive, and the class is a type.
        unsafe { ffi::PyObject_TypeCheck(ws.as_ptr(), self.class.as_ptr().cast()) != 0 }
    }

    /// Returns true if messages may be taken from the connection without asking the WebSocket, and the
    /// connection.
    ///
    /// # Safety
    ///
    /// [`Self::is_type_of`] must hold for `ws`.
    #[inline]
    pub unsafe fn direct<'py>(&self, ws: &Bound<'py, PyAny>) -> (bool, Option<Bound<'py, PyAny>>) {
        // SAFETY: `ws` is alive and has the slots; we take a reference to what is in them at once.
        unsafe {
            let direct = self.direct.get(ws.as_ptr()) == ffi::Py_True();
            let connection = self.connection.get(ws.as_ptr());
            (direct, Bound::from_borrowed_ptr_or_opt(ws.py(), connection))
        }
    }

    /// Reads the keywords of a call. Returns None where that takes more than a look: another keyword, or a
    /// value that is not a bool.
    ///
    /// # Safety
    ///
    /// `names` must be null or a tuple of as many objects as there are at `values`.
    #[inline]
    unsafe fn options(
        &self,
        values: *const *mut ffi::PyObject,
        names: *mut ffi::PyObject,
    ) -> Option<SendArgs> {
        let mut found = [None, None, Some(true), None];
        if names.is_null() {
            return Some((None, None, true, None));
        }
        // SAFETY: `names` is a tuple.
        for at in 0..unsafe { ffi::PyTuple_GET_SIZE(names) } {
            // SAFETY: `at` is within the tuple and within the values.
            let (name, value) = unsafe { (ffi::PyTuple_GET_ITEM(names, at), *values.offset(at)) };
            let keyword = self.keywords.iter().position(|one| one.as_ptr() == name)?;
            // SAFETY: these are the two bools, of which there are no others.
            let (yes, no) = unsafe { (ffi::Py_True(), ffi::Py_False()) };
            if value != yes && value != no {
                return None;
            }
            found[keyword] = Some(value == yes);
        }
        let [binary, compress, fin, mask] = found;
        Some((binary, compress, fin?, mask))
    }
}

static NATIVE: PyOnceLock<Native> = PyOnceLock::new();

/// `WebSocket.send`; see `python/wsrs/websocket.py`.
#[pyfunction]
#[pyo3(name = "send", signature = (ws, data, options = None, callback = None, *, binary = None, compress = None, fin = true, mask = None))]
#[allow(clippy::too_many_arguments)] // keywords in Python
fn send_with_options<'py>(
    ws: &Bound<'py, PyAny>,
    data: &Bound<'py, PyAny>,
    options: Option<&Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = send_args::binary)] binary: Option<bool>,
    #[pyo3(from_py_with = send_args::compress)] compress: Option<bool>,
    #[pyo3(from_py_with = send_args::fin)] fin: bool,
    #[pyo3(from_py_with = send_args::mask)] mask: Option<bool>,
) -> PyResult<Py<PyAny>> {
    let py = ws.py();
    if options.is_none()
        && let Ok(connection) = ws.getattr(intern!(py, "_conn"))?.cast_into::<Connection>()
        && is_open(ws)?
    {
        let callback = callback.map(send_args::callback).transpose()?.flatten();
        return send::send(&connection, data, (binary, compress, fin, mask), callback);
    }
    let arguments = (data, options, callback, binary, compress, fin, mask);
    ws.call_method1(intern!(py, "_send_otherwise"), arguments).map(Bound::unbind)
}

#[inline]
fn is_open(ws: &Bound<'_, PyAny>) -> PyResult<bool> {
    ws.getattr(intern!(ws.py(), "_ready_state"))?.extract::<i32>().map(|state| state == OPEN)
}

/// `send` as CPython calls it. The usual case is sent from here: one argument, with or without keywords, on
/// an open WebSocket.
unsafe extern "C" fn send_fast(
    ws: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // A panic must not unwind into C.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        Python::attach(|py| {
            // SAFETY: CPython calls a method with an instance of its class as `ws`, and with `count` objects
            // and then the values of the keywords in `names` as `args`. All of them live until we return.
            let result = unsafe { send_called(py, ws, args, count, names) };
            result.map_or_else(
                |error| {
                    error.restore(py);
                    std::ptr::null_mut()
                },
                Py::into_ptr,
            )
        })
    }));
    outcome.unwrap_or_else(|_| {
        Python::attach(|py| PyRuntimeError::new_err("send() panicked").restore(py));
        std::ptr::null_mut()
    })
}

/// # Safety
///
/// The arguments must be those of a method of the class that was passed to [`send_method`].
#[inline]
unsafe fn send_called(
    py: Python<'_>,
    ws: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<Py<PyAny>> {
    let Some(native) = NATIVE.get(py) else {
        return Err(PyRuntimeError::new_err("send() was called before the module was ready"));
    };
    // SAFETY: see the arguments of this function; the values of keywords follow the `count` others.
    let options = (count == 1).then(|| unsafe { native.options(args.add(1), names) });
    if let Some(options) = options.flatten() {
        // SAFETY: `ws` is an instance of the class whose slots these are; `args` is one object. We take a
        // reference to the connection before any Python code runs.
        let (open, connection, data) = unsafe {
            let open = native.ready_state.get(ws) == native.open.as_ptr();
            let connection = Bound::from_borrowed_ptr_or_opt(py, native.connection.get(ws));
            (open, connection, Borrowed::from_ptr(py, *args))
        };
        if open
            && let Some(connection) = connection.and_then(|one| one.cast_into::<Connection>().ok())
        {
            return send::send(&connection, &data, options, None);
        }
    }
    // SAFETY: as above; the values of keywords follow the `count` arguments.
    let (all, keywords) = unsafe {
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names) };
        let len = usize::try_from(count + keywords).unwrap_or_default();
        let given = if len == 0 { &[] } else { std::slice::from_raw_parts(args, len) };
        (std::iter::once(ws).chain(given.iter().copied()).collect::<Vec<_>>(), keywords)
    };
    let positional = all.len() - usize::try_from(keywords).unwrap_or_default();
    // SAFETY: `function` is a callable, `all` has as many objects as we say, and `names` is a tuple or null.
    // The call returns a new reference, or null with an exception set.
    unsafe {
        let function = native.with_options.as_ptr();
        let result = ffi::PyObject_Vectorcall(function, all.as_ptr(), positional, names);
        Bound::from_owned_ptr_or_err(py, result).map(Bound::unbind)
    }
}

struct Definition(ffi::PyMethodDef);

// SAFETY: it never changes, and refers to constants only.
unsafe impl Sync for Definition {}

static DEFINITION: Definition = Definition(ffi::PyMethodDef {
    ml_name: c"send".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: send_fast },
    ml_flags: METH_FLAGS,
    ml_doc: DOC.as_ptr(),
});

const METH_FLAGS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// The docstring, in the form in which `inspect.signature` and `help` find the signature.
const DOC: &CStr = c"send($self, data, options=None, callback=None, *, binary=None, \
compress=None, fin=True, mask=None)\n--\n\nSend a message at once; awaiting the result waits only \
while more than `high_water_mark` bytes are queued.";

/// Makes the native method for `class`. Returns None if the class does not have the slots that it needs.
fn native_method<'py>(class: &Bound<'py, PyType>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    let (Some(connection), Some(ready_state), Some(direct)) =
        (Slot::of(class, "_conn")?, Slot::of(class, "_ready_state")?, Slot::of(class, "_direct")?)
    else {
        return Ok(None);
    };
    let native = NATIVE.get_or_try_init(py, || {
        PyResult::Ok(Native {
            class: class.clone().unbind(),
            connection,
            ready_state,
            direct,
            open: OPEN.into_pyobject(py)?.into_any().unbind(),
            with_options: wrap_pyfunction!(send_with_options, py)?.into_any().unbind(),
            keywords: ["binary", "compress", "fin", "mask"]
                .map(|name| PyString::intern(py, name).unbind()),
        })
    })?;
    if !native.class.is(class) {
        return Ok(None); // another class: the package was imported a second time
    }
    let definition = (&raw const DEFINITION.0).cast_mut();
    // SAFETY: `class` is a type, and the definition lives for ever and CPython does not write to it. The call
    // returns a new reference, or null with an exception set.
    let made = unsafe {
        let method = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
        Bound::from_owned_ptr_or_err(py, method)?
    };
    Ok(Some(made))
}

/// Returns the method `send` for `class_`, a class of WebSockets: a native one, or `function` if there can be
/// none.
#[pyfunction]
pub fn send_method<'py>(
    class_: &Bound<'py, PyType>,
    function: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(native_method(class_)?.unwrap_or(function))
}
