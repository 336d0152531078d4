//! The Python module `wsrs._core`: it converts and calls, and decides nothing.
//!
//! `_backend.py` states what it offers; the pure core offers the same.

#[cfg(unix)]
mod arrivals;
mod asyncio_side;
#[cfg(unix)]
mod batch;
mod broadcast;
mod buffer;
mod cell;
#[cfg(unix)]
mod client;
mod connection;
mod control;
mod counts;
mod data;
#[cfg(unix)]
mod direct;
mod draining;
mod elsewhere;
mod extension;
mod flags;
mod handshake;
mod holding;
mod inbound;
mod inflating;
mod jobs;
mod offload;
mod out;
mod outbound;
#[cfg(unix)]
mod reach;
mod reactor;
#[cfg(unix)]
mod reading;
mod receiving;
mod shared;
mod slot;
#[cfg(unix)]
mod sockets;
mod source;
mod state;
mod step;
mod text;
#[cfg(unix)]
mod transport;
mod waiter;
mod websocket;
#[cfg(unix)]
mod writing;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// The loop's engine, or None where the loop cannot watch a descriptor.
#[pyfunction]
#[pyo3(name = "reactor")]
fn reactor_of<'py>(r#loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, reactor::Reactor>>> {
    let made = reactor::Reactor::of(r#loop)?.into_bound(r#loop.py());
    #[cfg(unix)]
    return match sockets::open(&made) {
        Ok(()) => Ok(Some(made)),
        Err(error)
            if error.is_instance_of::<pyo3::exceptions::PyNotImplementedError>(made.py()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    };
    #[cfg(not(unix))]
    {
        drop(made);
        Ok(None)
    }
}

/// The `send` of `class_`, a WebSocket: `function`, or a native method that does the same.
#[pyfunction]
fn send_method<'py>(
    class_: &Bound<'py, PyType>,
    function: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(websocket::send_method(class_)?.unwrap_or(function))
}

/// `Connection` as asyncio knows it: its transports ask whether a protocol is an instance of
/// `asyncio.BufferedProtocol`, so the class that Python sees has both bases.
fn connection_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let native = py.get_type::<connection::Connection>();
    let buffered = py.import("asyncio")?.getattr("BufferedProtocol")?;
    let members = PyDict::new(py);
    members.set_item("__slots__", ())?;
    members.set_item("__module__", "wsrs._core")?;
    members.set_item("__doc__", native.getattr("__doc__")?)?;
    py.get_type::<PyType>().call1(("Connection", (native, buffered), members))
}

/// The Rust core of wsrs.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("NAME", "core")?;
    module.add("Connection", connection_class(py)?)?;
    module.add_class::<extension::PerMessageDeflate>()?;
    module.add_class::<reactor::Reactor>()?;
    module.add_class::<waiter::Awaitable>()?;
    module.add_class::<waiter::Done>()?;
    module.add_class::<waiter::Waiter>()?;
    module.add_class::<websocket::Messages>()?;
    #[cfg(unix)]
    {
        module.add_class::<sockets::Listener>()?;
        module.add_class::<transport::EngineTransport>()?;
    }
    module.add_function(wrap_pyfunction!(reactor_of, module)?)?;
    module.add_function(wrap_pyfunction!(send_method, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast::broadcast, module)?)?;
    module.add_function(wrap_pyfunction!(counts::counts, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::parse_request, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::parse_response, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::check_upgrade, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::accept_key, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::new_key, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::parse_extensions, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::parse_subprotocols, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::is_token, module)?)?;
    module.add_function(wrap_pyfunction!(handshake::is_valid_close_code, module)?)?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let keywords = PyDict::new(py);
        keywords.set_item("after_in_child", wrap_pyfunction!(shared::_after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&keywords))?;
    }
    Ok(())
}
