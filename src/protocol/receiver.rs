//! Bytes in, events out: the receiving half of a connection.
//!
//! Rules kept here:
//! - it is pulled: [`Receiver::next`] gives one event at a time and holds nothing while the caller
//!   deals with it, so that the caller may run anything;
//! - a whole short message is handed out where it lies in the input; between messages a receiver
//!   owns no heap memory;
//! - after a fault or a close frame it is finished: what comes later is dropped
//!   (RFC 6455 sections 5.5.1 and 7.1.7).

use super::buffer::MessageBuffer;
use super::close::ClosePayload;
use super::deflate::{Codec, InflateParams, Inflater};
use super::error::ProtocolError;
use super::frame::{FrameHeader, HeaderRules, MAX_CONTROL_PAYLOAD, Opcode, PartialHeader, Role};
use super::message::{Limits, Message};
use super::spill::Spill;
use crate::simd::{mask, utf8};

/// The longest uncompressed message, in bytes, that is handed out where it lies in the input:
/// above it, one copy into its final place costs less than one more behind it.
const SHORT: u64 = 4 * 1024;

/// What a [`Receiver`] allows; 0 switches a limit off, as in ws.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverOptions {
    /// Which side we are: a server requires masked frames, a client unmasked ones.
    pub role: Role,
    /// The longest message, in bytes, as sent and as inflated.
    pub max_payload: u64,
    /// The most frames of a message.
    pub max_fragments: u32,
    /// The most separately held pieces of a message; one, unless its fragments are kept apart.
    pub max_buffered_chunks: u32,
    /// Text and close reasons are not validated.
    pub skip_utf8_validation: bool,
    /// The agreed parameters of permessage-deflate for what we receive.
    pub inflate: Option<InflateParams>,
}

/// Bytes that came and are not read yet. Payload is unmasked in place.
#[derive(Debug)]
pub struct Input<'buf> {
    buf: &'buf mut [u8],
    pos: usize,
}

impl<'buf> Input<'buf> {
    /// All of `buf`.
    #[inline]
    pub const fn new(buf: &'buf mut [u8]) -> Self {
        Self { buf, pos: 0 }
    }

    /// Bytes read so far.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.pos
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.buf.len() - self.pos
    }

    #[inline]
    fn rest(&self) -> &[u8] {
        &self.buf[self.pos..]
    }

    /// Reads `count` bytes, or what there is: where they lie.
    #[inline]
    fn take(&mut self, count: usize) -> (usize, usize) {
        let start = self.pos;
        self.pos += count.min(self.remaining());
        (start, self.pos)
    }

    #[inline]
    fn slice_mut(&mut self, (start, end): (usize, usize)) -> &mut [u8] {
        &mut self.buf[start..end]
    }

    const fn drain(&mut self) {
        self.pos = self.buf.len();
    }
}

/// The data of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a, B> {
    /// A short message, or an empty one: borrowed until the next call.
    Slice(&'a [u8]),
    /// A longer one, in storage of its own.
    Buffer(B),
    /// The frames of a binary message that are not empty, each in storage of its own
    /// ([`Receiver::set_fragments`]).
    Fragments(Vec<B>),
}

/// What the peer did.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a, B> {
    /// A whole message, unmasked, inflated, and valid UTF-8 unless it is binary or that is skipped.
    Message {
        /// Bytes, not text.
        binary: bool,
        /// The data.
        data: Data<'a, B>,
    },
    /// A ping: 0 to 125 bytes that the pong repeats.
    Ping(&'a [u8]),
    /// A pong: 0 to 125 bytes.
    Pong(&'a [u8]),
    /// A close frame: nothing comes after it.
    Close {
        /// The status code; 1005 where the frame has none.
        code: u16,
        /// The reason, 0 to 123 bytes.
        reason: &'a [u8],
    },
}

/// What comes next on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Header,
    /// The rest of the control frame in `control`.
    Control,
    /// The rest of the data frame in `message`.
    Payload,
    Nothing,
}

/// Where the bytes of an event are.
#[derive(Clone, Copy)]
enum Place {
    Input((usize, usize)),
    Control,
    Scratch,
}

/// An event that borrows nothing yet.
enum Ready<B> {
    Short { binary: bool, place: Place },
    Message { binary: bool, data: Data<'static, B> },
    Control { opcode: Opcode, place: Place },
}

/// A control frame that came cut off.
struct Control {
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    length: u8,
    filled: u8,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

/// The receiving half of a connection.
pub struct Receiver<B> {
    limits: Limits,
    role: Role,
    skip_utf8_validation: bool,
    fragments: bool,
    expect: Expect,
    /// `control` or `scratch` was lent to the caller and is to be given back.
    lent: bool,
    partial: PartialHeader,
    inflater: Option<Inflater>,
    message: Option<Box<Message<B>>>,
    control: Option<Box<Control>>,
    scratch: Vec<u8>,
}

impl<B: MessageBuffer> Receiver<B> {
    /// A receiver at the start of a connection.
    #[must_use]
    pub fn new(options: ReceiverOptions) -> Self {
        Self {
            limits: Limits {
                max_payload: options.max_payload,
                max_fragments: options.max_fragments,
                max_buffered_chunks: options.max_buffered_chunks,
            },
            role: options.role,
            skip_utf8_validation: options.skip_utf8_validation,
            fragments: false,
            expect: Expect::Header,
            lent: false,
            partial: PartialHeader::EMPTY,
            inflater: options.inflate.map(Inflater::new),
            message: None,
            control: None,
            scratch: Vec::new(),
        }
    }

