//! Threads that compress and inflate long messages without Python. They never hold the GIL, except to wake a
//! loop that cannot watch a descriptor and so must be woken by a call.
//!
//! Rules kept here:
//! - there is one queue for the process, served in order. A job starts while fewer jobs run than its
//!   connection's `concurrency_limit`, counted over all connections, as ws's limiter counts them;
//! - a job owns what it works on. Its Python objects only keep memory alive, and are dropped by the next
//!   thread that holds the GIL;
//! - threads start with the first job and end after a while without one. Nothing waits for them, so they do
//!   not keep the process from ending.

use std::collections::VecDeque;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::bindings::convert::bytes_buffer::{BytesBuffer, Room};
use crate::bindings::convert::owned_payload::OwnedPayload;
use crate::bindings::event_loop::shared::forks;
use crate::bindings::py::gil_cell::GilCell;
use crate::protocol::deflate::{Codec, CodecLimits, Deflater};
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::Work;
use crate::protocol::sender::DataFrame;
use crate::simd::mask;

/// Number of bytes after which a job checks whether it was cancelled.
const PIECE: usize = 1024 * 1024;
/// How long a thread stays without work, and with it the compressor that it keeps.
const IDLE: Duration = Duration::from_secs(5);
/// The limits of a thread's own codec: it has one task at a time.
const LIMITS: CodecLimits = CodecLimits { max_compressors: 1, max_decompressors: 1, max_tables: 0 };
/// The number of threads where the machine has fewer processors, so that a short job need not wait for one
/// long one.
const LEAST_THREADS: usize = 4;

/// A payload to be compressed, and what the header of its frame says.
pub struct Deflation {
    pub deflater: Deflater,
    pub frame: DataFrame,
    pub mask: Option<[u8; 4]>,
    pub payload: OwnedPayload,
    /// The payload of the frame, compressed, and masked if there is a key.
    pub out: Vec<u8>,
    pub outcome: Result<(), ProtocolError>,
}

/// A piece of a message to be inflated into memory that was made for it.
pub struct Inflation {
    pub work: Box<Work<BytesBuffer>>,
    pub room: Option<Room>,
}

pub enum Task {
    Deflate(Box<Deflation>),
    Inflate(Inflation),
}

/// How a loop is woken when a job is done.
pub enum Waker {
    #[cfg(unix)]
    Pipe(Arc<(UnixStream, UnixStream)>),
    /// `call_soon_threadsafe`, and the method that it is to call.
    Call(Py<PyAny>, Py<PyAny>),
}

/// Jobs that are done, for the loop to fetch.
#[derive(Default)]
pub struct Mailbox(Mutex<Vec<Job>>);

impl Mailbox {
    pub fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// One task of one connection.
pub struct Job {
    /// The key under which its reactor knows the connection.
    pub id: u64,
    pub task: Task,
    pub limit: usize,
    /// Set once the result is no longer wanted.
    pub cancelled: Arc<AtomicBool>,
    pub mailbox: Weak<Mailbox>,
    pub waker: Waker,
}

impl Job {
    fn run(&mut self, codec: &mut Codec) {
        let cancelled = &self.cancelled;
        let done = catch_unwind(AssertUnwindSafe(|| match &mut self.task {
            Task::Deflate(task) => task.run(codec, cancelled),
            Task::Inflate(task) => task.run(codec, cancelled),
        }));
        if done.is_err() {
            match &mut self.task {
                Task::Deflate(task) => {
                    task.outcome = Err(ProtocolError::InvalidDeflate { reason: "internal error" });
                }
                Task::Inflate(task) => task.work.fail(),
            }
        }
    }

    /// Hands the job back to its loop, or drops it if the loop is gone.
    fn deliver(self) {
        let Some(mailbox) = self.mailbox.upgrade() else { return };
        match &self.waker {
            #[cfg(unix)]
            Waker::Pipe(pipe) => {
                let pipe = Arc::clone(pipe);
                lock(&mailbox.0).push(self);
                // If the pipe is full, the loop has yet to read it, and will find this job too.
                drop(std::io::Write::write(&mut &pipe.1, &[1]));
            }
            Waker::Call(..) => Self::deliver_by_call(self, &mailbox),
        }
    }

