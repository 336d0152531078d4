//! From `send` to the queue: a message is checked, framed and queued at once, where it may be.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyByteArray;

use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::Done;
use crate::bindings::connection::outbound::frame_sink::put_message;
use crate::bindings::connection::state::{State, Wire, Written};
use crate::bindings::convert::payload::Payload;
use crate::bindings::event_loop::shared::Shared;
use crate::protocol::close::ABNORMAL;
use crate::protocol::sender::SendOptions;

impl Connection {
    /// The key for the next frame: none, ours, or what the program's `generate_mask` fills in.
    pub fn masking_key(&self, py: Python<'_>, mask: bool) -> PyResult<Option<[u8; 4]>> {
        if !mask {
            return Ok(None);
        }
        let generate =
            self.state.with(py, |state| state.generate_mask.as_ref().map(|one| one.clone_ref(py)));
        let Some(generate) = generate else {
            return Ok(Some(self.reactor(py).with_shared(py, Shared::mask)));
        };
        let key = PyByteArray::new(py, &[0; 4]);
        generate.call1(py, (&key,))?;
        key.to_vec().try_into().map(Some).map_err(|_| {
            PyValueError::new_err(
                "generate_mask must leave the 4 bytes of its argument 4 bytes long",
            )
        })
    }

    /// Sends a message or fragment: binary or text, compressed, final, masked as told, else as usual.
    #[inline]
    pub fn send_now(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        (binary, compress, fin, mask): (Option<bool>, Option<bool>, bool, Option<bool>),
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let payload = Payload::of(data)?;
        let options = SendOptions {
            binary: binary.unwrap_or_else(|| !payload.is_text()),
            compress: compress.unwrap_or(true),
            fin,
        };
        let mask = mask.unwrap_or_else(|| !slf.get().is_server(slf.py()));
        Self::queue_message(slf, &payload, options, mask, callback)
    }

    /// Frames and queues a message or fragment, unless too much is queued.
    #[inline]
    pub fn queue_message(
        slf: &Bound<'_, Self>,
        payload: &Payload<'_>,
        options: SendOptions,
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if Self::refuses(slf, options.fin) {
            return Self::refused_message(slf, callback);
        }
        Self::queue_anyway(slf, payload, options, mask, callback)
    }

    /// The same however much is queued.
    #[inline(always)] // the way of every message
    pub fn queue_anyway(
        slf: &Bound<'_, Self>,
        payload: &Payload<'_>,
        options: SendOptions,
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let key = this.masking_key(py, mask)?;
        // Beside the result, which would not fit into registers with it: read from memory again so soon
        // after it is written there, it waits for every write before it.
        let mut unput = None;
        let queued = this.enqueue(py, |state, shared, out| {
            if let Err(reason) = put_message(state, shared, out, payload, &options, key) {
                unput = Some(reason);
            }
            out.total()
        });
        let Some((at, queued)) = queued else {
            return Self::send_behind(slf, payload, &options, key, callback);
        };
        if let Some(reason) = unput {
            Self::settle(slf, &queued);
            return Self::send_unput(slf, payload, reason, key, callback);
        }
        if callback.is_some() {
            this.state.with(py, |state| {
                state.writes.push_back(Written { at, callback, auto_pong: false });
            });
        }
        Self::settle(slf, &queued);
        Self::when_room(slf, queued.length)
    }

    /// Whether a message or fragment is not to be queued, because more than the mark is, even after what
    /// can be written has been. A message that was begun is ended; of one that was refused, all is.
    #[inline]
    pub fn refuses(slf: &Bound<'_, Self>, fin: bool) -> bool {
        let strict = |state: &mut State| {
            state.settings.refuse_above_mark
                && !state.sender.is_in_message()
                && !matches!(state.wire, Wire::None)
        };
        slf.get().state.with(slf.py(), strict) && Self::refuses_now(slf, fin)
    }

    #[cold]
    fn refuses_now(slf: &Bound<'_, Self>, fin: bool) -> bool {
        let (py, this) = (slf.py(), slf.get());
        let (mark, begun) =
            this.state.with(py, |state| (state.settings.high_water_mark, state.flow.refusing));
        let mut full = begun || this.queued_bytes(py) > mark;
        if full && !begun {
            Self::write_out(slf);
            full = this.queued_bytes(py) > mark;
        }
        this.state.with(py, |state| {
            state.flow.refusing = full && !fin;
            state.counts.refused += u64::from(full && !begun);
        });
        full
    }

    /// What is told of a message that was refused.
    fn refused_message(slf: &Bound<'_, Self>, callback: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let error = py.import("wsrs.errors")?.getattr("SlowPeer")?.call0()?;
        if let Some(callback) = callback {
            this.reactor(py).call_soon(py, &callback, &error, None)?;
        }
        this.tell_owner(py, "_on_refused", ());
        Ok(Py::new(py, Done::failed(error.unbind()))?.into_any())
    }

    /// A frame for a wire that is gone: the callback hears of it in the next tick.
    pub fn not_connected(
        slf: &Bound<'_, Self>,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let error = connection_closed(py).into_value(py).into_any();
        if let Some(callback) = callback {
            this.reactor(py).call_soon(py, &callback, error.bind(py), None)?;
        }
        Ok(Py::new(py, Done::failed(error))?.into_any())
    }
}

/// `ConnectionClosed(1006)`: what a sender is told of a connection that is gone.
pub fn connection_closed(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = CLASS
        .get_or_try_init(py, || {
            PyResult::Ok(py.import("wsrs.errors")?.getattr("ConnectionClosed")?.unbind())
        })
        .and_then(|class| class.bind(py).call1((ABNORMAL,)));
    made.map_or_else(|error| error, PyErr::from_value)
}
