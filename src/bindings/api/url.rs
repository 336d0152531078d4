//! `parse_url`, for the addresses to which clients connect.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::protocol::url;

/// The fields of a URL: href, username, password, host, port and request target.
type Address = (String, String, String, String, u16, String);

/// See `wsrs._backend.contract.Backend.parse_url`.
#[pyfunction]
#[pyo3(signature = (text, base=None))]
pub fn parse_url(text: &str, base: Option<&str>) -> PyResult<Address> {
    let url = url::parse(text, base).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((url.href, url.username, url.password, url.host, url.port, url.target))
}
