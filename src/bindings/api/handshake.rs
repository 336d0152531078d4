//! Functions for both sides of the opening handshake.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};

use crate::bindings::convert::integers;
use crate::protocol::{close, extension, handshake, http, random, subprotocol};

type Headers = Vec<(String, String)>;

/// Makes an exception of a class of `wsrs.errors`, called with `arguments`.
fn raise(
    class: &'static str,
    slot: &'static PyOnceLock<Py<PyAny>>,
    arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>>,
) -> PyErr {
    Python::attach(|py| {
        let made = slot
            .get_or_try_init(py, || Ok(py.import("wsrs.errors")?.getattr(class)?.unbind()))
            .and_then(|class| class.bind(py).call1(arguments(py)?));
        made.map_or_else(|error| error, PyErr::from_value)
    })
}

fn head_error(error: &http::HeadError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    raise("HeadError", &CLASS, |py| (error.message.clone(), error.status).into_pyobject(py))
}

/// See `wsrs._backend.contract.Backend.parse_request`.
#[pyfunction]
pub fn parse_request(
    head: &[u8],
    #[pyo3(from_py_with = integers::max_headers)] max_headers: usize,
) -> PyResult<(String, String, u8, Headers)> {
    let head = http::parse_request(head, &http::Limits { max_headers })
        .map_err(|error| head_error(&error))?;
    Ok((head.method, head.target, head.minor_version, head.headers))
}

/// See `wsrs._backend.contract.Backend.parse_response`.
#[pyfunction]
pub fn parse_response(
    head: &[u8],
    #[pyo3(from_py_with = integers::max_headers)] max_headers: usize,
) -> PyResult<(u8, u16, String, Headers)> {
    let head = http::parse_response(head, &http::Limits { max_headers })
        .map_err(|error| head_error(&error))?;
    Ok((head.minor_version, head.status, head.reason, head.headers))
}

/// See `wsrs._backend.contract.Backend.check_upgrade`.
#[pyfunction]
pub fn check_upgrade(method: &str, headers: Headers) -> PyResult<(String, u8)> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    match handshake::check_upgrade(method, &headers) {
        Ok(upgrade) => Ok((upgrade.key, upgrade.version)),
        Err(refusal) => Err(raise("UpgradeRefused", &CLASS, |py| {
            let fields = PyDict::new(py);
            for (name, value) in &refusal.headers {
                fields.set_item(name, value)?;
            }
            (refusal.message.to_string(), refusal.status, fields).into_pyobject(py)
        })),
    }
}

/// See `wsrs._backend.contract.Backend.accept_key`.
#[pyfunction]
pub fn accept_key(key: &str) -> String {
    handshake::accept_key(key)
}

/// See `wsrs._backend.contract.Backend.new_key`.
#[pyfunction]
pub fn new_key() -> String {
    let mut bytes = [0; 16];
    random::fill(&mut bytes);
    handshake::new_key(bytes)
}

/// See `wsrs._backend.contract.Backend.parse_extensions`.
#[pyfunction]
pub fn parse_extensions<'py>(py: Python<'py>, value: &str) -> PyResult<Bound<'py, PyList>> {
    let parsed =
        extension::parse(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let all = PyList::empty(py);
    for (name, params) in parsed {
        let dict = PyDict::new(py);
        for (key, param) in params {
            let value = match param {
                extension::Param::Flag => PyBool::new(py, true).to_owned().into_any(),
                extension::Param::Value(value) => PyString::new(py, &value).into_any(),
            };
            match dict.get_item(&key)? {
                Some(values) => values.cast_into::<PyList>()?.append(value)?,
                None => dict.set_item(&key, PyList::new(py, [value])?)?,
            }
        }
        all.append((name, dict))?;
    }
    Ok(all)
}

/// See `wsrs._backend.contract.Backend.parse_subprotocols`.
#[pyfunction]
pub fn parse_subprotocols(value: &str) -> PyResult<Vec<String>> {
    subprotocol::parse(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// See `wsrs._backend.contract.Backend.is_token`.
#[pyfunction]
pub fn is_token(value: &str) -> bool {
    http::is_token(value)
}

/// See `wsrs._backend.contract.Backend.is_valid_close_code`.
#[pyfunction]
pub fn is_valid_close_code(#[pyo3(from_py_with = integers::close_code)] code: Option<u16>) -> bool {
    code.is_some_and(close::is_valid_close_code)
}
