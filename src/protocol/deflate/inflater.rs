//! Decompressing (RFC 7692 section 7.2.2).

use crate::protocol::buffer::MessageBuffer;
use crate::protocol::error::ProtocolError;

use super::codec::Codec;
use super::history::{History, last};
use super::lease::{Lease, Taken};
use super::params::{InflateParams, MAX_WINDOW, TAIL};
use super::short_inflate;
use super::states::{Decompressor, Inflated, StopAt};

/// Up to so many bytes a payload touches little of a decompressor; a longer one builds tables in it.
const SHORT: usize = 128;

/// A connection with a decompressor of its own goes on with it for so many short messages: to come back
/// to it later, it would have to be told the whole window.
const PATIENCE: u8 = 3;

/// The decompressing half of a connection: a small handle, its decompressor lives in a [`Codec`]. It
/// keeps the last window of output, so that any decompressor can go on where another stopped.
pub struct Inflater {
    history: History,
    lease: Lease<Decompressor>,
    window_bits: u8,
    no_context_takeover: bool,
    /// Bytes of the current message were taken.
    in_message: bool,
    /// A block with BFINAL was the last: what comes next begins another DEFLATE stream.
    ended: bool,
    /// Stopped where there may be more output without more input.
    full: bool,
    /// Messages in a row that the own decompressor had, and that seem to do without, up to [`PATIENCE`].
    short_in_a_row: u8,
}

/// Where output goes, and how much of it is allowed.
struct Output<'a, O> {
    chunk: &'a mut [u8],
    out: &'a mut O,
    /// Length of `out` before this call.
    start: usize,
    limit: usize,
    /// Length of `out` beyond which to stop.
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
        // One byte more than allowed: whether there is one is the question.
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
    /// A handle that has decompressed nothing yet; allocates nothing.
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

    /// Decompresses a piece of a message, appending to `out`. `last`: the message ends with this piece.
    /// `limit`: the most bytes that `out` may hold afterwards.
    ///
    /// A payload of no bytes at all is taken as an empty message. After an error the connection is
    /// to be closed; what was decompressed before it is in `out`.
    ///
    /// # Errors
    /// [`ProtocolError::UnsupportedMessageLength`] as soon as there is one byte too many;
    /// [`ProtocolError::InvalidDeflate`] for what is no DEFLATE stream, and for a message that ends
    /// inside of a block; [`ProtocolError::OutOfMemory`].
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

    /// As [`Inflater::inflate`], but stops when `out` holds more than `mark` bytes: at most 32 KiB more,
    /// and what ends the message. Whether the piece is done with; what is left of it stays in `input`,
    /// and is to be given to the next call, with the same `last`.
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

    /// Decompresses a short message that has come whole without zlib, if that can be done.
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
        // It stands where it stood before this message.
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
                // Cannot happen: there was room, and input. It must not become an endless loop.
                return Err(ProtocolError::InvalidDeflate { reason: "stream error" });
            }
        }
        // "An endpoint may use both DEFLATE blocks with the BFINAL bit set to 0 and … to 1"
        // (section 7.2.1): one that ends the message leaves nothing for the tail to complete.
        if last && !self.ended {
            self.finish(inflate, output)?;
        }
        Ok(true)
    }

    /// After a block with BFINAL another DEFLATE stream begins at the next byte (section 7.2.3.4), whose
    /// window is what was decompressed before it, in this message and the ones before.
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

    /// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message"
    /// (section 7.2.2). They end a stored block; a fifth byte behind them stays untouched, as the
    /// decompressor is asked to stop at the end of a block, unless the message ended inside of one.
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
                // Where they ended another block than theirs, what is left of their bits is no block.
                return output.step(inflate, &[], StopAt::Stream).map(drop);
            }
            if taken == PROBE.len() || step.stream_end || step.consumed == 0 {
                return Err(ProtocolError::InvalidDeflate { reason: "unexpected end of file" });
            }
        }
    }

    /// A decompressor that stands where this connection's last one stopped.
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

    /// Keeps what the next message, or the next piece of this one, may refer to.
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
            // Inside of a message a decompressor is more than its window.
            self.lease.hold(inflate);
        } else if self.no_context_takeover {
            pool.put_spare(inflate);
        } else {
            self.lease.give_back(pool, inflate);
        }
    }

    /// Takes the decompressor out of the pool and into the handle, which may then be used with the codec
    /// of another thread, until [`Inflater::attach`].
    pub fn detach(&mut self, codec: &mut Codec) {
        self.lease.detach(&mut codec.decompressors);
    }

    /// Gives a detached decompressor back to the pool.
    pub fn attach(&mut self, codec: &mut Codec) {
        self.lease.attach(&mut codec.decompressors, !self.in_message);
    }

    /// Gives back what the connection holds of the codec, and the window: it decompresses no more.
    /// (A handle that is only dropped leaves its decompressor in the pool until it is the oldest.)
    pub fn release(&mut self, codec: &mut Codec) {
        self.lease.release(&mut codec.decompressors);
        self.history.clear();
        self.in_message = false;
        (self.ended, self.full) = (false, false);
    }

    /// Bytes of heap memory that an idle connection holds here: what is used of its window.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.history.capacity()
    }
}
