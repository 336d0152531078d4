//! From bytes to listeners: frames are taken one by one from the receiver, and each is handed over
//! with no borrow held, so that a listener may do anything with its connection.

use std::borrow::Cow;

use pyo3::exceptions::{PyException, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList};

use super::buffer::BytesBuffer;
use super::connection::Connection;
use super::outbound::FrameKind;
use super::reactor::{Reactor, Shared};
use super::state::{BinaryType, State, Wire};
use super::text::decode;
use super::waiter::{Awaitable, Done, Found, Waiter, Wish};
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Data, Event, Input};

/// What to do after one step of the receiver, with nothing borrowed any more.
enum Step {
    /// The input is used up.
    NeedMore,
    /// Delivery must wait: paused, stalled, or the next tick.
    Wait,
    /// The queue is full; whoever waits for messages may make room.
    Full,
    /// A message went to the queue.
    Queued,
    /// A message as its fragments: their list is made with nothing borrowed, since a list is an
    /// object of the garbage collector, which may run any finaliser when one is made.
    Pieces {
        pieces: Vec<Py<PyBytes>>,
        size: usize,
        to_queue: bool,
    },
    /// A message for the listener.
    Message {
        listener: Py<PyAny>,
        data: Py<PyAny>,
        binary: bool,
    },
    Ping {
        data: Py<PyBytes>,
        tell: bool,
        pong: bool,
    },
    Pong {
        data: Py<PyBytes>,
        tell: bool,
    },
    Close {
        code: u16,
        reason: Py<PyBytes>,
    },
    Fail(ProtocolError),
    Error(PyErr),
}

/// Bytes read ahead while each event waits for its tick (`allow_synchronous_events=False`).
const READ_AHEAD: usize = 64 * 1024;

impl Connection {
    /// Takes bytes from the wire (after those that wait already) and delivers what it can.
    pub fn feed(slf: &Bound<'_, Self>, bytes: &mut [u8]) {
        let (py, this) = (slf.py(), slf.get());
        let (ignore, keep) = this.state.with(py, |state| {
            let ignore = state.flow.lost || state.flow.concluded;
            let keep = state.flow.delivering || !state.pending.is_empty() || !state.may_deliver();
            if keep && !ignore {
                state.pending.extend_from_slice(bytes);
            }
            (ignore, keep)
        });
        if ignore {
            return;
        }
        if !keep {
            Self::deliver(slf, bytes);
        }
        Self::deliver_pending(slf);
        Self::after_delivery(slf);
    }

    /// Delivers what waits, as far as it may; also what comes while it does.
    pub fn deliver_pending(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        while let Some(mut bytes) = this.state.with(py, |state| {
            let now = !state.flow.delivering && state.may_deliver() && !state.pending.is_empty();
            now.then(|| std::mem::take(&mut state.pending))
        }) {
            Self::deliver(slf, &mut bytes);
        }
    }

    fn deliver(slf: &Bound<'_, Self>, bytes: &mut [u8]) {
        let (py, this) = (slf.py(), slf.get());
        let reactor = this.reactor(py);
        this.state.with(py, |state| state.flow.delivering = true);
        let mut input = Input::new(bytes);
        loop {
            let step = reactor.with_shared(py, |shared| {
                this.state.with(py, |s| next_step(py, s, shared, &mut input))
            });
            match step {
                Step::NeedMore | Step::Wait => break,
                Step::Queued => {}
                Step::Full => {
                    Self::wake_receiver(slf);
                    if this.state.with(py, |state| {
                        state.flow.stalled = state.queue_full();
                        state.flow.stalled
                    }) {
                        break;
                    }
                }
                Step::Pieces { pieces, size, to_queue } => {
                    let step = match PyList::new(py, pieces) {
                        Ok(list) => this.state.with(py, |state| {
                            place(py, state, list.into_any().unbind(), size, true, to_queue)
                        }),
                        Err(error) => Step::Error(error),
                    };
                    Self::hand_over(slf, reactor, step);
                }
                other => Self::hand_over(slf, reactor, other),
            }
        }
        let rest = input.position();
        let rest = &bytes[rest..];
        this.state.with(py, |state| {
            state.flow.delivering = false;
            if !rest.is_empty() && !state.flow.concluded {
                let newer = std::mem::take(&mut state.pending);
                state.pending = [rest, &newer].concat();
            }
        });
        Self::wake_receiver(slf);
    }

