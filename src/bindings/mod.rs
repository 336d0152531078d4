//! The Python module `wsrs._core`. It converts between Python and Rust and passes calls on, and decides
//! nothing.
//!
//! `_backend/contract.py` states what the module offers. The pure core offers the same.

mod api;
mod connection;
mod convert;
mod event_loop;
mod offload;
mod py;
#[cfg(unix)]
mod serve;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use api::{handshake, messages, per_message_deflate, send_method, url};
use connection::outbound::broadcast;
use connection::{awaitable, counts};
use event_loop::{reactor, shared, slices};
#[cfg(unix)]
use event_loop::{sockets, transport};

/// The Rust core of wsrs.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    py::interpreters::check_main_interpreter(py)?;
    module.add("NAME", "core")?;
    module.add("Connection", connection::class::connection_class(py)?)?;
    module.add_class::<per_message_deflate::PerMessageDeflate>()?;
    module.add_class::<reactor::Reactor>()?;
    module.add_class::<awaitable::Awaitable>()?;
    module.add_class::<awaitable::Done>()?;
    module.add_class::<awaitable::Waiter>()?;
    module.add_class::<messages::Messages>()?;
    #[cfg(unix)]
    {
        module.add_class::<sockets::Listener>()?;
        module.add_class::<transport::EngineTransport>()?;
    }
    module.add_function(wrap_pyfunction!(reactor::reactor_of, module)?)?;
    module.add_function(wrap_pyfunction!(slices::set_time_slice, module)?)?;
    module.add_function(wrap_pyfunction!(send_method::send_method, module)?)?;
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
    module.add_function(wrap_pyfunction!(url::parse_url, module)?)?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let keywords = PyDict::new(py);
        keywords.set_item("after_in_child", wrap_pyfunction!(shared::_after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&keywords))?;
    }
    Ok(())
}
