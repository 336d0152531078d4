//! One step of a delivery: an event of the receiver, made into the object that its listener gets.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::bindings::connection::state::{BinaryType, Ending, State};
use crate::bindings::convert::bytes_buffer::BytesBuffer;
use crate::bindings::convert::text::decode;
use crate::bindings::event_loop::shared::Shared;
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Data, Event, Input};

/// What to do after one step of the receiver, with nothing borrowed any more.
pub enum Step {
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

/// Takes one event from the receiver. Runs under the borrow: no Python code in here.
pub fn next_step(
    py: Python<'_>,
    state: &mut State,
    shared: &mut Shared,
    input: &mut Input<'_>,
) -> Step {
    if !state.may_deliver() {
        return step_after_end(py, state);
    }
    let to_queue = state.listener.is_none() || state.flow.claimed;
    if let Some(step) = step_before(py, state, to_queue) {
        return step;
    }
    let event = match state.receiver.next(input, &mut shared.codec) {
        Ok(Some(event)) => event,
        Ok(None) => return Step::NeedMore,
        Err(error) => return Step::Fail(error),
    };
    match event {
        Event::Ping(data) => {
            let data = PyBytes::new(py, data).unbind();
            Step::Ping { data, tell: state.wants_ping, pong: answers_ping(state) }
        }
        Event::Pong(data) => {
            state.counts.ponged(data);
            Step::Pong { data: PyBytes::new(py, data).unbind(), tell: state.wants_pong }
        }
        Event::Close { code, reason } => {
            Step::Close { code, reason: PyBytes::new(py, reason).unbind() }
        }
        Event::Message { binary, data } => {
            let lossy = state.settings.skip_utf8_validation;
            // What a listener gets, or may yet get, must be the bytes as they came: text that was not validated
            // is decoded when it is taken from the queue.
            let to_text = !binary && to_queue && !lossy;
            let size = size_of(&data);
            if binary && state.binary_type == BinaryType::Fragments {
                return match pieces(py, data) {
                    Ok(pieces) => {
                        state.counts.received(size);
                        Step::Pieces { pieces, size, to_queue }
                    }
                    Err(error) => Step::Error(error),
                };
            }
            let made = message_object(py, data, binary, to_text, lossy, state.binary_type);
            match made {
                Err(error) => Step::Error(error),
                Ok(object) => {
                    state.counts.received(size);
                    place(py, state, object, size, binary, to_queue)
                }
            }
        }
    }
}

/// Behind a close frame, a fault or an abort no frame comes any more, but what waits for a new listener does.
#[cold]
fn step_after_end(py: Python<'_>, state: &mut State) -> Step {
    let flow = &state.flow;
    let held = flow.waits_for_tick() || flow.stalled || (flow.paused && !flow.lost);
    let over = flow.started && flow.concluded && !flow.claimed && !held;
    let step = if over { take_queued(py, state) } else { None };
    step.unwrap_or(Step::Wait)
}

/// What comes before the receiver is asked: a fault, a full queue, a message that waits for the listener.
#[inline]
fn step_before(py: Python<'_>, state: &mut State, to_queue: bool) -> Option<Step> {
    if let Some(fault) = state.fault.take() {
        return Some(Step::Fail(fault));
    }
    if to_queue && state.queue_full() {
        if !state.discard {
            return Some(Step::Full);
        }
        state.drop_unwanted(py);
    }
    if to_queue || state.queue.is_empty() { None } else { take_queued(py, state) }
}

/// Whether the ping that is delivered now is answered, and was not while it waited.
#[cold]
fn answers_ping(state: &mut State) -> bool {
    let limit = state.settings.max_pending_auto_pongs;
    let met = state.ahead.as_mut().is_some_and(|ahead| ahead.met());
    !met && state.settings.auto_pong
        && state.flow.ending == Ending::Open
        && (limit == 0 || state.pongs < limit)
}

/// A message that waited for `recv`, for a listener that has come since: before what comes after it.
pub fn take_queued(py: Python<'_>, state: &mut State) -> Option<Step> {
    let listener = state.listener.as_ref()?.clone_ref(py);
    let (data, size, binary) = state.queue.pop_front()?;
    state.queued_bytes -= size;
    // Waiting messages are kept as `recv` gives them: text as str.
    let data = match data.bind(py).cast::<pyo3::types::PyString>() {
        Ok(text) => match text.to_str() {
            Ok(text) => PyBytes::new(py, text.as_bytes()).into_any().unbind(),
            Err(_) => data,
        },
        Err(_) => data,
    };
    Some(Step::Message { listener, data, binary })
}

/// Puts a message where it belongs: the queue, the listener, or (rarely) both.
#[inline]
pub fn place(
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
#[inline(always)] // its one caller is the way of every message
fn message_object(
    py: Python<'_>,
    data: Data<'_, BytesBuffer>,
    binary: bool,
    to_text: bool,
    lossy: bool,
    form: BinaryType,
) -> PyResult<Py<PyAny>> {
    let to_bytearray = binary && form == BinaryType::ByteArray;
    let as_bytes = !(to_text || to_bytearray);
    let object = |bytes: &[u8]| {
        if to_text {
            decode(py, bytes, lossy)
        } else if as_bytes {
            Ok(PyBytes::new(py, bytes).into_any().unbind())
        } else {
            Ok(PyByteArray::new(py, bytes).into_any().unbind())
        }
    };
    match data {
        Data::Slice(bytes) => object(bytes),
        Data::Buffer(buffer) if as_bytes => Ok(buffer.into_bytes(py)?.into_any().unbind()),
        Data::Buffer(buffer) => object(MessageBuffer::as_slice(&buffer)),
        Data::Fragments(pieces) => {
            let slices: Vec<&[u8]> = pieces.iter().map(MessageBuffer::as_slice).collect();
            object(&slices.concat())
        }
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
