//! `PerMessageDeflate`: the options and the negotiation of RFC 7692 for one connection.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

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

/// Converts an option for window bits, which is `True`, `False` or 8..=15.
fn bits(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Bits>> {
    let Some(value) = value else { return Ok(None) };
    if let Ok(flag) = value.extract::<bool>() {
        return Ok(Some(if flag { Bits::Any } else { Bits::Refused }));
    }
    in_range(value.extract::<i64>()?, 8, 15, name).map(|bits| Some(Bits::Value(bits)))
}

fn in_range<T: TryFrom<i64>>(value: i64, low: i64, high: i64, name: &str) -> PyResult<T> {
    T::try_from(value).ok().filter(|_| (low..=high).contains(&value)).ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be from {low} to {high}, not {value}"))
    })
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
        server_max_window_bits: Option<&Bound<'_, PyAny>>,
        client_max_window_bits: Option<&Bound<'_, PyAny>>,
        threshold: usize,
        level: i64,
        mem_level: i64,
        strategy: i64,
        concurrency_limit: usize,
    ) -> PyResult<Self> {
        let config = Config {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits: bits(server_max_window_bits, "server_max_window_bits")?,
            client_max_window_bits: bits(client_max_window_bits, "client_max_window_bits")?,
            threshold,
            level: in_range(level, -1, 9, "level")?,
            mem_level: in_range(mem_level, 1, 9, "mem_level")?,
            strategy: in_range::<i32>(strategy, 0, 4, "strategy")
                .map(|number| Strategy::from_zlib(number).unwrap_or_default())?,
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
