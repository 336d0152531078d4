//! From `send` to the wire: framing at once, writing at the end of the batch or tick.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyByteArray;

use super::broadcast::SharedFrame;
use super::connection::Connection;
use super::data::Payload;
use super::reactor::{Reactor, Shared};
#[cfg(unix)]
use super::sockets::Held;
use super::state::{Ending, State, Wire, Written};
#[cfg(unix)]
use super::transport::HOLD_MIN;
use super::waiter::Done;
#[cfg(unix)]
use crate::engine::OutQueue;
use crate::protocol::close::{ABNORMAL, is_valid_close_code};
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, Opcode, append_frame, write_header};
use crate::protocol::sender::SendOptions;

/// A queue beyond this many bytes leaves at once instead of at the end of the tick.
const FLUSH_AT: usize = 64 * 1024;
/// RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less".
const MAX_CONTROL: usize = 125;

/// Control frames, by who sends them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    Ping,
    Pong,
    /// The pong that answers a ping.
    AutoPong,
    Close,
}

impl FrameKind {
    fn opcode(self) -> Opcode {
        match self {
            Self::Ping => Opcode::Ping,
            Self::Pong | Self::AutoPong => Opcode::Pong,
            Self::Close => Opcode::Close,
        }
    }
}

/// Where a frame is put: the queue of a socket, or the bytes for a transport of the loop.
pub enum Out<'a> {
    #[cfg(unix)]
    Engine(&'a mut OutQueue<Held>),
    Loop {
        queued: &'a mut Vec<u8>,
        written: u64,
    },
}

impl Out<'_> {
    fn tail(&mut self) -> &mut Vec<u8> {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.tail(),
            Self::Loop { queued, .. } => queued,
        }
    }

    fn len(&self) -> usize {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.len(),
            Self::Loop { queued, .. } => queued.len(),
        }
    }

    fn total(&self) -> u64 {
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.total_queued(),
            Self::Loop { queued, written } => *written + queued.len() as u64,
        }
    }

    /// Puts a frame: a large immutable payload that needs no mask stays where it is.
    #[inline]
    fn put(&mut self, header: &FrameHeader, payload: &[u8], source: Option<&Payload<'_>>) {
        #[cfg(unix)]
        if let (Self::Engine(queue), Some(Payload::Bytes(bytes)), None) =
            (&mut *self, source, header.mask)
            && payload.len() >= HOLD_MIN
        {
            queue.push(write_header(header).as_ref());
            queue.hold(Held(bytes.clone().unbind()));
            return;
        }
        let _ = source;
        append_frame(self.tail(), header, payload);
    }

    /// Puts a frame that others get too.
    #[inline]
    pub fn put_shared(&mut self, py: Python<'_>, frame: &SharedFrame) {
        self.tail().extend_from_slice(&frame.bytes);
        let Some(payload) = &frame.payload else { return };
        match self {
            #[cfg(unix)]
            Self::Engine(queue) => queue.hold(Held(payload.clone_ref(py))),
            Self::Loop { queued, .. } => queued.extend_from_slice(payload.as_bytes(py)),
        }
    }
}

/// What became of a frame.
pub struct Queued {
    length: usize,
    dirty: bool,
}

impl Connection {
    /// Borrows everything that a frame is made with, and lets `make` put it in the queue.
    #[inline]
    pub fn enqueue<R>(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&mut State, &mut Shared, &mut Out<'_>) -> R,
    ) -> Option<(R, Queued)> {
        let reactor = self.reactor(py);
        reactor.with_shared(py, |shared| {
            self.state.with(py, |state| {
                if state.flow.ending != Ending::Open {
                    return None;
                }
                let mut wire = std::mem::replace(&mut state.wire, Wire::None);
                let made = match &mut wire {
                    Wire::None => None,
                    #[cfg(unix)]
                    Wire::Engine(token) => reactor.sockets.with(py, |sockets| {
                        let engine = sockets.engine()?;
                        let queue = engine.out(*token)?;
                        let mut out = Out::Engine(queue);
                        let made = make(state, shared, &mut out);
                        let length = out.len();
                        let dirty = length <= FLUSH_AT && engine.mark_dirty(*token);
                        Some((made, Queued { length, dirty }))
                    }),
                    Wire::Loop { queued, written, .. } => {
                        let dirty = queued.is_empty();
                        let mut out = Out::Loop { queued, written: *written };
                        let made = make(state, shared, &mut out);
                        let length = out.len();
                        Some((made, Queued { length, dirty }))
                    }
                };
                state.wire = wire;
                made
            })
        })
    }

    /// After a frame was queued: writes at once what is much, else sees to it that it is written.
    #[inline]
    pub fn settle(slf: &Bound<'_, Self>, queued: &Queued) {
        let (py, this) = (slf.py(), slf.get());
        if queued.length > FLUSH_AT {
            Self::write_out(slf);
        } else if queued.dirty {
            let reactor = this.reactor_bound(py);
            match this.state.with(py, |s| (matches!(s.wire, Wire::Loop { .. }), s.flow.delivering))
            {
                (false, _) => Reactor::schedule_flush(reactor),
                (true, false) => Reactor::mark_dirty(reactor, slf),
                // An answer: it leaves at the end of the delivery, see `flush_answers`.
                (true, true) => {}
            }
        }
    }

