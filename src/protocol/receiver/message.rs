//! An incomplete message: what has arrived of it, and what its current frame still lacks.
//!
//! Rules kept here:
//! - storage grows with what has arrived: never beyond twice that (or [`FIRST_ROOM`]), and never beyond the end of a
//!   message's last frame;
//! - text is validated as it arrives, or as it is inflated.

use super::event::Data;
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::{Codec, Inflater};
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, Opcode};
use crate::simd;
use crate::simd::utf8::Utf8;

/// Bytes reserved for a long frame before much of it has arrived. Untouched memory costs address space only, but with
/// more of it a peer that sends nothing but headers could make the heap grow.
const FIRST_ROOM: usize = 16 * 1024;
/// A system call of its own is not worth it for less room than this, so the buffer grows first.
const LEAST_ROOM: usize = 4 * 1024;
/// Text is unmasked, validated and copied in blocks that stay in the first-level cache.
const BLOCK: usize = 8 * 1024;

/// The limits on a message. As in ws, 0 means no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub max_payload: u64,
    pub max_fragments: u32,
    pub max_buffered_chunks: u32,
}

impl Limits {
    /// Whether a message of `length` bytes is too long.
    #[inline]
    pub(super) const fn exceeded_by(&self, length: u64) -> bool {
        self.max_payload != 0 && length > self.max_payload
    }
}

/// An incomplete message.
pub(super) struct Message<B> {
    pub(super) binary: bool,
    pub(super) compressed: bool,
    /// It is text, and validation is not skipped.
    validate: bool,
    /// One buffer for each frame, instead of one for all.
    fragments: bool,
    frames: u32,
    /// Bytes of payload that the headers so far have declared.
    declared: u64,
    /// Bytes in `parts`.
    parts_len: u64,
    /// The complete frames, if `fragments`.
    parts: Vec<B>,
    /// The buffer that is being filled; `None` while it would be empty.
    current: Option<B>,
    utf8: Utf8,
    frame: Frame,
}

/// The current data frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    fin: bool,
    mask: Option<[u8; 4]>,
    received: u64,
    missing: u64,
}

impl<B: MessageBuffer> Message<B> {
    /// A message whose first frame has this header. [`Message::begin_frame`] must then begin that frame.
    pub(super) fn new(header: &FrameHeader, fragments: bool, skip_utf8_validation: bool) -> Self {
        let binary = header.opcode == Opcode::Binary;
        Self {
            binary,
            compressed: header.rsv1,
            validate: !binary && !skip_utf8_validation,
            // ws's "fragments" is a binary type, so text is never fragmented.
            fragments: fragments && binary,
            frames: 0,
            declared: 0,
            parts_len: 0,
            parts: Vec::new(),
            current: None,
            utf8: Utf8::new(),
            frame: Frame { fin: false, mask: None, received: 0, missing: 0 },
        }
    }

    /// Takes the header of the message's next frame. The limits hold for the whole message, and are checked before any
    /// of the frame's payload is taken.
    pub(super) fn begin_frame(
        &mut self,
        header: &FrameHeader,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        self.declared = self.declared.saturating_add(header.length);
        if limits.exceeded_by(self.declared) {
            return Err(ProtocolError::UnsupportedMessageLength);
        }
        self.frames = self.frames.saturating_add(1);
        if limits.max_fragments != 0 && self.frames > limits.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        self.frame =
            Frame { fin: header.fin, mask: header.mask, received: 0, missing: header.length };
        Ok(())
    }

    /// Bytes that the current frame still lacks.
    pub(super) const fn missing(&self) -> u64 {
        self.frame.missing
    }

    /// Whether the current frame ends its message.
    pub(super) const fn is_last_frame(&self) -> bool {
        self.frame.fin
    }

    /// Takes the next bytes of the frame's payload as they arrived, at most [`Message::missing`]. It may or may not
    /// unmask them in place. If inflating stopped at the mark, it returns how many bytes at the end of `piece`, which
    /// are then unmasked, are still to be inflated.
    pub(super) fn take(
        &mut self,
        piece: &mut [u8],
        limits: &Limits,
        inflater: Option<(&mut Inflater, usize, &mut Codec)>,
    ) -> Result<Option<usize>, ProtocolError> {
        match inflater {
            Some(inflater) => self.take_compressed(piece, limits, inflater),
            None => self.take_plain(piece, limits).map(|()| None),
        }
    }

