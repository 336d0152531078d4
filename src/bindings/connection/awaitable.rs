//! The awaitables that `recv`, `next` and `send` return.
//!
//! To an asyncio task, a [`Waiter`] is a future, although it is no `asyncio.Future`: the task finds
//! `_asyncio_future_blocking`, passes its wake-up to `add_done_callback` and later calls `result`. One waiter
//! serves a connection for all its messages. Within a batch of the engine, where no task is current, the
//! wake-up is called directly in the task's context; otherwise it goes through `call_soon`.

#![allow(unsafe_code)]

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::bindings::connection::Connection;
use crate::bindings::connection::inbound::inbox;
use crate::bindings::connection::outbound::flush;
use crate::bindings::connection::outbound::send::connection_closed;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::py::context;
use crate::bindings::py::gil_cell::GilCell;

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A message. At the end, the exception that was passed to `finish` is raised.
    Message,
    /// A message. An orderly end raises `StopAsyncIteration`.
    Next,
    /// Room to send: at most the low-water mark is queued. A loss before that raises `ConnectionClosed`.
    Room,
}

/// What a waiter finds when it looks at its connection.
pub enum Found {
    /// Nothing yet: wait.
    Nothing,
    /// The value of the `await`.
    Value(Py<PyAny>),
}

struct Callback {
    function: Py<PyAny>,
    context: Option<Py<PyAny>>,
}

#[derive(Default)]
struct State {
    callbacks: Vec<Callback>,
    waiting: bool,
    blocking: bool,
    /// Set once the queue fell to the low-water mark: a later loss of the connection must not fail this send.
    granted: bool,
    /// Set once a task that waited here was cancelled. That task may call `cancel` again before it receives
    /// the cancellation, so no other task may wait here.
    spent: bool,
}

/// The future-like object on which a task waits for a message or for room to send.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Waiter {
    connection: Py<Connection>,
    wish: Wish,
    state: GilCell<State>,
}

impl Waiter {
    pub fn new(connection: Py<Connection>, wish: Wish) -> Self {
        Self { connection, wish, state: GilCell::new(State::default()) }
    }

    /// Records that there is room, for a sender that may only run after the connection has ended.
    pub fn grant(&self, py: Python<'_>) {
        self.state.with(py, |state| state.granted = true);
    }

    pub fn is_granted(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.granted)
    }

    /// True if the connection was lost before there was room.
    fn is_in_vain(&self, py: Python<'_>) -> bool {
        self.wish == Wish::Room
            && !self.connection.get().is_connected(py)
            && !self.state.with(py, |state| state.granted)
    }

    pub fn is_spent(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.spent)
    }

    /// True if a task is suspended on this waiter.
    pub fn is_waiting(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.waiting && !state.callbacks.is_empty())
    }

    /// Wakes the suspended tasks: at once within a batch of the reactor, otherwise in the next tick.
    pub fn wake(slf: &Bound<'_, Self>, reactor: &Reactor) {
        let py = slf.py();
        let callbacks = slf.get().state.with(py, |state| {
            state.waiting = false;
            std::mem::take(&mut state.callbacks)
        });
        for callback in callbacks {
            let outcome = match &callback.context {
                // Only legal while no task is current: within a batch, and not within a task that the batch
                // has woken.
                Some(context) if reactor.begin_waking(py) => {
                    let outcome = {
                        let _entered = context::enter(py, context);
                        callback.function.call1(py, (slf,)).map(drop)
                    };
                    reactor.end_waking(py);
                    match outcome {
                        Err(error) if refused_a_step(&error, reactor, py) => {
                            callback.schedule(slf.as_any(), reactor)
                        }
                        other => other,
                    }
                }
                _ => callback.schedule(slf.as_any(), reactor),
            };
            if let Err(error) = outcome {
                reactor.keep_error(py, error);
            }
        }
    }
}

impl Callback {
    fn schedule(&self, future: &Bound<'_, PyAny>, reactor: &Reactor) -> PyResult<()> {
        reactor.call_soon(future.py(), &self.function, future, self.context.as_ref())
    }
}

/// True if asyncio refused to step a task because another one is current, which a listener has started
/// eagerly in this batch (`asyncio.eager_task_factory`). The refused step has not begun.
#[cold]
fn refused_a_step(error: &PyErr, reactor: &Reactor, py: Python<'_>) -> bool {
    error.is_instance_of::<PyRuntimeError>(py)
        && py
            .import("asyncio")
            .and_then(|asyncio| asyncio.call_method1("current_task", (reactor.event_loop(py),)))
            .is_ok_and(|task| !task.is_none())
}

/// Ends an `await` with `value`, which must be neither a tuple nor an exception. Like CPython's own futures,
/// it sets `StopIteration(value)` as the error and returns "no next item". Going through a `PyErr` would cost
/// two allocations per message.
fn stop_iteration<T>(py: Python<'_>, value: &Py<PyAny>) -> Option<T> {
    if !value.is_none(py) {
        // SAFETY: the GIL is held; both objects are alive, and new references are taken.
        unsafe { ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr()) };
    }
    None
}

