//! `PerMessageDeflate`: the options and the negotiation of RFC 7692 for one connection.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bindings::convert::integers;
use crate::bindings::py::gil_cell::GilCell;
use crate::protocol::Role;
use crate::protocol::deflate::{DeflateParams, InflateParams, Strategy};
use crate::protocol::extension::Param;
use crate::protocol::per_message_deflate::{self as negotiation, Bits, Config, Params};

/// See `wsrs._backend.contract.PerMessageDeflate`.
#[pyclass(frozen, module = "wsrs._core")]
pub struct PerMessageDeflate {
    role: Role,
    config: Config,
    accepted: GilCell<Option<Params>>,
}

impl PerMessageDeflate {
    /// The most jobs for long messages that may run at once.
    pub const fn concurrency_limit(&self) -> usize {
        self.config.concurrency_limit
    }

    /// The negotiated parameters, for the receiver and the sender.
    pub fn negotiated(&self, py: Python<'_>) -> PyResult<Option<(InflateParams, DeflateParams)>> {
        self.accepted.with(py, |accepted| match accepted {
            Some(params) => Ok(Some((
                params.inflate_params(self.role),
                params.deflate_params(self.role, &self.config),
            ))),
            None => Err(PyRuntimeError::new_err("permessage-deflate was not negotiated yet")),
        })
    }
}

#[pymethods]
impl PerMessageDeflate {
    #[new]
    #[pyo3(signature = (*, is_server, server_no_context_takeover = None,
        client_no_context_takeover = None, server_max_window_bits = None,
        client_max_window_bits = None, threshold = 1024, level = -1, mem_level = 8, strategy = 0,
        concurrency_limit = 10))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn new(
        is_server: bool,
        server_no_context_takeover: Option<bool>,
        client_no_context_takeover: Option<bool>,
        #[pyo3(from_py_with = integers::server_max_window_bits)] server_max_window_bits: Option<
            Bits,
        >,
        #[pyo3(from_py_with = integers::client_max_window_bits)] client_max_window_bits: Option<
            Bits,
        >,
        #[pyo3(from_py_with = integers::threshold)] threshold: usize,
        #[pyo3(from_py_with = integers::level)] level: i32,
        #[pyo3(from_py_with = integers::mem_level)] mem_level: u8,
        #[pyo3(from_py_with = integers::strategy)] strategy: i32,
        #[pyo3(from_py_with = integers::concurrency_limit)] concurrency_limit: usize,
    ) -> PyResult<Self> {
        let config = Config {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
            threshold,
            level,
            mem_level,
            strategy: Strategy::from_zlib(strategy).unwrap_or_default(),
            concurrency_limit,
        };
        let role = if is_server { Role::Server } else { Role::Client };
        Ok(Self { role, config, accepted: GilCell::new(None) })
    }

    /// Returns the header value with which a client offers the extension.
    fn offer(&self) -> String {
        negotiation::offer(&self.config)
    }

    /// As a server, chooses among the client's offers; as a client, checks the server's answer. Raises
    /// ValueError if nothing is acceptable.
    fn accept(&self, py: Python<'_>, configurations: Vec<Bound<'_, PyDict>>) -> PyResult<String> {
        let offers = configurations.iter().map(parameters).collect::<PyResult<Vec<_>>>()?;
        let accepted = match self.role {
            Role::Server => negotiation::accept_as_server(&self.config, &offers),
            Role::Client => negotiation::accept_as_client(&self.config, &offers),
        };
        let params = accepted.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let answer = params.answer();
        self.accepted.with(py, |slot| *slot = Some(params));
        Ok(answer)
    }

    /// The negotiated parameters; empty before `accept`.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let params = self.accepted.with(py, |accepted| accepted.clone());
        let dict = PyDict::new(py);
        if let Some(params) = params {
            for (name, value) in params.entries() {
                match value {
                    Some(bits) => dict.set_item(name, bits)?,
                    None => dict.set_item(name, true)?,
                }
            }
        }
        Ok(dict)
    }
}

fn parameters(configuration: &Bound<'_, PyDict>) -> PyResult<Vec<(String, Param)>> {
    let mut all = Vec::new();
    for (name, values) in configuration.iter() {
        let name: String = name.extract()?;
        for value in values.try_iter()? {
            let value = value?;
            let param = match value.extract::<bool>() {
                Ok(_) => Param::Flag,
                Err(_) => Param::Value(value.str()?.to_string()),
            };
            all.push((name.clone(), param));
        }
    }
    Ok(all)
}
