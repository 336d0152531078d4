//! The engine's sockets as `asyncio.Transport`s.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::convert::integers;
use crate::bindings::convert::payload::Payload;
use crate::bindings::event_loop::owner;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::sockets::{self, Held};
use crate::bindings::serve::write;
use crate::engine::{Address, FLUSH_AT, Token};

/// A payload of at least this many bytes is written in place instead of being copied into the queue.
pub const HOLD_MIN: usize = 16 * 1024;

/// A connected stream socket of the engine, with the contract of `asyncio.Transport`.
#[pyclass(frozen, weakref, module = "wsrs._core")]
pub struct EngineTransport {
    reactor: Py<Reactor>,
    token: Token,
}

impl EngineTransport {
    pub fn new(reactor: Py<Reactor>, token: Token) -> Self {
        Self { reactor, token }
    }

    pub fn reactor(&self) -> &Py<Reactor> {
        &self.reactor
    }

    pub fn token(&self) -> Token {
        self.token
    }

    fn with_owner<R>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut crate::bindings::event_loop::owner::Owner) -> R,
    ) -> Option<R> {
        self.reactor.get().with_sockets(py, |sockets| sockets.owner(self.token).map(act))
    }

    /// A duplicate of the socket as a Python `socket.socket`, for its options and addresses.
    fn duplicate(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let number = self.reactor.get().with_sockets(py, |sockets| {
            sockets.engine().and_then(|engine| engine.raw_fd(self.token))
        });
        let Some(number) = number else { return Ok(None) };
        let copy = py.import("os")?.call_method1("dup", (number,))?;
        let keywords = pyo3::types::PyDict::new(py);
        keywords.set_item("fileno", copy)?;
        let class = py.import("wsrs._backend.duplicate_socket")?.getattr("DuplicateSocket")?;
        Ok(Some(class.call((), Some(&keywords))?.unbind()))
    }

    fn address(&self, py: Python<'_>, peer: bool) -> PyResult<Option<Py<PyAny>>> {
        let address = self.reactor.get().with_sockets(py, |sockets| {
            let engine = sockets.engine()?;
            if peer { engine.peer_addr(self.token) } else { engine.local_addr(self.token) }.ok()
        });
        address.map(|address| address_object(py, &address)).transpose()
    }
}

/// Converts an address to the form that Python's `socket` module gives it.
fn address_object(py: Python<'_>, address: &Address) -> PyResult<Py<PyAny>> {
    use std::net::SocketAddr;
    Ok(match address {
        Address::Inet(SocketAddr::V4(v4)) => {
            (v4.ip().to_string(), v4.port()).into_pyobject(py)?.into_any().unbind()
        }
        Address::Inet(SocketAddr::V6(v6)) => {
            (v6.ip().to_string(), v6.port(), v6.flowinfo(), v6.scope_id())
                .into_pyobject(py)?
                .into_any()
                .unbind()
        }
        Address::Unix(name) => {
            py.import("os")?.call_method1("fsdecode", (PyBytes::new(py, name),))?.unbind()
        }
    })
}