    /// Whether binary messages come as [`Data::Fragments`], one buffer for each frame that is not
    /// empty: ws's binary type "fragments". Holds from the next message on.
    pub const fn set_fragments(&mut self, fragments: bool) {
        self.fragments = fragments;
    }

    /// Whether nothing more can come: there was a fault or a close frame.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Reads the next event from `input`; `None` where more is needed, all of it having been read.
    /// After a fault or [`Event::Close`] it is always `None`.
    ///
    /// # Errors
    /// The [`ProtocolError`] that the peer committed, once.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut Input<'_>,
        codec: &'a mut Codec,
    ) -> Result<Option<Event<'a, B>>, ProtocolError> {
        if self.lent {
            self.take_back(codec);
        }
        match self.advance(input, codec) {
            Ok(Some(ready)) => self.event(ready, input, codec),
            Ok(None) => Ok(None),
            Err(error) => {
                self.end(codec);
                input.drain();
                Err(error)
            }
        }
    }

    /// In the middle of an uncompressed data frame of which at least `at_least` bytes are missing:
    /// the buffer to append raw bytes to, and the most that it may take.
    ///
    /// The room grows with what has arrived: to 16 KiB, or twice that, or the end of the frame.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfMemory`], or the limit on pieces; the receiver is then finished.
    pub fn direct(&mut self, at_least: usize) -> Result<Option<(&mut B, usize)>, ProtocolError> {
        if self.expect != Expect::Payload {
            return Ok(None);
        }
        let Some(message) = &mut self.message else { return Ok(None) };
        match message.make_direct_room(at_least, &self.limits) {
            Ok(true) => Ok(message.direct_room()),
            Ok(false) => Ok(None),
            Err(error) => {
                self.expect = Expect::Nothing;
                Err(error)
            }
        }
    }

