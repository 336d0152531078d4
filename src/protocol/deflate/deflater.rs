//! Compressing (RFC 7692 section 7.2.1).

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::codec::Codec;
use super::lease::{Lease, Taken};
use super::params::{DEFAULT_LEVEL, DeflateParams, Strategy, TAIL};
use super::short_deflate::{self, Window};
use super::states::{Compressor, Shape};

/// Up to so many bytes a message touches little of a compressor, and is too short for Huffman codes of
/// its own. A longer one touches as much as is set up anew when the compressor is reset, 128 KiB of
/// hash table above all.
const SHORT: usize = 256;

/// What that means for short messages: fixed Huffman codes, nothing to be computed for a block. It is
/// three times as fast as the next level, and its output no more than 5 % larger.
const SHORT_LEVEL: i8 = 1;

/// And for the others: measured on JSON, output is 9 % smaller than zlib's own level 1 makes, at two thirds of
/// its time. Level 6 would save another 10 %, at three times the time.
const LONG_LEVEL: i8 = 2;

/// What a compressor that has to start again may refer to, in bytes: enough for what small messages have
/// in common, little enough to be entered into a hash table for each of them.
const MAX_HISTORY: usize = 4096;

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
