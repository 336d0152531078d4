//! The state that the connections of one event loop share (`shared.rs`), the flush at the end of a tick and,
//! where the loop can watch a descriptor, the engine's sockets (`sockets.rs`).

#![allow(unsafe_code)]

use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bindings::event_loop::home::Home;
use crate::bindings::event_loop::owner::{self, Connection};
use crate::bindings::event_loop::shared::Shared;
use crate::bindings::event_loop::slices::{self, Late};
#[cfg(unix)]
use crate::bindings::event_loop::sockets::Sockets;
use crate::bindings::event_loop::table;
use crate::bindings::offload::jobs::Jobs;
use crate::bindings::py::gil_cell::GilCell;
#[cfg(unix)]
use crate::bindings::serve::read_group::ReadGroup;

/// Work for later: the connections to flush at the end of the tick, those that wait for a time slice, and an error
/// that must end the loop.
#[derive(Default)]
struct Agenda {
    dirty: Vec<Py<Connection>>,
    flush_scheduled: bool,
    late: Late,
    error: Option<PyErr>,
}

/// Holds what the connections of one event loop share: the engine, the codec, jobs and the flush at the end
/// of a tick.
#[pyclass(frozen, weakref, module = "wsrs._core")]
pub struct Reactor {
    event_loop: Py<PyAny>,
    call_soon: Py<PyAny>,
    home: Home,
    shared: GilCell<Shared>,
    agenda: GilCell<Agenda>,
    jobs: GilCell<Jobs>,
    #[cfg(unix)]
    sockets: GilCell<Sockets>,
    /// Always empty here: it is kept for the capacity of its list.
    #[cfg(unix)]
    read_group: GilCell<ReadGroup>,
}

