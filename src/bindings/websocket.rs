//! `WebSocket.send` and `async for` without a Python frame of ours: their usual case, an open
//! WebSocket, is one native call. What else there is stays with the methods in Python.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBoolMethods, PyString, PyType};

use super::connection::Connection;
use super::flags;
use super::slot::Slot;
use super::waiter::Wish;

/// `readyState` of an open WebSocket.
const OPEN: i32 = 1;

/// What the native `send` knows of the class that it is a method of.
struct Native {
    class: Py<PyType>,
    connection: Slot,
    ready_state: Slot,
    direct: Slot,
    /// The integer 1, of which CPython has one only.
    open: Py<PyAny>,
    /// `send` with all of its arguments.
    with_options: Py<PyAny>,
    /// The keywords that say how to send, interned as those of a call are.
    keywords: [Py<PyString>; 4],
}

/// `binary`, `compress`, `fin`, `mask`.
type Options = (Option<bool>, Option<bool>, bool, Option<bool>);

impl Native {
    /// What keywords ask for; None where it takes more than a look: another keyword, no bool.
    ///
    /// # Safety
    ///
    /// `names` is null or a tuple, of as many objects as there are at `values`.
    #[inline]
    unsafe fn options(
        &self,
        values: *const *mut ffi::PyObject,
        names: *mut ffi::PyObject,
    ) -> Option<Options> {
        let mut found = [None, None, Some(true), None];
        if names.is_null() {
            return Some((None, None, true, None));
        }
        // SAFETY: a tuple.
        for at in 0..unsafe { ffi::PyTuple_GET_SIZE(names) } {
            // SAFETY: within the tuple and within the values.
            let (name, value) = unsafe { (ffi::PyTuple_GET_ITEM(names, at), *values.offset(at)) };
            let keyword = self.keywords.iter().position(|one| one.as_ptr() == name)?;
            // SAFETY: the two bools, of which there are no others.
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
#[pyo3(signature = (ws, data, options = None, callback = None, *, binary = None, compress = None, fin = true, mask = None))]
#[allow(clippy::too_many_arguments)] // keywords in Python
fn send<'py>(
    ws: &Bound<'py, PyAny>,
    data: &Bound<'py, PyAny>,
    options: Option<&Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = flags::binary)] binary: Option<bool>,
    #[pyo3(from_py_with = flags::compress)] compress: Option<bool>,
    #[pyo3(from_py_with = flags::fin)] fin: bool,
    #[pyo3(from_py_with = flags::mask)] mask: Option<bool>,
) -> PyResult<Py<PyAny>> {
    let py = ws.py();
    if options.is_none()
        && let Ok(connection) = ws.getattr(intern!(py, "_conn"))?.cast_into::<Connection>()
        && is_open(ws)?
    {
        let callback = callback.map(flags::callback).transpose()?.flatten();
        return Connection::send_now(&connection, data, (binary, compress, fin, mask), callback);
    }
    let arguments = (data, options, callback, binary, compress, fin, mask);
    ws.call_method1(intern!(py, "_send_otherwise"), arguments).map(Bound::unbind)
}

#[inline]
fn is_open(ws: &Bound<'_, PyAny>) -> PyResult<bool> {
    ws.getattr(intern!(ws.py(), "_ready_state"))?.extract::<i32>().map(|state| state == OPEN)
}

/// `send` as CPython calls it. One argument, with keywords or not, and an
/// open WebSocket, the usual case, is sent from here.
unsafe extern "C" fn send_fast(
    ws: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // A panic must not unwind into C.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        Python::attach(|py| {
            // SAFETY: what CPython gives a method: `ws` is an instance of the class it belongs to, `args`
            // are `count` objects and those of the keywords' `names`; all live until we return.
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
/// The arguments are those of a method of the class that [`send_method`] was given.
#[inline]
unsafe fn send_called(
    py: Python<'_>,
    ws: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<Py<PyAny>> {
    let Some(native) = NATIVE.get(py) else {
        return Err(PyRuntimeError::new_err("send() before the module is ready"));
    };
    // SAFETY: as said of the arguments; keywords' values stand behind the `count` others.
    let options = (count == 1).then(|| unsafe { native.options(args.add(1), names) });
    if let Some(options) = options.flatten() {
        // SAFETY: `ws` is an instance of the class whose slots these are; `args` is one object. The
        // connection is held on to before anything of Python runs.
        let (open, connection, data) = unsafe {
            let open = native.ready_state.get(ws) == native.open.as_ptr();
            let connection = Bound::from_borrowed_ptr_or_opt(py, native.connection.get(ws));
            (open, connection, Borrowed::from_ptr(py, *args))
        };
        if open
            && let Some(connection) = connection.and_then(|one| one.cast_into::<Connection>().ok())
        {
            return Connection::send_now(&connection, &data, options, None);
        }
    }
    // SAFETY: as above; keywords' values stand behind the `count` arguments.
    let (all, keywords) = unsafe {
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names) };
        let len = usize::try_from(count + keywords).unwrap_or_default();
        let given = if len == 0 { &[] } else { std::slice::from_raw_parts(args, len) };
        (std::iter::once(ws).chain(given.iter().copied()).collect::<Vec<_>>(), keywords)
    };
    let positional = all.len() - usize::try_from(keywords).unwrap_or_default();
    // SAFETY: a callable, as many objects as are said, and the tuple of names or null; a new reference or
    // null with an exception is returned.
    unsafe {
        let function = native.with_options.as_ptr();
        let result = ffi::PyObject_Vectorcall(function, all.as_ptr(), positional, names);
        Bound::from_owned_ptr_or_err(py, result).map(Bound::unbind)
    }
}