fn cancelled_error(py: Python<'_>) -> PyErr {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = TYPE
        .get_or_try_init(py, || Ok(py.import("asyncio")?.getattr("CancelledError")?.unbind()))
        .and_then(|class| class.bind(py).call0());
    match made {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The object that `recv`, `next` and a waiting `send` return. They do not return the waiter itself, because
/// asyncio would take it for a future and add callbacks before a task waits on it.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Awaitable {
    waiter: Py<Waiter>,
}

impl Awaitable {
    pub const fn new(waiter: Py<Waiter>) -> Self {
        Self { waiter }
    }

    pub const fn waiter(&self) -> &Py<Waiter> {
        &self.waiter
    }
}

#[pymethods]
impl Awaitable {
    fn __await__(&self, py: Python<'_>) -> PyResult<Py<Waiter>> {
        let waiter = self.waiter.get();
        if waiter.wish != Wish::Room {
            let connection = waiter.connection.bind(py);
            if inbox::is_claimed_by_task(connection) {
                let said = "another task is already waiting for a message";
                return Err(PyRuntimeError::new_err(said));
            }
            if waiter.is_spent(py) {
                let fresh = inbox::recv(connection, waiter.wish)?;
                return Ok(fresh.get().waiter().clone_ref(py));
            }
        }
        Ok(self.waiter.clone_ref(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.waiter)
    }
}

#[pymethods]
impl Waiter {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<Self>>> {
        let (py, this) = (slf.py(), slf.get());
        if this.is_in_vain(py) {
            return Err(connection_closed(py));
        }
        match inbox::look(this.connection.bind(py), this.wish)? {
            Found::Value(value) => Ok(stop_iteration(py, &value)),
            Found::Nothing => {
                if this.wish == Wish::Room {
                    // Woken, but another sender has used up the room: wait again.
                    flush::wake_when_room(this.connection.bind(py), slf);
                }
                this.state.with(py, |state| {
                    state.waiting = true;
                    state.blocking = true;
                });
                Ok(Some(slf.clone().unbind()))
            }
        }
    }

    /// Marks this object for asyncio as a future on which a task may wait.
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.blocking)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, py: Python<'_>, value: bool) {
        self.state.with(py, |state| state.blocking = value);
    }

    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.connection.get().reactor(py).event_loop(py)
    }

    #[pyo3(signature = (function, *, context = None))]
    fn add_done_callback(&self, py: Python<'_>, function: Py<PyAny>, context: Option<Py<PyAny>>) {
        self.state.with(py, |state| state.callbacks.push(Callback { function, context }));
    }

    /// Removes every callback equal to `function` and returns their number.
    fn remove_done_callback(&self, py: Python<'_>, function: &Bound<'_, PyAny>) -> PyResult<usize> {
        let all = self.state.with(py, |state| std::mem::take(&mut state.callbacks));
        let before = all.len();
        let mut kept = Vec::with_capacity(before);
        for callback in all {
            if !callback.function.bind(py).eq(function)? {
                kept.push(callback);
            }
        }
        let removed = before - kept.len();
        self.state.with(py, |state| state.callbacks.append(&mut kept));
        Ok(removed)
    }

    /// A task calls this after its wake-up. It returns nothing: the message is the value of the `await`.
    fn result(&self) {}

    fn exception(&self) {}

    fn done(&self, py: Python<'_>) -> bool {
        !self.is_waiting(py)
    }

    fn cancelled(&self) -> bool {
        false
    }

    /// Ends the wait with CancelledError. Returns False if no task is waiting. No message is lost.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        drop(msg); // the task keeps the message of its own cancellation
        let (py, this) = (slf.py(), slf.get());
        let (callbacks, again) = this.state.with(py, |state| {
            state.waiting = false;
            let again = std::mem::replace(&mut state.spent, true);
            (std::mem::take(&mut state.callbacks), again)
        });
        let connection = this.connection.get();
        if this.wish != Wish::Room && !again {
            // A task that was woken but is cancelled before it runs takes no message either.
            connection.state.with(py, |state| state.session.owe(false));
        }
        let reactor = connection.reactor(py);
        let told = Bound::new(py, Cancelled)?;
        for callback in &callbacks {
            callback.schedule(told.as_any(), reactor)?;
        }
        Ok(!callbacks.is_empty())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.connection)?;
        self.state
            .for_traverse(|state| {
                for callback in &state.callbacks {
                    visit.call(&callback.function)?;
                    visit.call(&callback.context)?;
                }
                Ok(())
            })
            .unwrap_or(Ok(()))
    }
}

/// The future that is passed to the wake-up of a cancelled wait. Its `result` raises the cancellation.
#[pyclass(frozen, module = "wsrs._core")]
struct Cancelled;

#[pymethods]
impl Cancelled {
    fn result(&self, py: Python<'_>) -> PyResult<()> {
        Err(cancelled_error(py))
    }
}

/// An awaitable that is already done. `send` returns it while there is room, and when it fails.
#[pyclass(frozen, module = "wsrs._core")]
pub struct Done {
    error: Option<Py<PyAny>>,
}

impl Done {
    /// Makes one that raises `error` when it is awaited and stays silent otherwise, as in ws.
    pub fn failed(error: Py<PyAny>) -> Self {
        Self { error: Some(error) }
    }

    /// Returns the one instance that every send without a wait shares.
    pub fn ready(py: Python<'_>) -> PyResult<Py<PyAny>> {
        static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let ready = READY.get_or_try_init(py, || {
            PyResult::Ok(Bound::new(py, Self { error: None })?.into_any().unbind())
        })?;
        Ok(ready.clone_ref(py))
    }
}

#[pymethods]
impl Done {
    /// Awaiting it raises `error`, if there is one.
    #[new]
    #[pyo3(signature = (error = None))]
    fn new(error: Option<Py<PyAny>>) -> Self {
        Self { error }
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.error {
            Some(error) => Err(PyErr::from_value(error.bind(py).clone())),
            None => Ok(None),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.error)
    }
}
