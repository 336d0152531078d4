//! Decompressing (RFC 7692 section 7.2.2).

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::codec::Codec;
use super::history::{History, last};
use super::lease::{Lease, Taken};
use super::params::{InflateParams, MAX_WINDOW, TAIL};
use super::short_inflate;
use super::states::{Decompressor, Inflated, StopAt};

/// A payload of at most this many bytes touches little of a decompressor; a longer one builds tables in it.
const SHORT: usize = 128;

/// How many short messages in a row a connection still gives to a decompressor of its own. If the connection went
/// without it at once, and a longer message came next, another would have to be given the whole window.
const PATIENCE: u8 = 3;

/// The decompressing half of a connection: a small handle, whose decompressor lives in a [`Codec`]. It keeps the
/// last window of output, so that any decompressor can continue where another stopped.
pub struct Inflater {
    history: History,
    lease: Lease<Decompressor>,
    window_bits: u8,
    no_context_takeover: bool,
    /// Part of the current message has been read.
    in_message: bool,
    /// The last block had BFINAL: the next byte begins another DEFLATE stream.
    ended: bool,
    /// The last call stopped where there may be more output without more input.
    full: bool,
    /// How many messages in a row went to our own decompressor although `short_inflate` could probably have read
    /// them; up to [`PATIENCE`].
    short_in_a_row: u8,
}

/// The destination of the output, and its limits.
struct Output<'a, O> {
    chunk: &'a mut [u8],
    out: &'a mut O,
    /// Length of `out` before this call.
    start: usize,
    limit: usize,
    /// The call stops once `out` is longer than this.
    mark: usize,
}

/// What one call into the decompressor did.
struct Step {
    consumed: usize,
    /// There may be more output without more input.
    full: bool,
    stream_end: bool,
}

impl<O: MessageBuffer> Output<'_, O> {
    fn step(
        &mut self,
        inflate: &mut Decompressor,
        input: &[u8],
        stop_at: StopAt,
    ) -> Result<Step, ProtocolError> {
        // One byte more than allowed: if it comes, the message is too long.
        let allowed = self.limit.saturating_sub(self.out.len()).saturating_add(1);
        let room = allowed.min(self.chunk.len());
        let chunk = &mut self.chunk[..room];
        let Inflated { consumed, produced, stream_end } = inflate.run(input, chunk, stop_at);
        self.out.extend(&chunk[..produced])?;
        if self.out.len() > self.limit {
            return Err(ProtocolError::UnsupportedMessageLength);
        }
        Ok(Step { consumed, full: produced == room, stream_end: stream_end? })
    }
}

impl Inflater {
    /// A handle that has decompressed nothing yet. It allocates nothing.
    #[must_use]
    pub fn new(params: InflateParams) -> Self {
        Self {
            history: History::default(),
            lease: Lease::new(),
            window_bits: params.window_bits,
            no_context_takeover: params.no_context_takeover,
            in_message: false,
            ended: false,
            full: false,
            short_in_a_row: 0,
        }
    }

    /// Decompresses a piece of a message and appends it to `out`. `last` means that the message ends with this piece;
    /// `limit` is how many bytes `out` may hold afterwards.
    ///
    /// A payload of no bytes is an empty message. After an error the connection must be closed; `out` then has what
    /// was decompressed before it.
    ///
    /// # Errors
    /// [`ProtocolError::UnsupportedMessageLength`] as soon as there is one byte too many;
    /// [`ProtocolError::InvalidDeflate`] if the input is no DEFLATE stream, or the message ends within a block;
    /// [`ProtocolError::OutOfMemory`].
    pub fn inflate<O: MessageBuffer>(
        &mut self,
        codec: &mut Codec,
        mut input: &[u8],
        last: bool,
        limit: Option<u64>,
        out: &mut O,
    ) -> Result<(), ProtocolError> {
        self.inflate_some(codec, &mut input, last, limit, usize::MAX, out).map(drop)
    }

