//! State that the connections of one event loop share and borrow: the read buffer, the codec and masking
//! keys.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::protocol::deflate::{Codec, CodecLimits};
use crate::protocol::random::MaskPool;
use crate::session::{TimeSlice, Verdict};

/// Size in bytes of the read buffer that all connections of a loop share.
const READ_BUFFER: usize = 256 * 1024;

/// How many compressors and decompressors are kept per loop. A compressor at 15 window bits and memLevel 8
/// takes about 368 KiB, a decompressor about 44 KiB: 23 MiB and 11 MiB when all are in use.
const CODEC_LIMITS: CodecLimits =
    CodecLimits { max_compressors: 64, max_decompressors: 256, max_tables: 1024 };

/// Counts forks, so that a child process draws its own masking keys.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Runs in the child process after a fork. The child shares the pollers of its parent, who must not miss an
/// event by anything that the child does. So the child gives the engines up.
#[pyfunction]
pub fn _after_fork(py: Python<'_>) -> PyResult<()> {
    FORKS.fetch_add(1, Ordering::Relaxed);
    #[cfg(unix)]
    for reactor in super::table::all(py)? {
        let engine = reactor.get().with_sockets(py, super::sockets::Sockets::take_engine);
        drop(engine);
    }
    #[cfg(not(unix))]
    let _ = py;
    Ok(())
}

/// The number of forks between the process that first loaded this module and this process.
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// State that connections borrow. Dropping any of it runs no Python code.
pub struct Shared {
    codec: Codec,
    masks: MaskPool,
    forks: u32,
    read_buffer: Option<Box<[u8]>>,
    /// The buffer into which transports of the loop read. Dropping a `bytearray` runs no Python code.
    loop_buffer: Option<Py<PyByteArray>>,
    is_in_batch: bool,
    slice: TimeSlice,
    /// The loop will call `_next_slice`.
    is_slice_scheduled: bool,
    /// Something was left over when a slice ended.
    has_late: bool,
    is_turn_of_connections: bool,
    /// True while a task is being stepped directly.
    is_waking: bool,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            codec: Codec::new(CODEC_LIMITS),
            masks: MaskPool::new(),
            forks: forks(),
            read_buffer: None,
            loop_buffer: None,
            is_in_batch: false,
            slice: TimeSlice::default(),
            is_slice_scheduled: false,
            has_late: false,
            is_turn_of_connections: false,
            is_waking: false,
        }
    }

    /// The loop's compressors and decompressors.
    #[inline]
    pub const fn codec(&mut self) -> &mut Codec {
        &mut self.codec
    }

    /// The buffer into which transports of the loop read, if there is one already.
    pub fn loop_buffer(&self, py: Python<'_>) -> Option<Py<PyByteArray>> {
        self.loop_buffer.as_ref().map(|buffer| buffer.clone_ref(py))
    }

    pub fn set_loop_buffer(&mut self, buffer: Py<PyByteArray>) {
        self.loop_buffer = Some(buffer);
    }

    /// Begins a batch, and with it a time slice. True unless one is already running further up the call stack.
    pub const fn begin_batch(&mut self) -> bool {
        if self.is_in_batch {
            return false;
        }
        self.slice.begin(self.has_late);
        self.is_in_batch = true;
        true
    }

    /// Ends the batch. Its slice goes on only if the loop will call `_next_slice`, which ends it.
    pub const fn end_batch(&mut self) {
        (self.is_in_batch, self.is_waking) = (false, false);
        if !self.is_slice_scheduled {
            self.slice.begin(false);
        }
    }

    /// The loop's time slice.
    #[inline]
    pub const fn slice(&mut self) -> &mut TimeSlice {
        &mut self.slice
    }

    /// Looks at the clock, which says `now`, for a slice of `length`.
    pub fn check_slice(&mut self, now: Instant, length: Duration) -> Verdict {
        let is_bounded = self.is_in_batch || self.is_slice_scheduled;
        self.slice.check(now, length, is_bounded)
    }

    /// Notes whether the loop will call `_next_slice`. Returns the previous value.
    pub const fn schedule_slice(&mut self, is_scheduled: bool) -> bool {
        std::mem::replace(&mut self.is_slice_scheduled, is_scheduled)
    }

    /// Takes turns between connections that have more to deliver (true) and sockets that were left for later.
    pub const fn take_turns(&mut self) -> bool {
        self.is_turn_of_connections = !self.is_turn_of_connections;
        self.is_turn_of_connections
    }

    /// Notes whether something is left over.
    pub const fn set_late(&mut self, has_late: bool) {
        self.has_late = has_late;
    }

    /// True if something may be left over.
    #[inline]
    pub const fn has_late(&self) -> bool {
        self.has_late
    }

    /// True if the loop will call `_next_slice`.
    pub const fn is_slice_scheduled(&self) -> bool {
        self.is_slice_scheduled
    }

    #[inline]
    pub const fn is_in_batch(&self) -> bool {
        self.is_in_batch
    }

    /// True if a task may be stepped directly now. If so, no other may be until [`Self::end_waking`] is
    /// called.
    pub const fn begin_waking(&mut self) -> bool {
        let may = self.is_in_batch && !self.is_waking;
        self.is_waking |= may;
        may
    }

    pub const fn end_waking(&mut self) {
        self.is_waking = false;
    }

    /// Draws a masking key from the system's entropy (RFC 6455 section 10.3).
    pub fn mask(&mut self) -> [u8; 4] {
        let forks = forks();
        if forks != self.forks {
            self.forks = forks;
            self.masks.discard();
        }
        self.masks.next_mask()
    }

    /// Takes the shared read buffer, or makes a new one while that is in use (by a read around this one).
    pub fn take_read_buffer(&mut self) -> Box<[u8]> {
        self.read_buffer.take().unwrap_or_else(|| vec![0; READ_BUFFER].into_boxed_slice())
    }

    pub fn give_read_buffer(&mut self, buffer: Box<[u8]>) {
        self.read_buffer = Some(buffer);
    }
}
