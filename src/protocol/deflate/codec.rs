//! The compressors, decompressors and spare buffers that the connections of one event loop share.

use super::pool::Pool;
use super::states::{Compressor, Decompressor, Table};

/// Bytes of output that one call into zlib may make: the buffer for them stays in the cache.
const CHUNK: usize = 32 * 1024;

/// Spare buffers kept.
const MAX_SPARE: usize = 4;

/// The longest spare buffer kept, in bytes.
const MAX_SPARE_CAPACITY: usize = 256 * 1024;

/// How many states a [`Codec`] keeps. A connection whose own state was evicted starts afresh. A compressor then makes
/// a larger output; a decompressor is given its history again, a copy of at most 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecLimits {
    /// Compressors: about 370 KiB each at the largest window, of which short messages touch 260 KiB.
    pub max_compressors: usize,
    /// Decompressors: 44 KiB each. A connection keeps its decompressor while a message comes in pieces; those do
    /// not count.
    pub max_decompressors: usize,
    /// Tables for compressing short messages: 8 KiB each.
    pub max_tables: usize,
}

impl Default for CodecLimits {
    /// 128 compressors and decompressors, 1024 tables: at most 60 MiB, whatever the number of connections.
    fn default() -> Self {
        Self { max_compressors: 128, max_decompressors: 128, max_tables: 1024 }
    }
}

/// How many states a [`Codec`] holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecUsage {
    /// Compressors not in use at this moment.
    pub compressors: usize,
    /// Decompressors not in use at this moment.
    pub decompressors: usize,
    /// Tables for compressing short messages.
    pub tables: usize,
}

/// The (de)compressors of one event loop; see the top of the folder.
pub struct Codec {
    pub(super) compressors: Pool<Box<Compressor>>,
    pub(super) decompressors: Pool<Box<Decompressor>>,
    pub(super) tables: Pool<Box<Table>>,
    chunk: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Codec {
    /// An empty codec, which allocates nothing until it is used.
    #[must_use]
    pub fn new(limits: CodecLimits) -> Self {
        Self {
            compressors: Pool::new(limits.max_compressors),
            decompressors: Pool::new(limits.max_decompressors),
            tables: Pool::new(limits.max_tables),
            chunk: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// How many states are in the pools now.
    #[must_use]
    pub const fn usage(&self) -> CodecUsage {
        CodecUsage {
            compressors: self.compressors.len(),
            decompressors: self.decompressors.len(),
            tables: self.tables.len(),
        }
    }

    /// An empty buffer, for output whose length is not known yet; often one that was given back.
    #[must_use]
    pub fn take_scratch(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Gives a buffer back. At most 4 are kept, none above 256 KiB.
    pub fn give_scratch(&mut self, mut scratch: Vec<u8>) {
        let useful = 1..=MAX_SPARE_CAPACITY;
        if self.spare.len() < MAX_SPARE && useful.contains(&scratch.capacity()) {
            scratch.clear();
            self.spare.push(scratch);
        }
    }

    /// The buffer that zlib writes to; its content is then appended to the message.
    pub(super) fn chunk(&mut self) -> &mut [u8] {
        if self.chunk.is_empty() {
            self.chunk = vec![0; CHUNK];
        }
        &mut self.chunk
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new(CodecLimits::default())
    }
}