    fn take_plain(&mut self, piece: &mut [u8], limits: &Limits) -> Result<(), ProtocolError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.make_room(piece.len(), limits)?;
        let phase = self.phase();
        // `make_room` has made one.
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        match self.frame.mask {
            Some(mask) if !self.validate => current.extend_unmasked(piece, mask, phase)?,
            Some(mask) => {
                for block in piece.chunks_mut(BLOCK) {
                    simd::unmask_validate(block, mask, phase, &mut self.utf8)
                        .map_err(|_| ProtocolError::InvalidUtf8)?;
                    current.extend(block)?;
                }
            }
            None => {
                for block in piece.chunks(BLOCK) {
                    if self.validate {
                        self.utf8.feed(block).map_err(|_| ProtocolError::InvalidUtf8)?;
                    }
                    current.extend(block)?;
                }
            }
        }
        self.count(piece.len());
        Ok(())
    }

    fn take_compressed(
        &mut self,
        piece: &mut [u8],
        limits: &Limits,
        (inflater, mark, codec): (&mut Inflater, usize, &mut Codec),
    ) -> Result<Option<usize>, ProtocolError> {
        if let Some(mask) = self.frame.mask {
            simd::mask::mask_in_place(piece, mask, self.phase());
        }
        self.count(piece.len());
        let last = self.frame.fin && self.frame.missing == 0;
        if piece.is_empty() && !last {
            return Ok(None);
        }
        let out = match &mut self.current {
            Some(out) => out,
            none => none.insert(B::with_capacity(piece.len().min(FIRST_ROOM))?),
        };
        let before = out.len();
        let limit = (limits.max_payload != 0).then(|| limits.max_payload - self.parts_len);
        let mut rest: &[u8] = piece;
        let mark = before.saturating_add(mark);
        let inflated = inflater.inflate_some(codec, &mut rest, last, limit, mark, out);
        let fresh = out.as_slice().get(before..).unwrap_or_default();
        let (began, empty) = (before == 0 && !fresh.is_empty(), out.is_empty());
        if self.validate {
            // This is done even if inflating failed: which fault is reported must not depend on the cuts.
            self.utf8.feed(within(fresh, before, limit)).map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        let done = inflated?;
        if empty {
            self.current = None;
        }
        if began {
            self.check_pieces(limits)?;
        }
        Ok((!done).then_some(rest.len()))
    }

    /// What the work needs to continue: the storage, the state of its validation if it is validated, how many bytes the
    /// storage may hold, and whether the message ends with what has arrived.
    pub(super) fn work(&mut self, limits: &Limits) -> (Option<B>, Option<Utf8>, Option<u64>, bool) {
        let utf8 = self.validate.then(|| std::mem::replace(&mut self.utf8, Utf8::new()));
        let limit = (limits.max_payload != 0).then(|| limits.max_payload - self.parts_len);
        (self.current.take(), utf8, limit, self.frame.fin && self.frame.missing == 0)
    }

    /// Takes back the storage from the work, and the state of its validation.
    pub(super) fn worked(&mut self, storage: B, utf8: Option<Utf8>) {
        if let Some(utf8) = utf8 {
            self.utf8 = utf8;
        }
        self.current = Some(storage);
    }

    /// Notes that the only frame of the message arrived whole, and was inflated to `storage` so far.
    pub(super) fn inflated_to(
        &mut self,
        header: &FrameHeader,
        storage: B,
    ) -> Result<(), ProtocolError> {
        self.frame = Frame { fin: true, mask: None, received: header.length, missing: 0 };
        if self.validate {
            self.utf8.feed(storage.as_slice()).map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        self.current = Some(storage);
        Ok(())
    }

    /// Makes room for receiving raw payload directly. Returns `false`, and does nothing, if the message is compressed
    /// or the frame lacks fewer than `at_least` bytes.
    pub(super) fn make_direct_room(
        &mut self,
        at_least: usize,
        limits: &Limits,
    ) -> Result<bool, ProtocolError> {
        let missing = self.missing_here();
        if self.compressed || missing == 0 || missing < at_least {
            return Ok(false);
        }
        let (len, capacity) = self.extent();
        if capacity - len < missing.min(LEAST_ROOM) {
            self.grow(len, limits)?;
        }
        Ok(true)
    }

    /// The buffer with the room that [`Message::make_direct_room`] made, and how many bytes it may take.
    pub(super) fn direct_room(&mut self) -> Option<(&mut B, usize)> {
        let missing = self.missing_here();
        let buffer = self.current.as_mut()?;
        let most = missing.min(buffer.capacity() - buffer.len());
        Some((buffer, most))
    }

    /// Unmasks and validates the `count` raw bytes that were appended to the buffer of [`Message::direct_room`].
    pub(super) fn direct_received(&mut self, count: usize) -> Result<(), ProtocolError> {
        let phase = self.phase();
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let start = current.len().saturating_sub(count);
        let piece = &mut current.as_mut_slice()[start..];
        let valid = match self.frame.mask {
            Some(mask) if self.validate => {
                simd::unmask_validate(piece, mask, phase, &mut self.utf8)
            }
            Some(mask) => {
                simd::mask::mask_in_place(piece, mask, phase);
                Ok(())
            }
            None if self.validate => self.utf8.feed(piece),
            None => Ok(()),
        };
        self.count(count);
        valid.map_err(|_| ProtocolError::InvalidUtf8)
    }

    /// Ends a frame that does not end its message.
    pub(super) fn end_frame(&mut self) -> Result<(), ProtocolError> {
        if self.fragments
            && let Some(part) = self.current.take()
        {
            self.parts.try_reserve(1).map_err(|_| ProtocolError::OutOfMemory)?;
            self.parts_len += part.len() as u64;
            self.parts.push(part);
        }
        Ok(())
    }

    /// Ends the message.
    pub(super) fn finish(mut self) -> Result<Data<'static, B>, ProtocolError> {
        if self.validate {
            self.utf8.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        if self.fragments {
            self.end_frame()?;
            return Ok(Data::Fragments(self.parts));
        }
        Ok(self.current.map_or(Data::Slice(&[]), Data::Buffer))
    }

    /// How many bytes of the frame's payload have arrived, modulo the length of the mask.
    const fn phase(&self) -> usize {
        (self.frame.received % 4) as usize
    }

    /// Bytes that the current frame still lacks, or the most that this machine can address.
    fn missing_here(&self) -> usize {
        usize::try_from(self.frame.missing).unwrap_or(usize::MAX)
    }

    /// Length and capacity of the current buffer.
    fn extent(&self) -> (usize, usize) {
        self.current.as_ref().map_or((0, 0), |buffer| (buffer.len(), buffer.capacity()))
    }

    const fn count(&mut self, bytes: usize) {
        self.frame.received += bytes as u64;
        self.frame.missing = self.frame.missing.saturating_sub(bytes as u64);
    }

    /// Makes room for `arrived` more bytes in the current buffer, and makes the buffer if there is none.
    fn make_room(&mut self, arrived: usize, limits: &Limits) -> Result<(), ProtocolError> {
        let (len, capacity) = self.extent();
        let needed = len.checked_add(arrived).ok_or(ProtocolError::OutOfMemory)?;
        if needed <= capacity { Ok(()) } else { self.grow(needed, limits) }
    }

    /// Grows the current buffer for `arrived` bytes of the message: to twice that while more is to come, so that
    /// appending takes linear time.
    fn grow(&mut self, arrived: usize, limits: &Limits) -> Result<(), ProtocolError> {
        let (len, _) = self.extent();
        let end = len.saturating_add(self.missing_here());
        let mut room = arrived.saturating_mul(2).max(end.min(FIRST_ROOM));
        if self.frame.fin || self.fragments {
            room = room.min(end);
        }
        match &mut self.current {
            Some(buffer) => Ok(buffer.reserve_exact(room.saturating_sub(len))?),
            none => {
                *none = Some(B::with_capacity(room)?);
                self.check_pieces(limits)
            }
        }
    }

    /// Checks, after a buffer was made, how many the message has now.
    fn check_pieces(&self, limits: &Limits) -> Result<(), ProtocolError> {
        let held = self.parts.len() + 1;
        if limits.max_buffered_chunks != 0 && held > limits.max_buffered_chunks as usize {
            return Err(ProtocolError::TooManyBufferedChunks);
        }
        Ok(())
    }
}

/// The part of `fresh`, which follows `before` other bytes, that lies within `limit`.
pub(super) fn within(fresh: &[u8], before: usize, limit: Option<u64>) -> &[u8] {
    let Some(limit) = limit else { return fresh };
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(before);
    &fresh[..fresh.len().min(room)]
}