    fn deliver_by_call(self, mailbox: &Mailbox) {
        let calls = Python::try_attach(|py| match &self.waker {
            Waker::Call(call, target) => Some((call.clone_ref(py), target.clone_ref(py))),
            #[cfg(unix)]
            Waker::Pipe(_) => None,
        });
        lock(&mailbox.0).push(self);
        if let Some(Some((call, target))) = calls {
            // A loop that was closed meanwhile refuses the call; nothing waits for the job any more.
            let _ = Python::try_attach(|py| drop(call.call1(py, (target,))));
        }
    }
}

impl Deflation {
    fn run(&mut self, codec: &mut Codec, cancelled: &AtomicBool) {
        let data = self.payload.as_ref();
        let pieces = data.len().div_ceil(PIECE);
        for (index, piece) in data.chunks(PIECE).enumerate() {
            if cancelled.load(Ordering::Relaxed) {
                return;
            }
            let fin = self.frame.fin && index + 1 == pieces;
            self.outcome = self.deflater.deflate(codec, piece, fin, &mut self.out);
            if self.outcome.is_err() {
                return;
            }
        }
        if let Some(key) = self.mask {
            mask::mask_in_place(&mut self.out, key, 0);
        }
    }
}

impl Inflation {
    fn run(&mut self, codec: &mut Codec, cancelled: &AtomicBool) {
        let Some(room) = &mut self.room else { return };
        while !cancelled.load(Ordering::Relaxed) {
            let before = room.filled();
            if self.work.run(codec, PIECE, room) || room.filled() == before {
                return;
            }
        }
    }
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Job>,
    running: usize,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct Pool {
    inner: Mutex<Inner>,
    news: Condvar,
}

/// Locks `mutex`, even if it is poisoned. No panic can happen under the lock; if one did, the counts would
/// still be right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the pool of this process. A forked process has none of its parent's threads, and perhaps a locked
/// mutex that no thread will ever unlock. It makes a pool of its own and leaves its parent's alone.
fn pool(py: Python<'_>) -> Arc<Pool> {
    static POOL: PyOnceLock<GilCell<(u32, Arc<Pool>)>> = PyOnceLock::new();
    let cell = POOL.get_or_init(py, || GilCell::new((forks(), Arc::default())));
    cell.with(py, |(made, pool)| {
        if *made != forks() {
            *made = forks();
            std::mem::forget(std::mem::take(pool));
        }
        Arc::clone(pool)
    })
}

/// Has a thread do `job`.
pub fn submit(py: Python<'_>, job: Job) {
    let pool = pool(py);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let most = processors.max(LEAST_THREADS).min(job.limit.max(1));
    let mut inner = lock(&pool.inner);
    inner.queue.push_back(job);
    if inner.queue.len() > inner.idle && inner.threads < most {
        inner.threads += 1;
        let served = Arc::clone(&pool);
        let thread = std::thread::Builder::new().name("wsrs-deflate".to_owned());
        if thread.spawn(move || serve(&served)).is_err() {
            inner.threads -= 1;
            if inner.threads == 0 {
                // No thread can be started, so the loop does the work.
                let jobs = std::mem::take(&mut inner.queue);
                drop(inner);
                let mut codec = Codec::new(LIMITS);
                for mut job in jobs {
                    job.run(&mut codec);
                    job.deliver();
                }
                return;
            }
        }
    }
    drop(inner);
    pool.news.notify_one();
}

/// The main function of a thread.
fn serve(pool: &Pool) {
    let mut codec = Codec::new(LIMITS);
    let mut inner = lock(&pool.inner);
    loop {
        let running = inner.running;
        let may_start = inner.queue.front().is_some_and(|job| running < job.limit.max(1));
        if may_start && let Some(mut job) = inner.queue.pop_front() {
            inner.running += 1;
            let more = !inner.queue.is_empty();
            drop(inner);
            if more {
                pool.news.notify_one();
            }
            job.run(&mut codec);
            // The count goes down before the loop hears of the job and may ask for more.
            inner = lock(&pool.inner);
            inner.running -= 1;
            drop(inner);
            job.deliver();
            inner = lock(&pool.inner);
            continue;
        }
        inner.idle += 1;
        let (guard, waited) =
            pool.news.wait_timeout(inner, IDLE).unwrap_or_else(PoisonError::into_inner);
        inner = guard;
        inner.idle -= 1;
        if waited.timed_out() && inner.queue.is_empty() {
            inner.threads -= 1;
            return;
        }
    }
}
