//! The jobs of a reactor's connections: which connection waits for which job, and how the loop is woken when
//! jobs are done.

#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::outbound::compress_queue;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::offload::thread_pool::{Job, Mailbox, Task, Waker, submit};

/// The jobs of one event loop.
#[derive(Default)]
pub struct Jobs {
    next: u64,
    connections: HashMap<u64, Py<Connection>>,
    mailbox: Option<Arc<Mailbox>>,
    /// The end that the loop reads, and the end that the threads write. Whoever writes keeps both alive, so
    /// that no write meets a closed pipe and raises SIGPIPE.
    #[cfg(unix)]
    pipe: Option<Arc<(UnixStream, UnixStream)>>,
    /// True while the loop watches the pipe.
    watching: bool,
}

impl Jobs {
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.connections.values().try_for_each(|one| visit.call(one))
    }
}

/// Has a thread do `task` for `connection`. The job starts once fewer than `limit` jobs run, and `job_done`
/// is called when it is done.
pub fn start(
    connection: &Bound<'_, Connection>,
    task: Task,
    limit: usize,
    cancelled: Arc<AtomicBool>,
) -> PyResult<()> {
    let py = connection.py();
    let reactor = connection.get().reactor_bound(py);
    let waker = waker(reactor)?;
    let kept = connection.clone().unbind();
    let job = reactor.get().with_jobs(py, |jobs| {
        let id = jobs.next;
        jobs.next += 1;
        jobs.connections.insert(id, kept);
        let mailbox = Arc::downgrade(jobs.mailbox.get_or_insert_default());
        Job { id, task, limit, cancelled, mailbox, waker }
    });
    submit(py, job);
    Ok(())
}

/// Returns what wakes the reactor's loop: a pipe that it watches while there are jobs, or else a call.
fn waker(reactor: &Bound<'_, Reactor>) -> PyResult<Waker> {
    let (py, this) = (reactor.py(), reactor.get());
    let event_loop = this.event_loop(py);
    let target = reactor.getattr(intern!(py, "_jobs_done"))?;
    #[cfg(unix)]
    {
        let found = this.with_jobs(py, |jobs| match &jobs.pipe {
            Some(pipe) => Ok((pipe.0.as_raw_fd(), Arc::clone(pipe), jobs.watching)),
            None => {
                let (ours, theirs) = UnixStream::pair()?;
                ours.set_nonblocking(true)?;
                theirs.set_nonblocking(true)?;
                let pipe = jobs.pipe.insert(Arc::new((ours, theirs)));
                Ok::<_, std::io::Error>((pipe.0.as_raw_fd(), Arc::clone(pipe), false))
            }
        });
        let (descriptor, pipe, watching) = found?;
        let watched = if watching {
            Ok(())
        } else {
            let arguments = (descriptor, &target);
            event_loop.call_method1(py, intern!(py, "add_reader"), arguments).map(drop)
        };
        match watched {
            Ok(()) => {
                this.with_jobs(py, |jobs| jobs.watching = true);
                return Ok(Waker::Pipe(pipe));
            }
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    let call = event_loop.getattr(py, intern!(py, "call_soon_threadsafe"))?;
    Ok(Waker::Call(call, target.unbind()))
}

/// Notifies the connections whose jobs are done.
pub fn done(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let done: Vec<_> = this.with_jobs(py, |jobs| {
        #[cfg(unix)]
        if let Some(pipe) = &jobs.pipe {
            let mut signals = [0; 64];
            while matches!(std::io::Read::read(&mut &pipe.0, &mut signals), Ok(64)) {}
        }
        let all = jobs.mailbox.as_ref().map(|mailbox| mailbox.take()).unwrap_or_default();
        all.into_iter().map(|job| (jobs.connections.remove(&job.id), job)).collect()
    });
    for (connection, job) in done {
        if let Some(connection) = connection {
            compress_queue::job_done(connection.bind(py), job.task);
        }
    }
    #[cfg(unix)]
    stop_watching(reactor);
}

/// Stops watching the pipe once there are no jobs, so that nothing of ours remains in an idle loop.
#[cfg(unix)]
fn stop_watching(reactor: &Bound<'_, Reactor>) {
    let (py, this) = (reactor.py(), reactor.get());
    let descriptor = this.with_jobs(py, |jobs| {
        let stop = jobs.watching && jobs.connections.is_empty();
        jobs.watching &= !stop;
        jobs.pipe.as_ref().filter(|_| stop).map(|pipe| pipe.0.as_raw_fd())
    });
    if let Some(descriptor) = descriptor {
        let outcome =
            this.event_loop(py).call_method1(py, intern!(py, "remove_reader"), (descriptor,));
        if let Err(error) = outcome {
            this.report(py, "wsrs could not stop watching for its threads", error);
        }
    }
}