    /// Calls whoever the frame is for.
    fn hand_over(slf: &Bound<'_, Self>, reactor: &Reactor, step: Step) {
        let (py, this) = (slf.py(), slf.get());
        match step {
            Step::Message { listener, data, binary } => {
                Self::call_listener(slf, reactor, &listener, data, binary);
            }
            Step::Ping { data, tell, pong } => {
                if pong {
                    Self::queue_control(slf, FrameKind::AutoPong, data.as_bytes(py));
                }
                if tell {
                    this.tell_owner(py, "_on_ping", (data,));
                }
            }
            Step::Pong { data, tell } => {
                if tell {
                    this.tell_owner(py, "_on_pong", (data,));
                }
            }
            Step::Close { code, reason } => {
                this.state.with(py, |state| state.flow.concluded = true);
                this.tell_owner(py, "_on_close_frame", (code, reason));
                return;
            }
            Step::Fail(error) => {
                this.state.with(py, |state| state.flow.concluded = true);
                let said = (error.code(), error.close_code(), error.to_string());
                this.tell_owner(py, "_on_fail", said);
                return;
            }
            Step::Error(error) => reactor.report(py, "a message could not be delivered", error),
            Step::NeedMore | Step::Wait | Step::Full | Step::Queued | Step::Pieces { .. } => return,
        }
        Self::end_of_tick(slf, reactor);
    }

