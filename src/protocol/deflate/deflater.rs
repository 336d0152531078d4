//! Compressing (RFC 7692 section 7.2.1).

use zlib_rs::{Deflate, DeflateConfig, DeflateError, DeflateFlush, Method};

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::TAIL;
use super::codec::Codec;
use super::lease::{Lease, Taken};
use super::short_deflate::{self, Window};

/// Up to so many bytes a message touches little of a compressor, and is too short for Huffman codes of
/// its own. A longer one touches as much as is set up anew when the compressor is reset, 128 KiB of
/// hash table above all.
const SHORT: usize = 256;

/// zlib's number for a level left to the library.
const DEFAULT_LEVEL: i32 = -1;

/// What that means for short messages: fixed Huffman codes, nothing to be computed for a block. It is
/// three times as fast as the next level, and its output no more than 5 % larger.
const SHORT_LEVEL: i8 = 1;

/// And for the others: measured on JSON, output is 9 % smaller than zlib's own level 1 makes, at two thirds of
/// its time. Level 6 would save another 10 %, at three times the time.
const LONG_LEVEL: i8 = 2;

/// What a compressor that has to start again may refer to, in bytes: enough for what small messages have
/// in common, little enough to be entered into a hash table for each of them.
const MAX_HISTORY: usize = 4096;

/// zlib's `strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// `Z_DEFAULT_STRATEGY`: for any data.
    #[default]
    Default,
    /// `Z_FILTERED`: for small values with a random distribution.
    Filtered,
    /// `Z_HUFFMAN_ONLY`: no matching of strings.
    HuffmanOnly,
    /// `Z_RLE`: matches of distance one only.
    Rle,
    /// `Z_FIXED`: no dynamic Huffman codes.
    Fixed,
}

impl Strategy {
    /// That of zlib's number, 0 to 4; `None` for any other.
    #[must_use]
    pub const fn from_zlib(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Default,
            1 => Self::Filtered,
            2 => Self::HuffmanOnly,
            3 => Self::Rle,
            4 => Self::Fixed,
            _ => return None,
        })
    }

    const fn to_zlib(self) -> zlib_rs::Strategy {
        match self {
            Self::Default => zlib_rs::Strategy::Default,
            Self::Filtered => zlib_rs::Strategy::Filtered,
            Self::HuffmanOnly => zlib_rs::Strategy::HuffmanOnly,
            Self::Rle => zlib_rs::Strategy::Rle,
            Self::Fixed => zlib_rs::Strategy::Fixed,
        }
    }
}

/// How one side of a connection compresses: what was agreed (RFC 7692 section 7.1) and what is its own
/// affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    /// Base-2 logarithm of the LZ77 window: 8 to 15. With 8 nothing is compressed: a raw DEFLATE
    /// stream of zlib's has 9 at least.
    pub window_bits: u8,
    /// Forget the history after every message.
    pub no_context_takeover: bool,
    /// zlib's `level`: 0 to 9, or -1 for the default: 1 for messages up to 256 bytes, 2 for longer ones.
    pub level: i32,
    /// zlib's `memLevel`: 1 to 9.
    pub mem_level: u8,
    /// zlib's `strategy`.
    pub strategy: Strategy,
    /// The shortest message to compress, in bytes, where the history is forgotten after every message.
    pub threshold: usize,
}

impl Default for DeflateParams {
    /// What ws takes where nothing is said, and the default level.
    fn default() -> Self {
        Self {
            window_bits: 15,
            no_context_takeover: false,
            level: DEFAULT_LEVEL,
            mem_level: 8,
            strategy: Strategy::Default,
            threshold: 1024,
        }
    }
}

/// What a compressor is made with: only one of the same shape can be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    window_bits: u8,
    level: i8,
    mem_level: u8,
    strategy: Strategy,
}

/// A compressor of the pool.
pub(super) struct Compressor {
    deflate: Deflate,
    shape: Shape,
}

