//! The class `Connection` as Python sees it.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::Connection;

/// Makes the class `Connection` that Python sees. It also derives from `asyncio.BufferedProtocol`, because
/// asyncio's transports check whether a protocol is an instance of that.
pub fn connection_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let native = py.get_type::<Connection>();
    let buffered = py.import("asyncio")?.getattr("BufferedProtocol")?;
    let members = PyDict::new(py);
    members.set_item("__slots__", ())?;
    members.set_item("__module__", "wsrs._core")?;
    members.set_item("__doc__", native.getattr("__doc__")?)?;
    py.get_type::<PyType>().call1(("Connection", (native, buffered), members))
}