    #[inline]
    fn call_listener(
        slf: &Bound<'_, Self>,
        reactor: &Reactor,
        listener: &Py<PyAny>,
        data: Py<PyAny>,
        binary: bool,
    ) {
        let (py, this) = (slf.py(), slf.get());
        match listener.call1(py, (data, binary)) {
            Ok(result) if is_of_no_interest(result.bind(py)) => {}
            Ok(result) => this.tell_owner(py, "_on_listener_result", (result,)),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                this.tell_owner(py, "_on_listener_error", (error.into_value(py),));
            }
            Err(error) => reactor.keep_error(py, error),
        }
    }

    /// With `allow_synchronous_events=False` the next event waits for the next tick, as in ws.
    #[inline]
    fn end_of_tick(slf: &Bound<'_, Self>, reactor: &Reactor) {
        let (py, this) = (slf.py(), slf.get());
        if this.state.with(py, |state| {
            let wait = !state.settings.allow_synchronous_events;
            state.flow.next_tick = wait;
            wait
        }) {
            reactor.call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
        }
    }

    /// After a delivery: reads on or not, tells of the end when all before it is delivered.
    pub fn after_delivery(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        Self::adjust_reading(slf);
        let (eof, lost) = this.state.with(py, |state| {
            let flow = &mut state.flow;
            let done = flow.started
                && !flow.delivering
                && (flow.concluded || (state.pending.is_empty() && !flow.next_tick));
            let eof = done && flow.eof && !flow.eof_told;
            let lost = done && flow.lost && !flow.lost_told;
            flow.eof_told |= eof;
            flow.lost_told |= lost;
            (eof, lost)
        });
        if eof {
            this.tell_owner(py, "_on_end", ());
            Self::close_wire(slf);
        }
        if lost {
            let error = this.state.with(py, |state| state.lost_error.take());
            this.tell_owner(py, "_on_lost", (error,));
        }
    }

    /// The transport reads while frames can be delivered, and not else.
    fn adjust_reading(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let wanted = this.state.with(py, |state| {
            let flow = &mut state.flow;
            let ahead = flow.next_tick && state.pending.len() >= READ_AHEAD;
            let off = flow.started && !flow.concluded && (flow.paused || flow.stalled || ahead);
            (off != flow.reading_off).then(|| {
                flow.reading_off = off;
                off
            })
        });
        if let Some(off) = wanted {
            Self::switch_reading(slf, off);
        }
    }

    fn switch_reading(slf: &Bound<'_, Self>, off: bool) {
        let (py, this) = (slf.py(), slf.get());
        let transport = this.state.with(py, |state| match state.wire {
            Wire::None => None,
            _ => state.transport.as_ref().map(|transport| transport.clone_ref(py)),
        });
        if let Some(transport) = transport {
            let method = if off { "pause_reading" } else { "resume_reading" };
            if let Err(error) = transport.call_method0(py, method) {
                this.reactor(py).report(py, "the transport's flow control failed", error);
            }
        }
    }

    /// Wakes the task that waits for a message, if there is something for it.
    pub fn wake_receiver(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let waiters = this.state.with(py, |state| {
            let something = !state.queue.is_empty() || state.finish.is_some();
            let clone = |awaitable: &Option<Py<Awaitable>>| {
                let waiter = &awaitable.as_ref()?.get().waiter;
                waiter.get().is_waiting(py).then(|| waiter.clone_ref(py))
            };
            something.then(|| [clone(&state.recv), clone(&state.next)])
        });
        for waiter in waiters.into_iter().flatten().flatten() {
            Waiter::wake(waiter.bind(py), this.reactor(py));
        }
    }

    /// What a waiter finds: the next message, room to write, the end, or nothing yet.
    pub fn look(slf: &Bound<'_, Self>, wish: Wish) -> PyResult<Found> {
        let (py, this) = (slf.py(), slf.get());
        if wish == Wish::Room {
            return Self::look_for_room(slf);
        }
        let (message, resume, end) = this.state.with(py, |state| {
            state.flow.claimed = true;
            let message = state.queue.pop_front();
            if let Some((_, size, _)) = &message {
                state.queued_bytes -= size;
            }
            let resume = state.flow.stalled && state.queue.is_empty();
            if resume {
                state.flow.stalled = false;
            }
            let end = match &state.finish {
                Some(finish) if message.is_none() => {
                    Some((finish.error.clone_ref(py), finish.orderly))
                }
                _ => None,
            };
            (message, resume, end)
        });
        if resume {
            this.reactor(py).call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
        }
        match (message, end) {
            (Some((data, ..)), _) => Ok(Found::Value(data)),
            (None, Some((_, true))) if wish == Wish::Next => Err(PyStopAsyncIteration::new_err(())),
            (None, Some((error, _))) => Err(PyErr::from_value(error.into_bound(py))),
            (None, None) => Ok(Found::Nothing),
        }
    }

    /// Gives messages that waited for `recv` to a listener that has come since.
    pub fn deliver_queued(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        loop {
            let next = this.state.with(py, |state| {
                if state.flow.claimed || state.flow.paused {
                    return None;
                }
                let listener = state.listener.as_ref()?.clone_ref(py);
                let (data, size, binary) = state.queue.pop_front()?;
                state.queued_bytes -= size;
                Some((listener, data, binary))
            });
            let Some((listener, data, binary)) = next else { break };
            // Waiting messages are kept as `recv` gives them: text as str.
            let data = match data.bind(py).cast::<pyo3::types::PyString>() {
                Ok(text) => match text.to_str() {
                    Ok(text) => PyBytes::new(py, text.as_bytes()).into_any().unbind(),
                    Err(_) => data,
                },
                Err(_) => data,
            };
            Self::call_listener(slf, this.reactor(py), &listener, data, binary);
        }
        let resume = this.state.with(py, |state| {
            let resume = state.flow.stalled && state.queue.is_empty();
            state.flow.stalled &= !resume;
            resume
        });
        if resume {
            Self::deliver_pending(slf);
            Self::after_delivery(slf);
        }
    }
}

/// What a listener mostly returns: nothing, or what `send` gave it.
#[inline]
fn is_of_no_interest(result: &Bound<'_, PyAny>) -> bool {
    result.is_none()
        || result.is_exact_instance_of::<Done>()
        || result.is_exact_instance_of::<Awaitable>()
}