    /// Does the same as [`Inflater::inflate`], but stops once `out` holds more than `mark` bytes: it then holds at
    /// most 32 KiB more, and what ends the message. Returns whether the whole piece was read. If not, the rest stays
    /// in `input` for the next call, with the same `last`.
    ///
    /// # Errors
    /// Those of [`Inflater::inflate`].
    pub fn inflate_some<O: MessageBuffer>(
        &mut self,
        codec: &mut Codec,
        input: &mut &[u8],
        last: bool,
        limit: Option<u64>,
        mark: usize,
        out: &mut O,
    ) -> Result<bool, ProtocolError> {
        if input.is_empty() && !self.full && !(last && self.in_message) {
            return Ok(true);
        }
        if last && self.try_short_inflate(codec, input, limit, out)? {
            *input = &[];
            return Ok(true);
        }
        let mut inflate = self.acquire(codec, input.len())?;
        let start = out.len();
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut output = Output { chunk: codec.chunk(), out, start, limit, mark };
        let done = self.run(&mut inflate, input, last, &mut output);
        let ends = last && done == Ok(true);
        let done = done.and_then(|done| {
            self.remember(&out.as_slice()[start..], ends)?;
            Ok(done)
        });
        self.give_back(codec, inflate, ends, done.is_ok());
        done
    }

    /// Decompresses a whole short message without zlib, if it can. Returns whether it did.
    #[inline]
    fn try_short_inflate<O: MessageBuffer>(
        &mut self,
        codec: &mut Codec,
        payload: &[u8],
        limit: Option<u64>,
        out: &mut O,
    ) -> Result<bool, ProtocolError> {
        let whole = !self.in_message && !self.full && !self.lease.is_bound();
        if !whole || !short_inflate::may_be(payload) {
            self.short_in_a_row = 0;
            return Ok(false);
        }
        if self.lease.has_ticket() && self.short_in_a_row < PATIENCE {
            self.short_in_a_row += 1;
            return Ok(false);
        }
        let room = &mut codec.chunk()[..short_inflate::MAX_OUTPUT];
        let Some(len) = short_inflate::inflate(&self.history, payload, room) else {
            self.short_in_a_row = 0;
            return Ok(false);
        };
        let made = &room[..len];
        if limit.is_some_and(|limit| (out.len() + len) as u64 > limit) {
            self.short_in_a_row = 0;
            return Ok(false);
        }
        out.extend(made)?;
        self.remember(made, true)?;
        // Our own decompressor has not seen this message, so it cannot be used again.
        self.lease.release(&mut codec.decompressors);
        self.ended = false;
        Ok(true)
    }

    fn run<O: MessageBuffer>(
        &mut self,
        inflate: &mut Decompressor,
        input: &mut &[u8],
        last: bool,
        output: &mut Output<'_, O>,
    ) -> Result<bool, ProtocolError> {
        let mut full = std::mem::take(&mut self.full);
        while !input.is_empty() || full {
            if output.out.len() > output.mark {
                self.full = full;
                return Ok(false);
            }
            if self.ended {
                self.next_stream(inflate, output)?;
            }
            let step = output.step(inflate, input, StopAt::Stream)?;
            *input = &input[step.consumed..];
            full = step.full;
            self.ended = step.stream_end;
            if step.stream_end {
                full = false;
            } else if step.consumed == 0 && !full && !input.is_empty() {
                // This cannot happen, since there was room and input, but it must not become an endless loop.
                return Err(ProtocolError::InvalidDeflate { reason: "stream error" });
            }
        }
        // "An endpoint may use both DEFLATE blocks with the BFINAL bit set to 0 and … to 1"
        // (section 7.2.1). If one with 1 ends the message, the tail has nothing to complete.
        if last && !self.ended {
            self.finish(inflate, output)?;
        }
        Ok(true)
    }

    /// Begins the next DEFLATE stream, at the byte after a block with BFINAL (section 7.2.3.4). Its window is the
    /// output so far, of this message and of the ones before.
    fn next_stream<O: MessageBuffer>(
        &mut self,
        inflate: &mut Decompressor,
        output: &Output<'_, O>,
    ) -> Result<(), ProtocolError> {
        inflate.reset();
        self.ended = false;
        self.restore(inflate)?;
        inflate.add_history(last(&output.out.as_slice()[output.start..], MAX_WINDOW))
    }

