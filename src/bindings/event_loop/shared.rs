//! What the connections of one event loop reach by a borrow: buffers, the codec, masks.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::protocol::deflate::{Codec, CodecLimits};
use crate::protocol::random::MaskPool;

/// Bytes of the read buffer that all connections of a loop share.
const READ_BUFFER: usize = 256 * 1024;

/// Compressors and decompressors kept alive per loop. A compressor at 15 window bits and memLevel 8
/// takes about 368 KiB, a decompressor about 44 KiB: 24 MiB and 11 MiB when all are in use.
const CODEC_LIMITS: CodecLimits =
    CodecLimits { max_compressors: 64, max_decompressors: 256, max_tables: 1024 };

/// Counts forks, so that a child draws masks of its own.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Called in the child after a fork.
#[pyfunction]
pub fn _after_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How often this process was forked from another with this module in it.
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// State that connections reach by a borrow; nothing in it runs Python when dropped.
pub struct Shared {
    codec: Codec,
    masks: MaskPool,
    forks: u32,
    read_buffer: Option<Box<[u8]>>,
    is_in_batch: bool,
    /// A task is stepped directly.
    is_waking: bool,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            codec: Codec::new(CODEC_LIMITS),
            masks: MaskPool::new(),
            forks: forks(),
            read_buffer: None,
            is_in_batch: false,
            is_waking: false,
        }
    }

    /// Compressors and decompressors.
    #[inline]
    pub const fn codec(&mut self) -> &mut Codec {
        &mut self.codec
    }

    /// The engine's callback begins: whether it did not run already, around this call.
    pub const fn begin_batch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_in_batch, true)
    }

    pub const fn end_batch(&mut self) {
        (self.is_in_batch, self.is_waking) = (false, false);
    }

    #[inline]
    pub const fn is_in_batch(&self) -> bool {
        self.is_in_batch
    }

    /// A task is to be stepped directly: whether it may be. Then no other may until [`Self::end_waking`].
    pub const fn begin_waking(&mut self) -> bool {
        let may = self.is_in_batch && !self.is_waking;
        self.is_waking |= may;
        may
    }

    pub const fn end_waking(&mut self) {
        self.is_waking = false;
    }

    /// A masking key from the system's entropy (RFC 6455 section 10.3).
    pub fn mask(&mut self) -> [u8; 4] {
        let forks = forks();
        if forks != self.forks {
            self.forks = forks;
            self.masks.discard();
        }
        self.masks.next_mask()
    }

    /// The shared read buffer; a new one where it is in use (a read within a read).
    pub fn take_read_buffer(&mut self) -> Box<[u8]> {
        self.read_buffer.take().unwrap_or_else(|| vec![0; READ_BUFFER].into_boxed_slice())
    }

    pub fn give_read_buffer(&mut self, buffer: Box<[u8]>) {
        self.read_buffer = Some(buffer);
    }
}