/// Takes one event from the receiver. Runs under the borrow: no Python code in here.
fn next_step(
    py: Python<'_>,
    state: &mut State,
    shared: &mut Shared,
    input: &mut Input<'_>,
) -> Step {
    if !state.may_deliver() {
        return Step::Wait;
    }
    if let Some(fault) = state.fault.take() {
        return Step::Fail(fault);
    }
    let to_queue = state.listener.is_none() || state.flow.claimed;
    if to_queue && !state.flow.lost && state.queue_full() {
        if !state.discard {
            return Step::Full;
        }
        // Bytes, str and lists of bytes: dropping them runs no Python.
        state.queue.clear();
        state.queued_bytes = 0;
    }
    let event = match state.receiver.next(input, &mut shared.codec) {
        Ok(Some(event)) => event,
        Ok(None) => return Step::NeedMore,
        Err(error) => return Step::Fail(error),
    };
    match event {
        Event::Ping(data) => {
            let data = PyBytes::new(py, data).unbind();
            let limit = state.settings.max_pending_auto_pongs;
            let pong = state.settings.auto_pong && (limit == 0 || state.pongs < limit);
            Step::Ping { data, tell: state.wants_ping, pong }
        }
        Event::Pong(data) => {
            Step::Pong { data: PyBytes::new(py, data).unbind(), tell: state.wants_pong }
        }
        Event::Close { code, reason } => {
            Step::Close { code, reason: PyBytes::new(py, reason).unbind() }
        }
        Event::Message { binary, data } => {
            let to_text = !binary && to_queue;
            let lossy = state.settings.skip_utf8_validation;
            let size = size_of(&data);
            if binary && state.binary_type == BinaryType::Fragments {
                return match pieces(py, data) {
                    Ok(pieces) => Step::Pieces { pieces, size, to_queue },
                    Err(error) => Step::Error(error),
                };
            }
            let made = message_object(py, data, binary, to_text, lossy, state.binary_type);
            match made {
                Err(error) => Step::Error(error),
                Ok(object) => place(py, state, object, size, binary, to_queue),
            }
        }
    }
}

/// Puts a message where it belongs: the queue, the listener, or (rarely) both.
#[inline]
fn place(
    py: Python<'_>,
    state: &mut State,
    object: Py<PyAny>,
    size: usize,
    binary: bool,
    to_queue: bool,
) -> Step {
    let Some(listener) = &state.listener else {
        state.queued_bytes += size;
        state.queue.push_back((object, size, binary));
        return Step::Queued;
    };
    let listener = listener.clone_ref(py);
    if !to_queue {
        return Step::Message { listener, data: object, binary };
    }
    // Iterated and listened to: the listener gets bytes, the iterator str.
    let data = match object.bind(py).cast::<pyo3::types::PyString>() {
        Ok(text) => {
            PyBytes::new(py, text.to_str().unwrap_or_default().as_bytes()).into_any().unbind()
        }
        Err(_) => object.clone_ref(py),
    };
    state.queued_bytes += size;
    state.queue.push_back((object, size, binary));
    Step::Message { listener, data, binary }
}

/// A message as the bytes of its fragments.
fn pieces(py: Python<'_>, data: Data<'_, BytesBuffer>) -> PyResult<Vec<Py<PyBytes>>> {
    match data {
        Data::Slice(bytes) => Ok(vec![PyBytes::new(py, bytes).unbind()]),
        Data::Buffer(buffer) => Ok(vec![buffer.into_bytes(py)?.unbind()]),
        Data::Fragments(pieces) => {
            pieces.into_iter().map(|one| Ok(one.into_bytes(py)?.unbind())).collect()
        }
    }
}

/// The Python object of a message: bytes, str or bytearray, none of which the garbage collector
/// knows.
#[inline]
fn message_object(
    py: Python<'_>,
    data: Data<'_, BytesBuffer>,
    binary: bool,
    to_text: bool,
    lossy: bool,
    form: BinaryType,
) -> PyResult<Py<PyAny>> {
    let bytes = match &data {
        Data::Slice(bytes) => Cow::Borrowed(*bytes),
        Data::Buffer(buffer) => Cow::Borrowed(MessageBuffer::as_slice(buffer)),
        Data::Fragments(pieces) => {
            let slices: Vec<&[u8]> = pieces.iter().map(MessageBuffer::as_slice).collect();
            Cow::Owned(slices.concat())
        }
    };
    if to_text {
        return decode(py, &bytes, lossy);
    }
    if binary && form == BinaryType::ByteArray {
        return Ok(PyByteArray::new(py, &bytes).into_any().unbind());
    }
    match data {
        Data::Buffer(buffer) => Ok(buffer.into_bytes(py)?.into_any().unbind()),
        _ => Ok(PyBytes::new(py, &bytes).into_any().unbind()),
    }
}

/// Bytes of a message.
fn size_of(data: &Data<'_, BytesBuffer>) -> usize {
    match data {
        Data::Slice(bytes) => bytes.len(),
        Data::Buffer(buffer) => MessageBuffer::len(buffer),
        Data::Fragments(pieces) => pieces.iter().map(MessageBuffer::len).sum(),
    }
}
