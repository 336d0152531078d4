//! Bytes in, events out: the receiving half of a connection.
//!
//! Rules kept here:
//! - it is pulled: [`Receiver::next`] gives one event at a time and holds nothing while the caller
//!   deals with it, so that the caller may run anything;
//! - a whole short message is handed out where it lies in the input; between messages a receiver
//!   owns no heap memory;
//! - after a fault or a close frame it is finished: what comes later is dropped
//!   (RFC 6455 sections 5.5.1 and 7.1.7).

mod control;
mod event;
mod input;
mod message;
mod ping_scan;
mod spill;
mod steps;
mod work;

use super::buffer::MessageBuffer;
use super::close::ClosePayload;
use super::deflate::{Codec, InflateParams, Inflater};
use super::error::ProtocolError;
use super::frame::{FrameHeader, Opcode, PartialHeader, Role};
use control::Control;
use message::{Limits, Message};

pub use event::{Data, Event};
pub use input::Input;
pub use ping_scan::{PingScan, ScannedPing};
pub use work::Work;

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

/// What comes next on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Header,
    /// The rest of the control frame in `control`.
    Control,
    /// The rest of the data frame in `message`.
    Payload,
    /// Nothing, until `work` is done.
    Work,
    Nothing,
}

/// Where the bytes of an event are.
#[derive(Clone, Copy)]
enum Place {
    Input((usize, usize)),
    Control,
    Scratch,
}

/// Whether a message is binary, as wide as what it is moved with: a byte that is read again together with what is
/// beside it, so soon after it is written, waits for every write before it.
#[derive(Clone, Copy)]
struct Binary(usize);

impl Binary {
    const fn of(header: &FrameHeader) -> Self {
        Self(matches!(header.opcode, Opcode::Binary) as usize)
    }

    const fn is_binary(self) -> bool {
        self.0 != 0
    }
}

/// An event that borrows nothing yet.
enum Ready<B> {
    Short { binary: Binary, place: Place },
    Message { binary: bool, data: Data<'static, B> },
    Control { opcode: Opcode, place: Place },
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
    /// permessage-deflate was agreed.
    compression: bool,
    /// Bytes that a call of `next` may inflate a piece to before the rest is left as [`Work`].
    mark: usize,
    work: Option<Box<Work<B>>>,
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
            compression: options.inflate.is_some(),
            mark: usize::MAX,
            work: None,
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

    /// Leaves as [`Work`] what a piece of a message inflates to beyond `mark` bytes. As made, a receiver
    /// leaves nothing.
    pub const fn set_mark(&mut self, mark: usize) {
        // Work goes on with what there is: at least one byte.
        self.mark = if mark == 0 { 1 } else { mark };
    }

    /// Whether nothing more can come: there was a fault or a close frame.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Reads the next event from `input`; `None` where more is needed, all of it having been read, or
    /// where there is [`Work`] to do first ([`Receiver::take_work`]). After a fault or [`Event::Close`] it is always `None`.
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
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
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
        let Some(message) = &mut self.message else {
            return Ok(());
        };
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

    /// Takes the decompressor out of `codec`, so that [`Receiver::next`] may be called with the codec of
    /// another thread, until [`Receiver::attach`].
    pub fn detach(&mut self, codec: &mut Codec) {
        self.take_back(codec);
        if let Some(inflater) = &mut self.inflater {
            inflater.detach(codec);
        }
    }

    /// Gives a detached decompressor back to `codec`.
    pub fn attach(&mut self, codec: &mut Codec) {
        if let Some(inflater) = &mut self.inflater {
            inflater.attach(codec);
        }
    }

    fn end(&mut self, codec: &mut Codec) {
        self.expect = Expect::Nothing;
        self.message = None;
        self.control = None;
        self.work = None;
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
                Ok(Some(Event::Message { binary: binary.is_binary(), data }))
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
            Place::Input(place) => input.slice(place),
            Place::Scratch => &self.scratch,
            Place::Control => self.control.as_ref().map_or(&[], |control| control.payload()),
        }
    }
}