struct Definition(ffi::PyMethodDef);

// SAFETY: never changed, and what it refers to are constants.
unsafe impl Sync for Definition {}

static DEFINITION: Definition = Definition(ffi::PyMethodDef {
    ml_name: c"send".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: send_fast },
    ml_flags: METH_FLAGS,
    ml_doc: DOC.as_ptr(),
});

const METH_FLAGS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// Where `inspect.signature` and `help` find it.
const DOC: &CStr = c"send($self, data, options=None, callback=None, *, binary=None, \
compress=None, fin=True, mask=None)\n--\n\nSend a message at once; awaiting the result waits only \
while `high_water_mark` bytes are queued.";

/// The method of `class`; None where it is not laid out as it must be.
pub fn send_method<'py>(class: &Bound<'py, PyType>) -> PyResult<Option<Bound<'py, PyAny>>> {
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
            with_options: wrap_pyfunction!(send, py)?.into_any().unbind(),
            keywords: ["binary", "compress", "fin", "mask"]
                .map(|name| PyString::intern(py, name).unbind()),
        })
    })?;
    if !native.class.is(class) {
        return Ok(None); // made when the package was imported a second time
    }
    let definition = (&raw const DEFINITION.0).cast_mut();
    // SAFETY: a type, and a definition that lives for ever and that CPython does not write to; a new
    // reference or null with an exception is returned.
    let made = unsafe {
        let method = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
        Bound::from_owned_ptr_or_err(py, method)?
    };
    Ok(Some(made))
}

/// What `async for` goes through: the messages of a WebSocket.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Messages {
    ws: Py<PyAny>,
    /// Whether `ws` is of the class whose slots are known.
    is_native: bool,
}

impl Messages {
    /// The connection that the messages can be taken from without asking the WebSocket.
    #[inline]
    fn direct<'py>(&self, ws: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Connection>>> {
        let py = ws.py();
        let (direct, connection) = match NATIVE.get(py).filter(|_| self.is_native) {
            // SAFETY: `ws` is alive and an instance of the class whose slots these are; what is in them is
            // held on to at once.
            Some(native) => unsafe {
                let direct = native.direct.get(ws.as_ptr()) == ffi::Py_True();
                (direct, Bound::from_borrowed_ptr_or_opt(py, native.connection.get(ws.as_ptr())))
            },
            None => {
                let direct = ws.getattr(intern!(py, "_direct"))?;
                let direct = direct.cast_exact::<PyBool>().is_ok_and(|one| one.is_true());
                (direct, Some(ws.getattr(intern!(py, "_conn"))?))
            }
        };
        Ok(connection.filter(|_| direct).and_then(|one| one.cast_into::<Connection>().ok()))
    }
}

/// Whether the type of `ws` is a subclass of `native`'s, which has the same slots at the same places.
fn is_kind_of(ws: &Bound<'_, PyAny>, native: &Native) -> bool {
    // SAFETY: both are alive, and the class is a type.
    unsafe { ffi::PyObject_TypeCheck(ws.as_ptr(), native.class.as_ptr().cast()) != 0 }
}

#[pymethods]
impl Messages {
    #[new]
    fn new(ws: Bound<'_, PyAny>) -> Self {
        let is_native = match NATIVE.get(ws.py()) {
            // By the type alone: `isinstance` believes an object's `__class__`, and there are no slots then.
            Some(native) => is_kind_of(&ws, native),
            None => false,
        };
        Self { ws: ws.unbind(), is_native }
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ws = self.ws.bind(py);
        if let Some(connection) = self.direct(ws)? {
            return Ok(Connection::waiter(&connection, Wish::Next)?.into_any());
        }
        ws.call_method0(intern!(py, "__anext__")).map(Bound::unbind)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ws)
    }
}