impl Compressor {
    fn new(shape: Shape) -> Self {
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: i32::from(shape.level),
            method: Method::Deflated,
            // Negative: no zlib header, "DEFLATE blocks" only (RFC 7692 section 7.2.1).
            window_bits: -i32::from(shape.window_bits),
            mem_level: i32::from(shape.mem_level),
            strategy: shape.strategy.to_zlib(),
        });
        Self { deflate, shape }
    }

    /// Compresses all of `input` and flushes, so that `out` ends with an empty stored block.
    fn run(
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
            status.map_err(|error| ProtocolError::InvalidDeflate { reason: error.as_str() })?;
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

/// The compressing half of a connection: a small handle, its compressor lives in a [`Codec`]. It keeps
/// the last bytes it compressed, for a compressor that has to start again.
pub struct Deflater {
    /// That for long messages.
    shape: Shape,
    default_level: bool,
    no_context_takeover: bool,
    in_message: bool,
    lease: Lease<Compressor>,
    window: Window,
}

impl Deflater {
    /// A handle that has compressed nothing yet; allocates nothing.
    #[must_use]
    pub fn new(params: DeflateParams) -> Self {
        let default_level = params.level == DEFAULT_LEVEL;
        let shape = Shape {
            window_bits: params.window_bits,
            level: if default_level { LONG_LEVEL } else { params.level.clamp(-1, 10) as i8 },
            mem_level: params.mem_level,
            strategy: params.strategy,
        };
        Self {
            shape,
            default_level,
            no_context_takeover: params.no_context_takeover,
            in_message: false,
            lease: Lease::new(),
            window: Window::default(),
        }
    }

    /// Whether [`Deflater::deflate`] works: `false` for a window of 8 bits, which zlib would silently make
    /// 9 and the peer could not read, and for values outside the ranges of [`DeflateParams`]. Messages
    /// are sent uncompressed then (RFC 7692 section 6: compression is per message).
    #[must_use]
    pub const fn can_compress(&self) -> bool {
        let Shape { window_bits, level, mem_level, .. } = self.shape;
        matches!(window_bits, 9..=15) && matches!(level, 0..=9) && matches!(mem_level, 1..=9)
    }

    /// Compresses the payload of one frame, appending to `out`; `fin`: the message ends with it.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfMemory`] where `out` cannot grow; [`ProtocolError::InvalidDeflate`]
    /// if [`Deflater::can_compress`] is `false`.
    pub fn deflate(
        &mut self,
        codec: &mut Codec,
        input: &[u8],
        fin: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        if !self.can_compress() {
            return Err(ProtocolError::InvalidDeflate { reason: "invalid parameters" });
        }
        let start = out.len();
        if self.suits_short_deflate(codec, input.len()) {
            // It is in the peer's window, and not in that of a compressor that was used before.
            self.lease.release(&mut codec.compressors);
            self.window.compress(codec, input, 1 << self.shape.window_bits, out)?;
            self.in_message = !fin;
            self.remember(codec, &[], fin)?;
            return if fin { end_message(out, start) } else { Ok(()) };
        }
        if !input.is_empty() {
            let mut compressor = self.acquire(codec, input.len())?;
            let done = compressor.run(input, codec.chunk(), out);
            self.give_back(codec, compressor, fin, done.is_ok());
            done?;
        } else if fin && self.no_context_takeover {
            self.lease.release(&mut codec.compressors);
        }
        self.in_message = !fin;
        self.remember(codec, input, fin)?;
        if fin { end_message(out, start) } else { Ok(()) }
    }

    fn suits_short_deflate(&self, codec: &Codec, len: usize) -> bool {
        matches!(len, 1..=short_deflate::MAX_INPUT)
            && self.default_level
            && self.shape.strategy == Strategy::Default
            && !self.lease.has(&codec.compressors)
    }

    /// A compressor that may refer to what this connection sent, at least to the last of it.
    fn acquire(&mut self, codec: &mut Codec, len: usize) -> Result<Box<Compressor>, ProtocolError> {
        let short = len <= SHORT;
        let level = if short && self.default_level { SHORT_LEVEL } else { self.shape.level };
        let shape = Shape { level, ..self.shape };
        let continues = self.in_message || !self.no_context_takeover;
        let goes_on = |own: &Compressor| continues && own.shape.level >= level;
        let fits = |spare: &Compressor| spare.shape == shape;
        let mut compressor = match self.lease.take(&mut codec.compressors, short, goes_on, fits) {
            Taken::Own(compressor) => return Ok(compressor),
            Taken::Spare(mut spare) => {
                spare.deflate.reset();
                spare
            }
            Taken::Nothing => Box::new(Compressor::new(shape)),
        };
        let last = self.window.last(MAX_HISTORY.min(1 << self.shape.window_bits));
        if !last.is_empty() {
            compressor.deflate.set_dictionary(last).map_err(fault)?;
        }
        Ok(compressor)
    }

    fn give_back(
        &mut self,
        codec: &mut Codec,
        compressor: Box<Compressor>,
        fin: bool,
        usable: bool,
    ) {
        let pool = &mut codec.compressors;
        if !usable || (fin && self.no_context_takeover) {
            pool.put_spare(compressor);
        } else {
            self.lease.give_back(pool, compressor);
        }
    }

    /// Keeps what the peer has, for a compressor that starts again.
    fn remember(
        &mut self,
        codec: &mut Codec,
        input: &[u8],
        fin: bool,
    ) -> Result<(), ProtocolError> {
        if fin && self.no_context_takeover {
            self.window.clear(codec);
            return Ok(());
        }
        let matches = !matches!(self.shape.strategy, Strategy::HuffmanOnly | Strategy::Rle);
        if matches && self.shape.level > 0 {
            self.window.push(input)?;
        }
        Ok(())
    }

    /// A handle that compresses as this one does, but each message by itself: its output is good for
    /// every connection whose handle [is alike](Deflater::is_like).
    #[must_use]
    pub fn apart(&self) -> Self {
        Self {
            shape: self.shape,
            default_level: self.default_level,
            no_context_takeover: true,
            in_message: false,
            lease: Lease::new(),
            window: Window::default(),
        }
    }

    /// Whether both make the same of a message that refers to no other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.shape == other.shape && self.default_level == other.default_level
    }

    /// The peer was sent the whole message `input` as a handle made by [`Deflater::apart`] compressed it.
    ///
    /// It is in the peer's window then, and not in that of the compressor, whose distances would all be
    /// wrong ("LZ77 sliding window", RFC 7692 section 7.2.1): the next message needs one that starts
    /// again. What it may refer to is the history, brought up to date where there is one; a connection
    /// that is only broadcast to keeps none.
    pub fn skip(&mut self, codec: &mut Codec, input: &[u8]) {
        self.lease.release(&mut codec.compressors);
        if self.window.memory() != 0 && self.remember(codec, input, true).is_err() {
            self.window.clear(codec);
        }
    }

    /// Takes the compressor out of the pool and into the handle, which may then be used with the codec
    /// of another thread, until [`Deflater::attach`].
    pub fn detach(&mut self, codec: &mut Codec) {
        self.lease.detach(&mut codec.compressors);
    }

    /// Gives a detached compressor back to the pool.
    pub fn attach(&mut self, codec: &mut Codec) {
        self.lease.attach(&mut codec.compressors, true);
    }

    /// Gives back what the connection holds of the codec. It may compress on: from a fresh start.
    /// (A handle that is only dropped leaves its compressor in the pool until it is the oldest.)
    pub fn release(&mut self, codec: &mut Codec) {
        self.in_message = false;
        self.window.clear(codec);
        self.lease.release(&mut codec.compressors);
    }

    /// Bytes of heap memory that an idle connection holds here: what it last sent.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.window.memory()
    }
}

fn fault(error: DeflateError) -> ProtocolError {
    match error {
        DeflateError::MemError => ProtocolError::OutOfMemory,
        error => ProtocolError::InvalidDeflate { reason: error.as_str() },
    }
}

/// "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (RFC 7692 section 7.2.1). Where
/// nothing was written, as for an empty message, there is an empty stored block to begin first: "append
/// an empty DEFLATE block with no compression", of which then one byte 0x00 is left (section 7.2.3.6).
fn end_message(out: &mut Vec<u8>, start: usize) -> Result<(), ProtocolError> {
    if out.len() - start >= TAIL.len() && out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
        return Ok(());
    }
    Ok(MessageBuffer::extend(out, &[0x00])?)
}
