//! The state of a connection: its session, and the objects around it. Each part keeps its fields to itself.

#[cfg(unix)]
use std::mem::offset_of;

use pyo3::call::PyCallArgs;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::Connection;
use super::inbound::inbox::Receivers;
use super::outbound::flush::Senders;
use super::wire::Wire;
use crate::bindings::convert::bytes_buffer::BytesBuffer;
use crate::bindings::convert::owned_payload::OwnedPayload;
use crate::bindings::convert::payload::Payload;
#[cfg(unix)]
use crate::bindings::event_loop::prefetch::Prefetch;
use crate::session::{Objects, Session};
#[cfg(unix)]
use crate::simd::prefetch::prefetch;

/// Number of bytes that are used, and so prefetched, of a Python function and of a WebSocket.
#[cfg(unix)]
const LISTENER: usize = 128;
#[cfg(unix)]
const WEBSOCKET: usize = 160;

/// The Python objects that a session passes on without looking into them.
pub struct PyObjects;

impl Objects for PyObjects {
    type Buffer = BytesBuffer;
    type Listener = Py<PyAny>;
    type Message = Py<PyAny>;
    type Bytes = Py<PyBytes>;
    type Error = PyErr;
    type Callback = Py<PyAny>;
    type Payload = OwnedPayload;
}

/// The state of one connection. Dropping an object in it may run Python code, so it is taken out of the
/// borrow first.
pub struct State {
    pub wire: Wire,
    pub session: Session<PyObjects>,
    pub senders: Senders,
    pub receivers: Receivers,
    /// What is prefetched before the listener is called.
    #[cfg(unix)]
    prefetch: Prefetch,
    /// The WebSocket whose methods are called for events.
    owner: Option<Py<PyAny>>,
    /// The user's function that fills in masking keys.
    generate_mask: Option<Py<PyAny>>,
    /// Why the transport was lost, until the owner is told.
    lost_error: Option<Py<PyAny>>,
}

impl State {
    pub fn new(
        session: Session<PyObjects>,
        owner: Py<PyAny>,
        generate_mask: Option<Py<PyAny>>,
    ) -> Self {
        Self {
            wire: Wire::new(),
            session,
            senders: Senders::default(),
            receivers: Receivers::default(),
            #[cfg(unix)]
            prefetch: Prefetch::default(),
            owner: Some(owner),
            generate_mask,
            lost_error: None,
        }
    }

    /// Records the loss of the transport, with its error if it had one. Returns the transport and the
    /// callbacks of frames that were not written, which must be dropped with nothing borrowed.
    pub fn lose(
        &mut self,
        error: Option<Py<PyAny>>,
    ) -> (Option<Py<PyAny>>, impl Iterator<Item = Py<PyAny>> + use<>) {
        self.wire.close(self.session.counters_mut());
        self.lost_error = error;
        (self.wire.take_transport(), self.session.lose())
    }

    /// Takes the error with which the transport was lost.
    pub const fn take_lost_error(&mut self) -> Option<Py<PyAny>> {
        self.lost_error.take()
    }

    /// The user's function that fills in masking keys.
    pub const fn generate_mask(&self) -> Option<&Py<PyAny>> {
        self.generate_mask.as_ref()
    }

    /// Sets what is prefetched before the listener is called.
    #[cfg(unix)]
    pub const fn set_prefetch(&mut self, prefetch: Prefetch) {
        self.prefetch = prefetch;
    }

    /// Visits the Python objects to which this state refers.
    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in [&self.owner, &self.generate_mask, &self.lost_error] {
            visit.call(object)?;
        }
        let (listener, mut messages, mut callbacks) = self.session.objects();
        visit.call(listener)?;
        messages.try_for_each(|message| visit.call(message))?;
        callbacks.try_for_each(|callback| visit.call(callback))?;
        self.wire.traverse(&visit)?;
        self.senders.traverse(&visit)?;
        self.receivers.traverse(&visit)
    }

    /// Takes those objects out. The caller must drop them with nothing borrowed.
    #[must_use]
    pub fn take_objects(&mut self) -> impl Sized + use<> {
        (
            self.session.take_objects(),
            (self.owner.take(), self.generate_mask.take(), self.lost_error.take()),
            (self.wire.take_transport(), self.senders.take(), std::mem::take(&mut self.receivers)),
        )
    }
}

impl Connection {
    /// The transport, which belongs to the engine or to the loop.
    pub fn transport_object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.wire.transport().map(|one| one.clone_ref(py)))
    }

    /// The data of a frame, as it is when it is sent: the program's `generate_mask` may change an object that
    /// is not immutable.
    #[inline]
    pub fn keep<'py>(&self, py: Python<'py>, payload: Payload<'py>) -> Payload<'py> {
        let is_view = matches!(payload, Payload::View(_));
        if is_view && self.state.with(py, |state| state.generate_mask.is_some()) {
            return payload.kept(py);
        }
        payload
    }

    /// True on the server's side.
    pub fn is_server(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.is_server())
    }

    /// True if there is a transport of the loop or a socket of the engine.
    pub fn is_connected(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.session.is_connected())
    }

    /// Calls a method of the owner in the context of the connection. An exception that it raises goes to the
    /// loop's exception handler.
    pub fn tell_owner<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        arguments: impl PyCallArgs<'py> + IntoPyObject<'py, Target = PyTuple>,
    ) {
        self.context.run(py, || self.tell_owner_here(py, method, arguments));
    }

    /// Does the same in the current context.
    pub fn tell_owner_here<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        arguments: impl PyCallArgs<'py> + IntoPyObject<'py, Target = PyTuple>,
    ) {
        let owner = self.state.with(py, |state| state.owner.as_ref().map(|one| one.clone_ref(py)));
        if let Some(owner) = owner
            && let Err(error) = owner.call_method1(py, method, arguments)
        {
            self.reactor(py).report(py, "a WebSocket's event failed", error);
        }
    }

    /// Prefetches the connection itself, before its socket is read.
    #[cfg(unix)]
    #[inline]
    pub fn fetch(&self) {
        prefetch(std::ptr::from_ref(self), size_of::<Self>());
    }

    /// Prefetches the listener, what it refers to, and the WebSocket, before the delivery.
    #[cfg(unix)]
    #[inline]
    pub fn look_ahead(&self, py: Python<'_>) {
        let (listener, owner) = self.state.with(py, |state| {
            let address =
                |object: Option<&Py<PyAny>>| object.map_or(std::ptr::null_mut(), Py::as_ptr);
            state.prefetch.fetch();
            (address(state.session.listener()), address(state.owner.as_ref()))
        });
        prefetch(listener, LISTENER);
        prefetch(owner, WEBSOCKET);
    }

    /// Prefetches what `flush::awaits_writes` reads, before the write.
    #[cfg(unix)]
    #[inline]
    pub fn look_ahead_to_write(&self) {
        let state = self.state.address();
        let marks = offset_of!(State, session) + Session::<PyObjects>::marks_offset();
        for offset in [0, marks, offset_of!(State, senders)] {
            prefetch(state.wrapping_byte_add(offset), 1);
        }
    }
}
