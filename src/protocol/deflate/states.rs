//! The states that a codec keeps in its pools. Every call into the compression library is in this file.

use zlib_rs::{Deflate, DeflateConfig, DeflateError, DeflateFlush, Method};
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::params::Strategy;

/// The settings of a compressor: it can be reused for the same shape only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) window_bits: u8,
    pub(super) level: i8,
    pub(super) mem_level: u8,
    pub(super) strategy: Strategy,
}

/// A compressor.
pub(super) struct Compressor {
    deflate: Deflate,
    shape: Shape,
}

impl Compressor {
    pub(super) fn new(shape: Shape) -> Self {
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: i32::from(shape.level),
            method: Method::Deflated,
            // Negative: no zlib header, "DEFLATE blocks" only (RFC 7692 section 7.2.1).
            window_bits: -i32::from(shape.window_bits),
            mem_level: i32::from(shape.mem_level),
            strategy: to_zlib(shape.strategy),
        });
        Self { deflate, shape }
    }

    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Forgets everything, as if newly made.
    pub(super) fn reset(&mut self) {
        self.deflate.reset();
    }

    /// Lets the first message of a new or reset compressor refer to `history`.
    pub(super) fn set_history(&mut self, history: &[u8]) -> Result<(), ProtocolError> {
        self.deflate.set_dictionary(history).map(drop).map_err(deflate_fault)
    }

    /// Compresses all of `input` and flushes, so that `out` ends with an empty stored block.
    pub(super) fn run(
        &mut self,
        mut input: &[u8],
        chunk: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(input, chunk, DeflateFlush::SyncFlush);
            let consumed = (self.deflate.total_in() - read) as usize;
            let produced = (self.deflate.total_out() - written) as usize;
            status.map_err(deflate_fault)?;
            MessageBuffer::extend(out, &chunk[..produced])?;
            input = &input[consumed..];
            // "deflate() … with avail_out == 0 … must be called again with the same value of the
            // flush parameter" (zlib's manual): the flush is over when there was room left.
            if produced < chunk.len() && (input.is_empty() || consumed == 0) {
                return Ok(());
            }
        }
    }
}

const fn to_zlib(strategy: Strategy) -> zlib_rs::Strategy {
    match strategy {
        Strategy::Default => zlib_rs::Strategy::Default,
        Strategy::Filtered => zlib_rs::Strategy::Filtered,
        Strategy::HuffmanOnly => zlib_rs::Strategy::HuffmanOnly,
        Strategy::Rle => zlib_rs::Strategy::Rle,
        Strategy::Fixed => zlib_rs::Strategy::Fixed,
    }
}

fn deflate_fault(error: DeflateError) -> ProtocolError {
    match error {
        DeflateError::MemError => ProtocolError::OutOfMemory,
        error => ProtocolError::InvalidDeflate { reason: error.as_str() },
    }
}

/// A decompressor.
pub(super) struct Decompressor(Inflate);

/// Where a call into a decompressor stops if neither the input nor the room ends first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StopAt {
    /// The end of the DEFLATE stream: of a block with BFINAL.
    Stream,
    /// The end of any block.
    Block,
}

/// What one call into a decompressor did.
pub(super) struct Inflated {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    /// Whether the DEFLATE stream has ended.
    pub(super) stream_end: Result<bool, ProtocolError>,
}

impl Decompressor {
    /// The largest window reads the smaller ones, and makes all decompressors alike.
    pub(super) fn new() -> Self {
        Self(Inflate::new(false, 15))
    }

    /// Forgets everything, as if newly made.
    pub(super) fn reset(&mut self) {
        self.0.reset(false);
    }

    /// Lets the next input refer to `history`, at most one window, after what it could refer to already.
    pub(super) fn add_history(&mut self, history: &[u8]) -> Result<(), ProtocolError> {
        match self.0.set_dictionary(history) {
            Ok(_) => Ok(()),
            Err(error) => Err(ProtocolError::InvalidDeflate { reason: error.as_str() }),
        }
    }

    /// Decompresses as much of `input` into `room` as it can.
    #[inline]
    pub(super) fn run(&mut self, input: &[u8], room: &mut [u8], stop_at: StopAt) -> Inflated {
        let flush = match stop_at {
            StopAt::Stream => InflateFlush::NoFlush,
            StopAt::Block => InflateFlush::Block,
        };
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, room, flush);
        Inflated {
            consumed: (self.0.total_in() - read) as usize,
            produced: (self.0.total_out() - written) as usize,
            stream_end: match status {
                Ok(status) => Ok(status == Status::StreamEnd),
                Err(error) => Err(self.fault(error)),
            },
        }
    }

    #[cold]
    fn fault(&self, error: InflateError) -> ProtocolError {
        match error {
            InflateError::MemError => ProtocolError::OutOfMemory,
            error => ProtocolError::InvalidDeflate {
                reason: self.0.error_message().unwrap_or_else(|| error.as_str()),
            },
        }
    }
}

/// Places in a [`Table`], as a power of two.
pub(super) const TABLE_BITS: u32 = 10;

/// Where short messages find earlier bytes: a row for each hash of four bytes, which `short_deflate` fills.
pub(super) type Table = [u64; 1 << TABLE_BITS];