    /// `count` raw bytes were appended to the buffer that [`Receiver::direct`] gave: unmasks and
    /// validates them there. [`Receiver::next`], with an empty input, then gives a message that is
    /// complete.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidUtf8`]; the receiver is then finished.
    pub fn direct_received(&mut self, count: usize) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let received = message.direct_received(count);
        if received.is_err() {
            self.expect = Expect::Nothing;
            self.message = None;
        }
        received
    }

    /// Drops what is under way and gives back what the connection holds of the codec: it receives
    /// no more.
    pub fn release(&mut self, codec: &mut Codec) {
        self.take_back(codec);
        self.end(codec);
    }

    fn end(&mut self, codec: &mut Codec) {
        self.expect = Expect::Nothing;
        self.message = None;
        self.control = None;
        if let Some(mut inflater) = self.inflater.take() {
            inflater.release(codec);
        }
    }

    #[cold]
    fn take_back(&mut self, codec: &mut Codec) {
        self.lent = false;
        self.control = None;
        if self.scratch.capacity() != 0 {
            codec.give_scratch(std::mem::take(&mut self.scratch));
        }
    }

    #[inline]
    fn advance(
        &mut self,
        input: &mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        loop {
            let ready = match self.expect {
                Expect::Header => {
                    let Some(header) = self.header(input)? else { return Ok(None) };
                    self.begin(&header, input, codec)?
                }
                Expect::Control => self.continue_control(input),
                Expect::Payload => self.payload(input, codec)?,
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

    /// The next header, if all of it is there.
    #[inline]
    fn header(&mut self, input: &mut Input<'_>) -> Result<Option<FrameHeader>, ProtocolError> {
        if input.remaining() == 0 {
            return Ok(None);
        }
        let rules = HeaderRules {
            role: self.role,
            compression: self.inflater.is_some(),
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

    /// A frame begins. What is whole and short is done with at once.
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
                return self.inflate_whole(header, payload, codec).map(Some);
            }
            self.unmask_short(header, payload)?;
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
        // Also without payload: that is a whole frame.
        self.payload(input, codec)
    }

    /// Unmasks and validates a message that is all of `payload`.
    #[inline]
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

    /// Inflates a message that is all of `payload`: into a spare buffer of the codec while it is
    /// short, into storage of its own beyond.
    fn inflate_whole(
        &mut self,
        header: &FrameHeader,
        payload: &mut [u8],
        codec: &mut Codec,
    ) -> Result<Ready<B>, ProtocolError> {
        let binary = header.opcode == Opcode::Binary;
        if let Some(key) = header.mask {
            mask::mask_in_place(payload, key, 0);
        }
        let mut out = Spill::<B>::new(codec.take_scratch());
        let limit = (self.limits.max_payload != 0).then_some(self.limits.max_payload);
        let inflated = match &mut self.inflater {
            Some(inflater) => inflater.inflate(codec, payload, true, limit, &mut out),
            // RSV1 is refused where there is none.
            None => Err(ProtocolError::UnexpectedRsv1),
        };
        let invalid = !binary && !self.skip_utf8_validation && !out.is_utf8(limit, &inflated);
        let ready = match out.into_parts() {
            (scratch, None) => {
                self.lent = true;
                self.scratch = scratch;
                Ready::Short { binary, place: Place::Scratch }
            }
            (scratch, Some(buffer)) => {
                codec.give_scratch(scratch);
                Ready::Message { binary, data: Data::Buffer(buffer) }
            }
        };
        // Bad text comes first: byte by byte it would have been noticed first.
        if invalid {
            return Err(ProtocolError::InvalidUtf8);
        }
        inflated.map(|()| ready)
    }

    /// Takes what there is of a data frame's payload.
    fn payload(
        &mut self,
        input: &mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Ready<B>>, ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(None) };
        let missing = usize::try_from(message.missing()).unwrap_or(usize::MAX);
        let place = input.take(missing);
        let piece = input.slice_mut(place);
        let inflater = self.inflater.as_mut().filter(|_| message.compressed);
        message.take(piece, &self.limits, inflater.map(|inflater| (inflater, codec)))?;
        if message.missing() != 0 {
            return Ok(None);
        }
        self.expect = Expect::Header;
        if !message.is_last_frame() {
            message.end_frame()?;
            return Ok(None);
        }
        let Some(message) = self.message.take() else { return Ok(None) };
        let binary = message.binary;
        Ok(Some(Ready::Message { binary, data: message.finish()? }))
    }

    fn begin_control(
        &mut self,
        header: &FrameHeader,
        input: &mut Input<'_>,
    ) -> Option<Ready<B>> {
        let (opcode, mask) = (header.opcode, header.mask);
        if header.length <= input.remaining() as u64 {
            let place = input.take(header.length as usize);
            if let Some(key) = mask {
                mask::mask_in_place(input.slice_mut(place), key, 0);
            }
            return Some(Ready::Control { opcode, place: Place::Input(place) });
        }
        // At most 125: `FrameHeader::parse` has seen to it.
        let length = header.length as u8;
        let payload = [0; MAX_CONTROL_PAYLOAD];
        self.control = Some(Box::new(Control { opcode, mask, length, filled: 0, payload }));
        self.expect = Expect::Control;
        self.continue_control(input)
    }

    /// Takes what there is of a control frame's payload.
    fn continue_control(&mut self, input: &mut Input<'_>) -> Option<Ready<B>> {
        let control = self.control.as_mut()?;
        let (filled, length) = (usize::from(control.filled), usize::from(control.length));
        let piece = input.take(length - filled);
        let piece = input.slice_mut(piece);
        if let Some(key) = control.mask {
            mask::mask_in_place(piece, key, filled);
        }
        let filled_now = filled + piece.len();
        control.payload[filled..filled_now].copy_from_slice(piece);
        // At most 125.
        control.filled = filled_now as u8;
        if filled_now < length {
            return None;
        }
        self.expect = Expect::Header;
        self.lent = true;
        Some(Ready::Control { opcode: control.opcode, place: Place::Control })
    }

    /// The event, with what it borrows.
    #[inline]
    fn event<'a>(
        &'a mut self,
        ready: Ready<B>,
        input: &'a mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Event<'a, B>>, ProtocolError> {
        match ready {
            Ready::Short { binary, place } => {
                let data = Data::Slice(self.bytes(place, input));
                Ok(Some(Event::Message { binary, data }))
            }
            Ready::Message { binary, data } => Ok(Some(Event::Message { binary, data })),
            Ready::Control { opcode: Opcode::Ping, place } => {
                Ok(Some(Event::Ping(self.bytes(place, input))))
            }
            Ready::Control { opcode: Opcode::Pong, place } => {
                Ok(Some(Event::Pong(self.bytes(place, input))))
            }
            Ready::Control { place, .. } => self.close_event(place, input, codec).map(Some),
        }
    }

    /// "after sending a control frame indicating the connection should be closed, a peer does not
    /// send any further data" (RFC 6455 section 1.4), so what follows is not looked at.
    #[cold]
    fn close_event<'a>(
        &'a mut self,
        place: Place,
        input: &'a mut Input<'_>,
        codec: &mut Codec,
    ) -> Result<Event<'a, B>, ProtocolError> {
        let control = self.control.take();
        self.end(codec);
        self.control = control;
        input.drain();
        let skip = self.skip_utf8_validation;
        let ClosePayload { code, reason } = ClosePayload::parse(self.bytes(place, input), skip)?;
        Ok(Event::Close { code, reason })
    }

    #[inline]
    fn bytes<'a>(&'a self, place: Place, input: &'a Input<'_>) -> &'a [u8] {
        match place {
            Place::Input((start, end)) => &input.buf[start..end],
            Place::Scratch => &self.scratch,
            Place::Control => self.control.as_ref().map_or(&[], |control| {
                &control.payload[..usize::from(control.length)]
            }),
        }
    }
}
