//! From bytes to listeners: frames are taken one by one from the receiver, and each is handed over
//! with no borrow held, so that a listener may do anything with its connection.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::{Awaitable, Done};
use crate::bindings::connection::inbound::step::{Step, next_step, place};
use crate::bindings::connection::outbound::control::FrameKind;
use crate::bindings::connection::state::State;
use crate::bindings::event_loop::reactor::Reactor;
use crate::protocol::receiver::Input;

impl Connection {
    /// Takes bytes from the wire (after those that wait already) and delivers what it can.
    pub fn feed(slf: &Bound<'_, Self>, bytes: &mut [u8]) {
        let (py, this) = (slf.py(), slf.get());
        let (ignore, keep) = this.state.with(py, |state| {
            state.flow.active = true;
            state.counts.wire_received += bytes.len() as u64;
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

    /// Receives into the message itself, if a long frame is on its way; None where it is not.
    #[cfg(unix)]
    pub fn receive_direct(
        &self,
        py: Python<'_>,
        at_least: usize,
        read: impl FnOnce(&mut [std::mem::MaybeUninit<u8>]) -> crate::engine::Read,
    ) -> Option<crate::engine::Read> {
        self.state.with(py, |state| {
            if !state.pending.is_empty() || !state.may_deliver() || state.flow.delivering {
                return None;
            }
            let read = match crate::bindings::connection::inbound::direct_read::receive(
                &mut state.receiver,
                at_least,
                read,
            ) {
                Ok(read) => {
                    if let Some(crate::engine::Read::Data { n, .. }) = read {
                        state.counts.wire_received += n as u64;
                    }
                    read
                }
                Err(fault) => {
                    state.fault = Some(fault);
                    Some(crate::engine::Read::Data { n: 0, drained: true })
                }
            };
            // Until it is delivered the program may pause, or take a message that came before.
            if read.is_some() {
                state.note_ready();
            }
            read
        })
    }

    /// Delivers what waits, as far as it may; also what comes while it does.
    pub fn deliver_pending(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        while let Some(mut bytes) = this.state.with(py, |state| {
            let something = !state.pending.is_empty() || state.flow.has_ready();
            if !something || state.flow.delivering || !state.may_deliver() {
                return None;
            }
            state.flow.forget_ready();
            Some(std::mem::take(&mut state.pending))
        }) {
            Self::deliver(slf, &mut bytes);
            // A message that waited for the listener went first, or the queue had no room.
            this.state.with(py, State::note_ready);
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
                Step::Wait => break,
                Step::NeedMore => {
                    if Self::goes_on_elsewhere(slf) {
                        break;
                    }
                }
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
            // The usual end: one message came, and nothing behind it.
            if input.remaining() == 0 && this.state.with(py, |state| state.has_nothing_else()) {
                break;
            }
        }
        let read = input.position();
        let rest = &bytes[read..];
        this.state.with(py, |state| {
            state.flow.delivering = false;
            if state.ahead.as_mut().is_some_and(|ahead| rest.is_empty() || !ahead.consume(read)) {
                state.ahead = None;
            }
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
    pub fn call_listener(
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
    pub fn end_of_tick(slf: &Bound<'_, Self>, reactor: &Reactor) {
        let (py, this) = (slf.py(), slf.get());
        if this.state.with(py, |state| {
            if state.settings.allow_synchronous_events {
                state.flow.wait_for_tick(false);
                return false;
            }
            let waits = state.flow.waits_for_tick();
            state.flow.wait_for_tick(true);
            !waits
        }) {
            reactor.call_method_soon(slf.as_any(), "_next_tick", slf.as_any());
        }
    }

    /// After a delivery: reads on or not, tells of the end if it has come.
    pub fn after_delivery(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        Self::answer_ahead(slf);
        Self::adjust_reading(slf);
        if this.state.with(py, |state| state.has_end_to_tell()) {
            Self::tell_end(slf);
        }
    }

    /// Tells the owner of the peer's FIN, and of the loss, when all before it is delivered.
    #[cold]
    fn tell_end(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        if this.state.with(py, |state| state.ends_to_tell_now()) == (false, false) {
            return;
        }
        // What was sent before the end was known leaves before it is told.
        Self::flush_answers(slf);
        let (eof, lost) = this.state.with(py, |state| {
            let (eof, lost) = state.ends_to_tell_now();
            state.flow.eof_told |= eof;
            state.flow.lost_told |= lost;
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

    /// Answers pings among the bytes that wait while the program takes nothing; they are told to it, and
    /// not answered again, when it is their turn.
    #[inline]
    fn answer_ahead(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        while let Some((ping, pong)) = this.state.with(py, |state| {
            let wanted = state.settings.read_ahead > 0
                && state.settings.auto_pong
                && state.is_held()
                && !state.flow.lost
                && state.flow.started
                && !(state.flow.delivering || state.flow.concluded || state.pending.is_empty());
            if !wanted {
                return None;
            }
            let receiver = &state.receiver;
            let ahead = state.ahead.get_or_insert_with(|| Box::new(receiver.ahead()));
            let limit = state.settings.max_pending_auto_pongs;
            let ping = ahead.next_ping(&state.pending)?;
            Some((ping, limit == 0 || state.pongs < limit))
        }) {
            if pong {
                Self::queue_control(slf, FrameKind::AutoPong, ping.as_ref());
            }
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
