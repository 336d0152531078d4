//! Compressing (RFC 7692 section 7.2.1).

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Method};

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::TAIL;
use super::codec::Codec;
use super::pool::Ticket;

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
    /// zlib's `level`: 0 to 9, or -1 for the default (6).
    pub level: i32,
    /// zlib's `memLevel`: 1 to 9.
    pub mem_level: u8,
    /// zlib's `strategy`.
    pub strategy: Strategy,
    /// The shortest message to compress, in bytes, where the history is forgotten after every message.
    pub threshold: usize,
}

impl Default for DeflateParams {
    /// What zlib and ws take where nothing is said.
    fn default() -> Self {
        Self {
            window_bits: 15,
            no_context_takeover: false,
            level: -1,
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

/// The compressing half of a connection: a small handle, its compressor lives in a [`Codec`].
pub struct Deflater {
    shape: Shape,
    no_context_takeover: bool,
    in_message: bool,
    detached: bool,
    ticket: Option<Ticket>,
    held: Option<Box<Compressor>>,
}

impl Deflater {
    /// A handle that has compressed nothing yet; allocates nothing.
    #[must_use]
    pub const fn new(params: DeflateParams) -> Self {
        let shape = Shape {
            window_bits: params.window_bits,
            level: if params.level == -1 { 6 } else { params.level as i8 },
            mem_level: params.mem_level,
            strategy: params.strategy,
        };
        Self {
            shape,
            no_context_takeover: params.no_context_takeover,
            in_message: false,
            detached: false,
            ticket: None,
            held: None,
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
        if !input.is_empty() {
            let mut compressor = self.acquire(codec);
            let done = compressor.run(input, codec.chunk(), out);
            self.give_back(codec, compressor, fin, done.is_ok());
            done?;
        } else if fin && self.no_context_takeover {
            self.release_state(codec);
        }
        self.in_message = !fin;
        if fin {
            end_message(out, start)?;
        }
        Ok(())
    }

    /// The compressor with the history of this connection, or a fresh one: nothing obliges a sender to
    /// refer to what it sent before.
    fn acquire(&mut self, codec: &mut Codec) -> Box<Compressor> {
        let shape = self.shape;
        let held = self.held.take();
        let own = held.or_else(|| codec.compressors.take(self.ticket.take()?));
        let reused = match own {
            Some(compressor) if self.in_message || !self.no_context_takeover => return compressor,
            Some(compressor) => Some(compressor),
            None => codec.compressors.take_any(|spare| spare.shape == shape),
        };
        if let Some(mut compressor) = reused {
            compressor.deflate.reset();
            return compressor;
        }
        Box::new(Compressor::new(shape))
    }

    fn give_back(
        &mut self,
        codec: &mut Codec,
        compressor: Box<Compressor>,
        fin: bool,
        usable: bool,
    ) {
        if self.detached && usable {
            self.held = Some(compressor);
        } else if !usable || (fin && self.no_context_takeover) {
            codec.compressors.put_spare(compressor);
        } else {
            self.ticket = codec.compressors.put(compressor);
        }
    }

    /// Takes the compressor out of the pool and into the handle, which may then be used with the codec
    /// of another thread, until [`Deflater::attach`].
    pub fn detach(&mut self, codec: &mut Codec) {
        self.detached = true;
        if self.held.is_none() {
            self.held = self.ticket.take().and_then(|ticket| codec.compressors.take(ticket));
        }
    }

    /// Gives a detached compressor back to the pool.
    pub fn attach(&mut self, codec: &mut Codec) {
        self.detached = false;
        if let Some(compressor) = self.held.take() {
            let fin = !self.in_message;
            self.give_back(codec, compressor, fin, true);
        }
    }

    /// Gives back what the connection holds of the codec. It may compress on: from a fresh start.
    /// (A handle that is only dropped leaves its compressor in the pool until it is the oldest.)
    pub fn release(&mut self, codec: &mut Codec) {
        self.in_message = false;
        self.release_state(codec);
    }

    fn release_state(&mut self, codec: &mut Codec) {
        let held = self.held.take();
        let own = held.or_else(|| codec.compressors.take(self.ticket.take()?));
        if let Some(compressor) = own {
            codec.compressors.put_spare(compressor);
        }
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
