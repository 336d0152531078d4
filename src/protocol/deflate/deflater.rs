//! Compressing (RFC 7692 section 7.2.1).

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::codec::Codec;
use super::lease::{Lease, Taken};
use super::params::{DEFAULT_LEVEL, DeflateParams, Strategy, TAIL};
use super::short_deflate::{self, Window};
use super::states::{Compressor, Shape};

/// A message of at most this many bytes touches little of a compressor, and is too short for Huffman codes of
/// its own. A longer one touches about as much as a reset of the compressor does: above all the hash table of
/// 128 KiB.
const SHORT: usize = 256;

/// The default level for short messages. It uses fixed Huffman codes, so nothing has to be computed for a block: it
/// is three times as fast as the next level, and its output is at most 5 % larger.
const SHORT_LEVEL: i8 = 1;

/// The default level for longer messages. Measured on JSON, the output is 9 % smaller than that of zlib's own level
/// 1, in two thirds of its time. Level 6 would save another 10 %, in three times the time.
const LONG_LEVEL: i8 = 2;

/// Bytes of history that a compressor is given when it starts again: enough for what small messages have in common,
/// and few enough to be entered into a hash table for each message.
const MAX_HISTORY: usize = 4096;

/// The compressing half of a connection: a small handle, whose compressor lives in a [`Codec`]. It keeps the last
/// bytes that it compressed, for a compressor that has to start again.
pub struct Deflater {
    /// The shape of the compressor for long messages.
    shape: Shape,
    default_level: bool,
    no_context_takeover: bool,
    in_message: bool,
    lease: Lease<Compressor>,
    window: Window,
}

impl Deflater {
    /// A handle that has compressed nothing yet. It allocates nothing.
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

    /// Whether [`Deflater::deflate`] works. If not, messages are sent uncompressed (RFC 7692 section 6: compression
    /// is per message). It does not work for values outside the ranges of [`DeflateParams`], nor for a window of 8
    /// bits: zlib would silently use 9, which the peer could not read.
    #[must_use]
    pub const fn can_compress(&self) -> bool {
        let Shape { window_bits, level, mem_level, .. } = self.shape;
        matches!(window_bits, 9..=15) && matches!(level, 0..=9) && matches!(mem_level, 1..=9)
    }

    /// Compresses the payload of one frame and appends it to `out`. `fin` means that the message ends with it.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfMemory`] if `out` cannot grow; [`ProtocolError::InvalidDeflate`]
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
            // The message will be in the peer's window, but not in that of a compressor used before.
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

    /// A compressor that may refer to what this connection sent, or at least to the end of it.
    fn acquire(&mut self, codec: &mut Codec, len: usize) -> Result<Box<Compressor>, ProtocolError> {
        let short = len <= SHORT;
        let level = if short && self.default_level { SHORT_LEVEL } else { self.shape.level };
        let shape = Shape { level, ..self.shape };
        let continues = self.in_message || !self.no_context_takeover;
        let goes_on = |own: &Compressor| continues && own.shape().level >= level;
        let fits = |spare: &Compressor| spare.shape() == shape;
        let mut compressor = match self.lease.take(&mut codec.compressors, short, goes_on, fits) {
            Taken::Own(compressor) => return Ok(compressor),
            Taken::Spare(mut spare) => {
                spare.reset();
                spare
            }
            Taken::Nothing => Box::new(Compressor::new(shape)),
        };
        let last = self.window.last(MAX_HISTORY.min(1 << self.shape.window_bits));
        if !last.is_empty() {
            compressor.set_history(last)?;
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

    /// Keeps a message that the peer now has, for a compressor that starts again.
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

    /// A handle with the same parameters that compresses each message by itself. Its output can be sent on every
    /// connection whose handle [is alike](Deflater::is_like).
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

    /// Whether both handles compress a message to the same bytes if it refers to no other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.shape == other.shape && self.default_level == other.default_level
    }

    /// Notes that the peer was sent the whole message `input`, compressed by a handle that [`Deflater::apart`] made.
    ///
    /// The message is now in the peer's window ("LZ77 sliding window", RFC 7692 section 7.2.1), but not in that of
    /// our compressor, whose distances would all be wrong. So the next message needs a compressor that starts
    /// again. It may refer to the history, which is brought up to date if there is one; a connection that only
    /// receives broadcasts keeps none.
    pub fn skip(&mut self, codec: &mut Codec, input: &[u8]) {
        self.lease.release(&mut codec.compressors);
        if self.window.memory() != 0 && self.remember(codec, input, true).is_err() {
            self.window.clear(codec);
        }
    }

    /// Takes the compressor out of the pool and into the handle. Until [`Deflater::attach`], the handle may be used
    /// with the codec of another thread.
    pub fn detach(&mut self, codec: &mut Codec) {
        self.lease.detach(&mut codec.compressors);
    }

    /// Gives a detached compressor back to the pool.
    pub fn attach(&mut self, codec: &mut Codec) {
        self.lease.attach(&mut codec.compressors, true);
    }

    /// Gives back what the connection holds of the codec. The handle may still compress, from a fresh start.
    /// (If a handle is only dropped, its compressor stays in the pool until it is evicted.)
    pub fn release(&mut self, codec: &mut Codec) {
        self.in_message = false;
        self.window.clear(codec);
        self.lease.release(&mut codec.compressors);
    }

    /// Bytes of heap memory that an idle connection holds here, for the last bytes that it sent.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.window.memory()
    }
}

/// Ends a message: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (RFC 7692 section 7.2.1). If
/// nothing was written, as for an empty message, there must first be a block to remove them from: "append an empty
/// DEFLATE block with no compression". Its one remaining byte is 0x00 (section 7.2.3.6).
fn end_message(out: &mut Vec<u8>, start: usize) -> Result<(), ProtocolError> {
    if out.len() - start >= TAIL.len() && out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
        return Ok(());
    }
    Ok(MessageBuffer::extend(out, &[0x00])?)
}
