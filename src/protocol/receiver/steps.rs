//! Reads the input frame by frame until an event is ready.

use super::control::Control;
use super::event::Data;
use super::input::Input;
use super::message::Message;
use super::spill::Spill;
use super::{Binary, Expect, Place, Ready, Receiver};
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::Codec;
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, HeaderRules, Opcode};
use crate::simd::{mask, utf8};

/// The longest uncompressed message, in bytes, that is lent from where it lies in the input. A longer one is copied
/// into its final place at once, which costs less than another copy later.
const SHORT: u64 = 4 * 1024;

impl<B: MessageBuffer> Receiver<B> {
    /// Reads until there is an event or nothing more to read.
    #[inline]
    pub(super) fn advance(
        &mut self,
        input: &mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        loop {
            let ready = match self.expect {
                Expect::Header => {
                    let Some(header) = self.header(input)? else {
                        return Ok(None);
                    };
                    self.begin(&header, input, codec)?
                }
                Expect::Control => self.continue_control(input),
                Expect::Payload => self.payload(input, codec)?,
                Expect::Work if self.is_working() => return Ok(None),
                Expect::Work => self.worked()?,
                Expect::Nothing => {
                    input.drain();
                    return Ok(None);
                }
            };
            if ready.is_some() {
                return Ok(ready);
            }
            if self.expect != Expect::Header && input.remaining() == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the next header, if all of it has arrived.
    #[inline]
    fn header(&mut self, input: &mut Input<'_>) -> Result<Option<FrameHeader>, ProtocolError> {
        if input.remaining() == 0 {
            return Ok(None);
        }
        let rules = HeaderRules {
            role: self.role,
            compression: self.compression,
            in_message: self.message.is_some(),
        };
        if self.partial.is_empty()
            && let Some((header, size)) = FrameHeader::parse(input.rest(), rules)?
        {
            input.take(size);
            return Ok(Some(header));
        }
        let Some((header, size)) = self.partial.parse(input.rest(), rules)? else {
            input.drain();
            return Ok(None);
        };
        input.take(size);
        Ok(Some(header))
    }

    /// Begins a frame. A short message that has arrived whole is ready at once.
    #[inline]
    fn begin(
        &mut self,
        header: &FrameHeader,
        input: &mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        if header.opcode.is_control() {
            return Ok(self.begin_control(header, input));
        }
        let whole = header.fin
            && header.opcode != Opcode::Continuation
            && header.length <= input.remaining() as u64;
        let binary = header.opcode == Opcode::Binary;
        if whole
            && !(binary && self.fragments)
            && !self.limits.exceeded_by(header.length)
            && (header.rsv1 || header.length <= SHORT)
        {
            let place = input.take(header.length as usize);
            let payload = input.slice_mut(place);
            if header.rsv1 {
                return self.inflate_whole(header, payload, codec);
            }
            self.unmask_short(header, payload)?;
            let binary = Binary::of(header);
            return Ok(Some(Ready::Short { binary, place: Place::Input(place) }));
        }
        let message = match &mut self.message {
            Some(message) => message,
            none => none.insert(Box::new(Message::new(
                header,
                self.fragments,
                self.skip_utf8_validation,
            ))),
        };
        message.begin_frame(header, &self.limits)?;
        self.expect = Expect::Payload;
        // A frame without payload is complete here.
        self.payload(input, codec)
    }

    /// Unmasks and validates a message that is all of `payload`.
    #[inline(always)] // its one caller is the way of every short message
    fn unmask_short(&self, header: &FrameHeader, payload: &mut [u8]) -> Result<(), ProtocolError> {
        let ascii = match header.mask {
            Some(key) => mask::mask_in_place_is_ascii(payload, key, 0),
            None => false,
        };
        let validate = header.opcode == Opcode::Text && !self.skip_utf8_validation;
        if validate && !ascii && !utf8::is_utf8(payload) {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(())
    }

    /// Inflates a message that is all of `payload`, into a spare buffer of the codec while it is short, then into
    /// storage of its own.
    #[inline(never)]
    fn inflate_whole(
        &mut self,
        header: &FrameHeader,
        payload: &mut [u8],
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        let binary = header.opcode == Opcode::Binary;
        if let Some(key) = header.mask {
            mask::mask_in_place(payload, key, 0);
        }
        let mut out = Spill::<B>::new(codec.take_scratch());
        let limit = (self.limits.max_payload != 0).then_some(self.limits.max_payload);
        let mut rest: &[u8] = payload;
        let inflated = match &mut self.inflater {
            Some(inflater) => {
                inflater.inflate_some(codec, &mut rest, true, limit, self.mark, &mut out)
            }
            // A frame with RSV1 is refused if there is no inflater.
            None => Err(ProtocolError::UnexpectedRsv1),
        };
        let inflated = match inflated {
            Ok(false) => return self.leave_whole(header, rest, out, codec).map(|()| None),
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        let invalid = !binary && !self.skip_utf8_validation && !out.is_utf8(limit, &inflated);
        let ready = match out.into_parts() {
            (scratch, None) => {
                self.lent = true;
                self.scratch = scratch;
                Ready::Short { binary: Binary::of(header), place: Place::Scratch }
            }
            (scratch, Some(buffer)) => {
                codec.give_scratch(scratch);
                Ready::Message { binary, data: Data::Buffer(buffer) }
            }
        };
        // Invalid text is reported first, because it would be found first if the message came byte by byte.
        if invalid {
            return Err(ProtocolError::InvalidUtf8);
        }
        inflated.map(|()| Some(ready))
    }

    /// Takes as much of a data frame's payload as has arrived.
    fn payload(
        &mut self,
        input: &mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
        let missing = usize::try_from(message.missing()).unwrap_or(usize::MAX);
        let place = input.take(missing);
        let piece = input.slice_mut(place);
        let inflater = self.inflater.as_mut().filter(|_| message.compressed);
        let inflating = inflater.map(|inflater| (inflater, self.mark, codec));
        let done = message.take(piece, &self.limits, inflating)?;
        if let Some(left) = done {
            let rest = piece[piece.len() - left..].to_vec();
            self.leave(rest);
            return Ok(None);
        }
        self.end_of_piece()
    }

    /// Continues after a piece of a frame's payload was taken and inflated: it may end the frame, or the message.
    pub(super) fn end_of_piece(&mut self) -> Result<Option<Ready<B>>, ProtocolError> {
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
        self.expect = Expect::Payload;
        if message.missing() != 0 {
            return Ok(None);
        }
        self.expect = Expect::Header;
        if !message.is_last_frame() {
            message.end_frame()?;
            return Ok(None);
        }
        let Some(message) = self.message.take() else {
            return Ok(None);
        };
        let binary = message.binary;
        Ok(Some(Ready::Message { binary, data: message.finish()? }))
    }

    fn begin_control(&mut self, header: &FrameHeader, input: &mut Input<'_>) -> Option<Ready<B>> {
        if header.length <= input.remaining() as u64 {
            let place = input.take(header.length as usize);
            if let Some(key) = header.mask {
                mask::mask_in_place(input.slice_mut(place), key, 0);
            }
            return Some(Ready::Control { opcode: header.opcode, place: Place::Input(place) });
        }
        self.control = Some(Box::new(Control::new(header)));
        self.expect = Expect::Control;
        self.continue_control(input)
    }

    /// Takes as much of a control frame's payload as has arrived.
    fn continue_control(&mut self, input: &mut Input<'_>) -> Option<Ready<B>> {
        let control = self.control.as_mut()?;
        if !control.take(input) {
            return None;
        }
        self.expect = Expect::Header;
        self.lent = true;
        Some(Ready::Control { opcode: control.opcode, place: Place::Control })
    }
}