#[pymethods]
impl EngineTransport {
    /// Queues `data`. The queue is written at the end of the tick, or at once beyond 64 KiB.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        let payload = Payload::of(data)?;
        if payload.is_text() {
            return Err(PyTypeError::new_err("a transport writes bytes, not str"));
        }
        let reactor = self.reactor.bind(py);
        let token = self.token;
        let length = reactor.get().with_sockets(py, |sockets| {
            let out = sockets.engine()?.out(token)?;
            match &payload {
                Payload::Bytes(bytes) if bytes.as_bytes().len() >= HOLD_MIN => {
                    out.hold(Held::Bytes(bytes.clone().unbind()));
                }
                other => out.push(other.as_slice()),
            }
            Some(out.len())
        });
        let Some(length) = length else { return Ok(()) };
        if length > FLUSH_AT {
            write::flush(reactor, token);
        } else if reactor.get().with_sockets(py, |sockets| {
            sockets.engine().is_some_and(|engine| engine.mark_dirty(token))
        }) {
            return Reactor::schedule_flush(reactor);
        }
        Ok(())
    }

    /// Queues every item of `list_of_data`.
    fn writelines(&self, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        for data in list_of_data.try_iter()? {
            self.write(list_of_data.py(), &data?)?;
        }
        Ok(())
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    /// Sends FIN once everything queued is written. Reading goes on.
    fn write_eof(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        self.reactor.get().with_sockets(py, |sockets| {
            if let Some(engine) = sockets.engine() {
                engine.shutdown_write(self.token);
            }
        });
        write::flush(self.reactor.bind(py), self.token);
        Ok(())
    }

    /// Stops reading, writes what is queued, then closes.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        sockets::close(self.reactor.bind(py), self.token);
        Ok(())
    }

    /// Closes at once, and drops what the kernel does not take. Asyncio's transports have tried to write by the
    /// time `write` returns, so what was queued in this tick is tried here.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        self.reactor.get().with_sockets(py, |sockets| {
            sockets.engine().map(|engine| engine.flush(self.token));
        });
        sockets::lose(self.reactor.bind(py), self.token, None);
        Ok(())
    }

    fn is_closing(&self, py: Python<'_>) -> bool {
        self.with_owner(py, |owner| owner.is_closing()).unwrap_or(true)
    }

    fn pause_reading(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        self.reactor.get().with_sockets(py, |sockets| {
            if let Some(engine) = sockets.engine() {
                engine.pause(self.token);
            }
        });
        Ok(())
    }

    /// Resumes reading. Raises OSError if the system's poller refuses the socket.
    fn resume_reading(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().check_thread(py)?;
        self.reactor.get().with_sockets(py, |sockets| {
            if sockets.owner(self.token).is_some_and(|owner| owner.is_closing()) {
                return Ok(());
            }
            if let Some(engine) = sockets.engine() {
                engine.resume(self.token)?;
            }
            Ok(())
        })
    }

    fn is_reading(&self, py: Python<'_>) -> bool {
        self.reactor.get().with_sockets(py, |sockets| {
            sockets.owner(self.token).is_some_and(|owner| !owner.is_closing())
                && sockets.engine().is_some_and(|engine| !engine.is_paused(self.token))
        })
    }

    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        sockets::set_protocol(self.reactor.bind(protocol.py()), self.token, protocol)
    }

    fn get_protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.with_owner(py, |owner| owner.kind().protocol(py)).flatten()
    }

    /// Returns `peername`, `sockname` or `socket` (a duplicate that the caller must close), or else
    /// `default`.
    #[pyo3(signature = (name, default = None))]
    fn get_extra_info(
        &self,
        py: Python<'_>,
        name: &str,
        default: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let found = match name {
            "peername" => self.address(py, true)?,
            "sockname" => self.address(py, false)?,
            "socket" => self.duplicate(py)?,
            _ => None,
        };
        Ok(found.or(default))
    }

    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.reactor
            .get()
            .with_sockets(py, |sockets| {
                sockets.engine().and_then(|engine| engine.out_ref(self.token).map(|out| out.len()))
            })
            .unwrap_or(0)
    }

    /// Returns (low, high) in bytes.
    fn get_write_buffer_limits(&self, py: Python<'_>) -> (usize, usize) {
        self.with_owner(py, |owner| owner.limits()).unwrap_or((owner::LOW, owner::HIGH))
    }

    /// Sets the marks in bytes; None means asyncio's defaults. Raises ValueError unless high >= low.
    #[pyo3(signature = (high = None, low = None))]
    fn set_write_buffer_limits(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = integers::high)] high: Option<usize>,
        #[pyo3(from_py_with = integers::low)] low: Option<usize>,
    ) -> PyResult<()> {
        let high = high.unwrap_or_else(|| low.map_or(owner::HIGH, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        if high < low {
            return Err(PyValueError::new_err(format!(
                "high ({high}) must be at least low ({low})"
            )));
        }
        self.with_owner(py, |owner| owner.set_limits(low, high));
        Ok(())
    }

    /// Returns the event loop of this transport.
    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.reactor.get().event_loop(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let state = if slf.get().is_closing(py) { "closed" } else { "open" };
        let peer = slf.get().address(py, true)?;
        let peer = peer.map_or_else(String::new, |peer| format!(" peer={peer}"));
        Ok(format!("<wsrs.EngineTransport {state}{peer}>"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}

/// Returns `transport` as an [`EngineTransport`], or None if it is not one of the engine's.
pub fn of_engine<'py>(transport: &Bound<'py, PyAny>) -> Option<Bound<'py, EngineTransport>> {
    transport.cast::<EngineTransport>().ok().cloned()
}
