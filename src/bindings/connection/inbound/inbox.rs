//! Hands the messages of the inbox to the tasks that wait for them.

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::connection::Connection;
use crate::bindings::connection::awaitable::{Awaitable, Found, Waiter, Wish};
use crate::bindings::connection::outbound::flush;
use crate::bindings::convert::text::decode;
use crate::bindings::event_loop::slices;
use crate::session::{Host, Soon, delivery};

/// How the messages end: with `error`, and whether the end was orderly.
struct Finish {
    error: Py<PyAny>,
    orderly: bool,
}

/// The awaitables of tasks that wait for messages, one each for `recv` and `next`, and how the messages end.
#[derive(Default)]
pub struct Receivers {
    recv: Option<Py<Awaitable>>,
    next: Option<Py<Awaitable>>,
    finish: Option<Finish>,
}

impl Receivers {
    /// True if a task waits for a message.
    pub fn is_waiting(&self, py: Python<'_>) -> bool {
        [&self.recv, &self.next].into_iter().flatten().any(|made| waiter_of(made).is_waiting(py))
    }

    /// The waiters on which tasks wait.
    fn waiting(&self, py: Python<'_>) -> [Option<Py<Waiter>>; 2] {
        [&self.recv, &self.next].map(|slot| {
            let waiter = slot.as_ref()?.get().waiter();
            waiter.get().is_waiting(py).then(|| waiter.clone_ref(py))
        })
    }

    const fn slot(&mut self, wish: Wish) -> &mut Option<Py<Awaitable>> {
        if matches!(wish, Wish::Next) { &mut self.next } else { &mut self.recv }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.recv)?;
        visit.call(&self.next)?;
        self.finish.as_ref().map_or(Ok(()), |finish| visit.call(&finish.error))
    }
}

fn waiter_of(made: &Py<Awaitable>) -> &Waiter {
    made.get().waiter().get()
}

/// Returns the connection's one awaitable for `wish`.
#[inline]
pub fn recv(connection: &Bound<'_, Connection>, wish: Wish) -> PyResult<Py<Awaitable>> {
    let (py, this) = (connection.py(), connection.get());
    this.check_thread(py)?;
    let found = this.state.with(py, |state| {
        state.session.claim();
        let usable = state.receivers.slot(wish).as_ref();
        usable.filter(|made| !waiter_of(made).is_spent(py)).map(|made| made.clone_ref(py))
    });
    if let Some(made) = found {
        return Ok(made);
    }
    let waiter = Py::new(py, Waiter::new(connection.clone().unbind(), wish))?;
    let made = Py::new(py, Awaitable::new(waiter))?;
    let kept = made.clone_ref(py);
    let spent = this.state.with(py, |state| state.receivers.slot(wish).replace(kept));
    drop(spent);
    Ok(made)
}

/// Records that no further message will come. Tasks that wait get the messages of the inbox, then `error`.
pub fn finish(connection: &Bound<'_, Connection>, error: Py<PyAny>, orderly: bool) {
    let old = connection
        .get()
        .state
        .with(connection.py(), |state| state.receivers.finish.replace(Finish { error, orderly }));
    drop(old);
    wake_receiver(connection);
}

/// True if the next message belongs to a task, because one waits for it, or was woken and has not run yet.
pub fn is_claimed_by_task(connection: &Bound<'_, Connection>) -> bool {
    let py = connection.py();
    connection
        .get()
        .state
        .with(py, |state| state.session.is_owed() || state.receivers.is_waiting(py))
}

/// Wakes the task that waits for a message, if there is one.
pub fn wake_receiver(connection: &Bound<'_, Connection>) {
    let (py, this) = (connection.py(), connection.get());
    let waiters = this.state.with(py, |state| {
        let waiters = state.receivers.waiting(py);
        if waiters.iter().any(Option::is_some) {
            state.session.owe(true);
        }
        waiters
    });
    for waiter in waiters.into_iter().flatten() {
        Waiter::wake(waiter.bind(py), this.reactor(py));
    }
}

/// Returns what a waiter finds: the next message, room to send, the end, or nothing yet.
pub fn look(connection: &Bound<'_, Connection>, wish: Wish) -> PyResult<Found> {
    let (py, this) = (connection.py(), connection.get());
    if wish == Wish::Room {
        return Ok(flush::look_for_room(connection));
    }
    if this.state.with(py, |state| state.session.may_let_task_wait())
        && slices::count_and_check(this.reactor_bound(py), 0)
    {
        // The task waits like one that has found nothing, and is woken in another slice.
        connection.with(|session| session.owe(false));
        delivery::wait_for_slice(connection);
        return Ok(Found::Nothing);
    }
    let (message, goes_on, end) = this.state.with(py, |state| {
        let (message, goes_on) = state.session.take_message();
        let end = match &state.receivers.finish {
            Some(finish) if message.is_none() => Some((finish.error.clone_ref(py), finish.orderly)),
            _ => None,
        };
        (message, goes_on, end)
    });
    if goes_on {
        connection.soon(Soon::GoOn);
    }
    match (message, end) {
        (Some((message, false)), _) => as_text(py, message).map(Found::Value),
        (Some((message, true)), _) => Ok(Found::Value(message)),
        (None, Some((_, true))) if wish == Wish::Next => Err(PyStopAsyncIteration::new_err(())),
        (None, Some((error, _))) => Err(PyErr::from_value(error.into_bound(py))),
        (None, None) => Ok(Found::Nothing),
    }
}

/// Converts a text message of the inbox to str. The inbox holds it as bytes if it was not validated.
fn as_text(py: Python<'_>, message: Py<PyAny>) -> PyResult<Py<PyAny>> {
    match message.bind(py).cast::<PyBytes>() {
        Ok(bytes) => decode(py, bytes.as_bytes(), true),
        Err(_) => Ok(message),
    }
}