    /// The key for the next frame: none, ours, or what the program's `generate_mask` fills in.
    fn masking_key(&self, py: Python<'_>, mask: bool) -> PyResult<Option<[u8; 4]>> {
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

    /// Frames and queues a message or fragment.
    #[inline]
    pub fn queue_message(
        slf: &Bound<'_, Self>,
        payload: &Payload<'_>,
        options: SendOptions,
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if Self::refuses(slf, options.fin) {
            return Self::refused_message(slf, callback);
        }
        let key = this.masking_key(py, mask)?;
        // Beside the result, which would not fit into registers with it: read from memory again so soon
        // after it is written there, it waits for every write before it.
        let mut fault = None;
        let queued = this.enqueue(py, |state, shared, out| {
            if let Err(error) = put_message(state, shared, out, payload, &options, key) {
                fault = Some(error);
            }
            out.total()
        });
        let Some((at, queued)) = queued else {
            return Self::not_connected(slf, callback);
        };
        if let Some(error) = fault {
            return Err(PyValueError::new_err(error.to_string()));
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

    /// Queues a control frame whose length has been checked.
    pub fn queue_control(slf: &Bound<'_, Self>, kind: FrameKind, payload: &[u8]) {
        let mask = !slf.get().is_server(slf.py());
        if let Err(error) = Self::queue_control_with(slf, kind, payload, mask, None) {
            slf.get().reactor(slf.py()).report(slf.py(), "a control frame was not sent", error);
        }
    }

    pub fn queue_control_with(
        slf: &Bound<'_, Self>,
        kind: FrameKind,
        payload: &[u8],
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if payload.len() > MAX_CONTROL {
            return Err(PyValueError::new_err(format!(
                "the data of a control frame must not be longer than 125 bytes, not {}",
                payload.len()
            )));
        }
        let mask = this.masking_key(py, mask)?;
        let auto_pong = kind == FrameKind::AutoPong;
        let header = FrameHeader {
            fin: true,
            rsv1: false,
            opcode: kind.opcode(),
            mask,
            length: payload.len() as u64,
        };
        let queued = this.enqueue(py, |state, _, out| {
            out.put(&header, payload, None);
            state.pongs += usize::from(auto_pong);
            if kind == FrameKind::Ping {
                state.counts.pinged(payload);
            }
            out.total()
        });
        let Some((at, queued)) = queued else {
            return Self::not_connected(slf, callback);
        };
        if callback.is_some() || auto_pong {
            this.state.with(py, |s| s.writes.push_back(Written { at, callback, auto_pong }));
        }
        Self::settle(slf, &queued);
        Self::when_room(slf, queued.length)
    }

    /// Queues a close frame (RFC 6455 section 5.5.1).
    pub fn queue_close(
        slf: &Bound<'_, Self>,
        code: Option<u16>,
        reason: &[u8],
        mask: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut payload = Vec::new();
        if let Some(code) = code {
            if !is_valid_close_code(code) {
                return Err(PyValueError::new_err(format!(
                    "{code} is no close code that an endpoint may send"
                )));
            }
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason);
        } else if !reason.is_empty() {
            return Err(PyValueError::new_err("a close reason needs a close code"));
        }
        if payload.len() > MAX_CONTROL {
            return Err(PyValueError::new_err(format!(
                "a close reason must not be longer than 123 bytes, not {}",
                reason.len()
            )));
        }
        Self::queue_control_with(slf, FrameKind::Close, &payload, mask, callback).map(drop)
    }

    /// A frame for a wire that is gone: the callback hears of it in the next tick.
    fn not_connected(slf: &Bound<'_, Self>, callback: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
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

/// Frames a message into `out`, compressed where that was agreed and is wished.
#[inline]
fn put_message(
    state: &mut State,
    shared: &mut Shared,
    out: &mut Out<'_>,
    payload: &Payload<'_>,
    options: &SendOptions,
    mask: Option<[u8; 4]>,
) -> Result<(), ProtocolError> {
    let data = payload.as_slice();
    state.counts.sent(data.len(), options.fin);
    let frame = state.sender.begin(data.len(), options);
    let header = FrameHeader {
        fin: frame.fin,
        rsv1: frame.rsv1,
        opcode: frame.opcode,
        mask,
        length: data.len() as u64,
    };
    if !frame.compress {
        out.put(&header, data, Some(payload));
        return Ok(());
    }
    let mut scratch = shared.codec.take_scratch();
    let outcome = state.sender.compress(&mut shared.codec, &frame, data, &mut scratch);
    if outcome.is_ok() {
        let header = FrameHeader { length: scratch.len() as u64, ..header };
        out.put(&header, &scratch, None);
    }
    shared.codec.give_scratch(scratch);
    outcome
}