impl Reactor {
    pub fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            call_soon: event_loop.getattr(intern!(py, "call_soon"))?.unbind(),
            home: Home::default(),
            shared: GilCell::new(Shared::new()),
            agenda: GilCell::new(Agenda::default()),
            jobs: GilCell::new(Jobs::default()),
            #[cfg(unix)]
            sockets: GilCell::new(Sockets::default()),
            #[cfg(unix)]
            read_group: GilCell::new(ReadGroup::default()),
        })
    }

    /// Raises `RuntimeError` if the loop runs in another thread.
    #[inline]
    pub fn check_thread(&self, py: Python<'_>) -> PyResult<()> {
        self.home.check(py, &self.event_loop)
    }

    /// Records that the loop runs in this thread.
    pub fn enter(&self, py: Python<'_>) {
        self.home.enter(py);
    }

    #[inline]
    pub fn with_shared<R>(&self, py: Python<'_>, act: impl FnOnce(&mut Shared) -> R) -> R {
        self.shared.with(py, act)
    }

    #[cfg(unix)]
    #[inline]
    pub fn with_sockets<R>(&self, py: Python<'_>, act: impl FnOnce(&mut Sockets) -> R) -> R {
        self.sockets.with(py, act)
    }

    pub fn with_jobs<R>(&self, py: Python<'_>, act: impl FnOnce(&mut Jobs) -> R) -> R {
        self.jobs.with(py, act)
    }

    /// Takes the reusable read group. The caller gives it back empty.
    #[cfg(unix)]
    pub fn take_read_group(&self, py: Python<'_>) -> ReadGroup {
        self.read_group.with(py, std::mem::take)
    }

    #[cfg(unix)]
    pub fn give_read_group(&self, py: Python<'_>, group: ReadGroup) {
        self.read_group.with(py, |kept| *kept = group);
    }

    /// True if this is the reactor of `event_loop`.
    pub fn is_of(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        self.event_loop.is(event_loop)
    }

    /// The connections that wait for a time slice.
    pub fn with_late<R>(&self, py: Python<'_>, act: impl FnOnce(&mut Late) -> R) -> R {
        self.agenda.with(py, |agenda| act(&mut agenda.late))
    }

    pub fn event_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    /// True while the engine's callback is running, so that no task is current.
    #[inline]
    pub fn in_batch(&self, py: Python<'_>) -> bool {
        self.shared.with(py, |shared| shared.is_in_batch())
    }

    /// True if a task may be stepped directly now. If so, no other may be until `end_waking` is called.
    pub fn begin_waking(&self, py: Python<'_>) -> bool {
        // Another thread may run while a listener of the batch waits for it.
        self.home.is_here(py) && self.shared.with(py, Shared::begin_waking)
    }

    pub fn end_waking(&self, py: Python<'_>) {
        self.shared.with(py, Shared::end_waking);
    }

    /// Calls `loop.call_soon(function, argument, context=context)`.
    pub fn call_soon(
        &self,
        py: Python<'_>,
        function: &Py<PyAny>,
        argument: &Bound<'_, PyAny>,
        context: Option<&Py<PyAny>>,
    ) -> PyResult<()> {
        let arguments = (function, argument);
        match context {
            None => self.call_soon.call1(py, arguments)?,
            Some(context) => {
                let keywords = PyDict::new(py);
                keywords.set_item(intern!(py, "context"), context)?;
                self.call_soon.call(py, arguments, Some(&keywords))?
            }
        };
        Ok(())
    }

    /// Calls the callback of a frame with `error`, which is None if the frame was written.
    pub fn call_back(&self, py: Python<'_>, callback: &Py<PyAny>, error: Py<PyAny>) {
        if let Err(error) = callback.call1(py, (error,)) {
            self.report(py, "a send callback raised an exception", error);
        }
    }

    /// Calls `loop.call_soon(target.method, argument)`. A failure, such as a loop that is already closed, is
    /// reported instead of returned.
    pub fn call_method_soon(
        &self,
        target: &Bound<'_, PyAny>,
        method: &str,
        argument: &Bound<'_, PyAny>,
    ) {
        let py = target.py();
        let outcome =
            target.getattr(method).and_then(|bound| self.call_soon.call1(py, (bound, argument)));
        if let Err(error) = outcome {
            self.report(py, "wsrs could not schedule a call", error);
        }
    }

    /// Passes an error that no caller can receive to the loop's exception handler. `KeyboardInterrupt` and
    /// `SystemExit` are kept for the loop instead, because they must end it.
    pub fn report(&self, py: Python<'_>, message: &str, error: PyErr) {
        if !error.is_instance_of::<PyException>(py) {
            self.keep_error(py, error);
            return;
        }
        let context = PyDict::new(py);
        let outcome = context
            .set_item("message", message)
            .and_then(|()| context.set_item("exception", error.value(py)))
            .and_then(|()| {
                self.event_loop.call_method1(py, intern!(py, "call_exception_handler"), (context,))
            });
        if let Err(failure) = outcome {
            failure.write_unraisable(py, None);
        }
    }

    /// Keeps an exception that must end the loop (`SystemExit`, `KeyboardInterrupt`) until the end of the
    /// batch. Outside a batch, a callback scheduled with `call_soon` raises it.
    pub fn keep_error(&self, py: Python<'_>, error: PyErr) {
        if self.in_batch(py) {
            let old = self.agenda.with(py, |agenda| agenda.error.replace(error));
            drop(old);
        } else if let Err(failure) = wrap_pyfunction!(raise_error, py)
            .and_then(|raise| self.call_soon.call1(py, (raise, error.value(py))))
        {
            failure.write_unraisable(py, None);
            error.write_unraisable(py, None);
        }
    }

    pub fn take_error(&self, py: Python<'_>) -> Option<PyErr> {
        self.agenda.with(py, |agenda| agenda.error.take())
    }

    /// Arranges for `connection` to be flushed at the end of this tick.
    pub fn mark_dirty(slf: &Bound<'_, Self>, connection: &Bound<'_, Connection>) -> PyResult<()> {
        let py = slf.py();
        let connection = connection.clone().unbind();
        slf.get().agenda.with(py, |agenda| agenda.dirty.push(connection));
        Self::schedule_flush(slf)
    }

    /// Schedules one `call_soon` for all connections, and none within a batch, which flushes when it ends.
    /// Raises what says why the loop takes no calls: it is closed, or runs in another thread.
    pub fn schedule_flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.in_batch(py) {
            return Ok(());
        }
        let first =
            this.agenda.with(py, |agenda| !std::mem::replace(&mut agenda.flush_scheduled, true));
        if first {
            let outcome = slf
                .getattr(intern!(py, "_flush"))
                .and_then(|flush| this.call_soon.call1(py, (flush,)));
            if let Err(error) = outcome {
                this.agenda.with(py, |agenda| agenda.flush_scheduled = false);
                // What is queued stays, and schedules nothing more: each later call must ask, too.
                this.home.leave();
                this.home.check_elsewhere(py, &this.event_loop)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes everything that the connections have queued so far.
    pub fn flush_all(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        this.agenda.with(py, |agenda| agenda.flush_scheduled = false);
        #[cfg(unix)]
        crate::bindings::serve::write::flush_dirty(slf);
        let batch = this.agenda.with(py, |agenda| std::mem::take(&mut agenda.dirty));
        for connection in batch {
            owner::flush(connection.bind(py));
        }
    }

    /// Schedules a flush in the next tick if callbacks have queued more during this one.
    pub fn flush_rest_later(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        #[cfg(unix)]
        let sockets =
            this.with_sockets(py, |sockets| sockets.engine().map_or(0, |one| one.dirty_len()));
        #[cfg(not(unix))]
        let sockets = 0;
        if (sockets > 0 || this.agenda.with(py, |agenda| !agenda.dirty.is_empty()))
            && let Err(error) = Self::schedule_flush(slf)
        {
            this.report(py, "wsrs could not schedule a flush", error);
        }
    }
}

/// Raises `error` from a callback of the loop, which ends the loop.
#[pyfunction]
fn raise_error(error: Bound<'_, PyAny>) -> PyResult<()> {
    Err(PyErr::from_value(error))
}

#[pymethods]
impl Reactor {
    /// Writes everything that was queued in this tick.
    fn _flush(slf: &Bound<'_, Self>) {
        slf.get().enter(slf.py());
        Self::flush_all(slf);
        Self::flush_rest_later(slf);
    }

    /// Notifies the connections whose jobs are done.
    fn _jobs_done(slf: &Bound<'_, Self>) {
        crate::bindings::offload::jobs::done(slf);
    }

    /// Goes on with what was left over when the last time slice ended.
    fn _next_slice(slf: &Bound<'_, Self>, _reactor: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().enter(slf.py());
        slices::run(slf)
    }

    /// Serves the sockets that are ready. The loop calls this when the poller's descriptor is readable.
    #[cfg(unix)]
    fn _on_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().enter(slf.py());
        crate::bindings::serve::poll::on_ready(slf)
    }

    /// Resumes accepting, some time after the process ran out of descriptors.
    #[cfg(unix)]
    fn _resume_accepting(slf: &Bound<'_, Self>) {
        crate::bindings::serve::poll::resume_accepting(slf);
    }

    /// Accepts connections on a bound, listening socket, which still belongs to the caller. For each
    /// connection, `protocol_factory()` makes a protocol and its `connection_made` is called. Raises OSError
    /// on failure.
    #[cfg(unix)]
    fn listen(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        protocol_factory: Py<PyAny>,
    ) -> PyResult<crate::bindings::event_loop::sockets::Listener> {
        crate::bindings::event_loop::sockets::listen(slf, sock, protocol_factory)
    }

    /// Makes a transport from a connected stream socket, and closes `sock` itself after duplicating its
    /// descriptor. Raises OSError on failure.
    #[cfg(unix)]
    fn adopt(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
    ) -> PyResult<Py<crate::bindings::event_loop::transport::EngineTransport>> {
        crate::bindings::event_loop::sockets::adopt(slf, sock, protocol)
    }

    /// True if the engine serves sockets on this loop.
    #[getter]
    fn has_engine(&self, py: Python<'_>) -> bool {
        #[cfg(unix)]
        return self.sockets.with(py, |sockets| sockets.is_open());
        #[cfg(not(unix))]
        {
            let _ = py;
            false
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.call_soon)?;
        self.agenda
            .for_traverse(|agenda| {
                agenda.dirty.iter().chain(&agenda.late).try_for_each(|one| visit.call(one))
            })
            .unwrap_or(Ok(()))?;
        self.jobs.for_traverse(|jobs| jobs.traverse(&visit)).unwrap_or(Ok(()))?;
        #[cfg(unix)]
        self.sockets.for_traverse(|sockets| sockets.traverse(visit)).unwrap_or(Ok(()))?;
        Ok(())
    }

    /// Breaks the reference cycle with the connections of a loop that was closed while they were open.
    fn __clear__(&self) {
        Python::attach(|py| {
            let agenda = self.agenda.with(py, std::mem::take);
            let jobs = self.jobs.with(py, std::mem::take);
            #[cfg(unix)]
            let sockets = self.sockets.with(py, std::mem::take);
            #[cfg(unix)]
            drop(sockets);
            drop((agenda, jobs));
        });
    }
}

/// Returns the reactor of `loop` with its engine open, or None if the loop cannot watch descriptors.
#[pyfunction]
#[pyo3(name = "reactor")]
pub fn reactor_of<'py>(r#loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Reactor>>> {
    let made = table::reactor_of(r#loop)?.into_bound(r#loop.py());
    #[cfg(unix)]
    return match super::sockets::open(&made) {
        Ok(()) => Ok(Some(made)),
        Err(error)
            if error.is_instance_of::<pyo3::exceptions::PyNotImplementedError>(made.py()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    };
    #[cfg(not(unix))]
    {
        drop(made);
        Ok(None)
    }
}