    /// Ends the message: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message"
    /// (section 7.2.2). They end a stored block, and the decompressor is asked to stop at the end of a block. So a
    /// fifth byte after them is read only if the message ended within another block.
    fn finish<O: MessageBuffer>(
        &mut self,
        inflate: &mut Decompressor,
        output: &mut Output<'_, O>,
    ) -> Result<(), ProtocolError> {
        const PROBE: [u8; 5] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x00];
        let mut taken = 0;
        loop {
            let step = output.step(inflate, &PROBE[taken..], StopAt::Block)?;
            taken += step.consumed;
            self.ended = step.stream_end;
            if step.full && taken < PROBE.len() {
                continue;
            }
            if taken == TAIL.len() {
                // If they ended some other block, their remaining bits are no valid block.
                return output.step(inflate, &[], StopAt::Stream).map(drop);
            }
            if taken == PROBE.len() || step.stream_end || step.consumed == 0 {
                return Err(ProtocolError::InvalidDeflate { reason: "unexpected end of file" });
            }
        }
    }

    /// A decompressor that can continue where this connection's last one stopped.
    fn acquire(
        &mut self,
        codec: &mut Codec,
        len: usize,
    ) -> Result<Box<Decompressor>, ProtocolError> {
        let continues = self.in_message || !self.no_context_takeover;
        self.in_message = true;
        let (short, pool) = (len <= SHORT, &mut codec.decompressors);
        let mut inflate = match self.lease.take(pool, short, |_| continues, |_| true) {
            Taken::Own(inflate) => return Ok(inflate),
            Taken::Spare(mut spare) => {
                spare.reset();
                spare
            }
            Taken::Nothing => Box::new(Decompressor::new()),
        };
        self.ended = false;
        self.restore(&mut inflate)?;
        Ok(inflate)
    }

    fn restore(&self, inflate: &mut Decompressor) -> Result<(), ProtocolError> {
        let [older, newer] = self.history.parts();
        inflate.add_history(older)?;
        inflate.add_history(newer)
    }

    /// Keeps the output to which the next message, or the next piece of this one, may refer.
    fn remember(&mut self, output: &[u8], last: bool) -> Result<(), ProtocolError> {
        if last && self.no_context_takeover {
            self.history.clear();
            return Ok(());
        }
        Ok(self.history.push(output, 1 << self.window_bits.min(15))?)
    }

    fn give_back(
        &mut self,
        codec: &mut Codec,
        inflate: Box<Decompressor>,
        last: bool,
        usable: bool,
    ) {
        self.in_message = usable && !last;
        let pool = &mut codec.decompressors;
        if !usable {
            self.history.clear();
            (self.ended, self.full) = (false, false);
            pool.put_spare(inflate);
        } else if !last {
            // Within a message, the history alone cannot restore a decompressor.
            self.lease.hold(inflate);
        } else if self.no_context_takeover {
            pool.put_spare(inflate);
        } else {
            self.lease.give_back(pool, inflate);
        }
    }

    /// Takes the decompressor out of the pool and into the handle. Until [`Inflater::attach`], the handle may be used
    /// with the codec of another thread.
    pub fn detach(&mut self, codec: &mut Codec) {
        self.lease.detach(&mut codec.decompressors);
    }

    /// Gives a detached decompressor back to the pool.
    pub fn attach(&mut self, codec: &mut Codec) {
        self.lease.attach(&mut codec.decompressors, !self.in_message);
    }

    /// Gives back what the connection holds of the codec, and frees the window, when there is nothing more to
    /// decompress. (If a handle is only dropped, its decompressor stays in the pool until it is evicted.)
    pub fn release(&mut self, codec: &mut Codec) {
        self.lease.release(&mut codec.decompressors);
        self.history.clear();
        self.in_message = false;
        (self.ended, self.full) = (false, false);
    }

    /// Bytes of heap memory that an idle connection holds here, for its window.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.history.capacity()
    }
}
