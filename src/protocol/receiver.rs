//! Bytes in, events out: the receiving half of a connection.
//!
//! Rules kept here:
//! - the caller pulls: [`Receiver::next`] returns one event at a time. The receiver is in no intermediate state while
//!   the caller handles the event, so the caller may run any code;
//! - a short message that has arrived whole is lent from where it lies in the input; between messages a receiver owns
//!   no heap memory;
//! - after a fault or a close frame the receiver is finished, and drops whatever comes later (RFC 6455 sections 5.5.1
//!   and 7.1.7).

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

/// The options of a [`Receiver`]. As in ws, 0 switches a limit off.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverOptions {
    /// Which side we are: a server requires masked frames, a client unmasked ones.
    pub role: Role,
    /// The longest message, in bytes, as received and as inflated.
    pub max_payload: u64,
    /// The most frames of a message.
    pub max_fragments: u32,
    /// The most buffers that hold one message. A message has one, unless its fragments are kept apart.
    pub max_buffered_chunks: u32,
    /// Whether text and close reasons are not validated.
    pub skip_utf8_validation: bool,
    /// The agreed parameters of permessage-deflate for what we receive.
    pub inflate: Option<InflateParams>,
}

/// What the receiver expects next.
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

/// Where the bytes of an event lie.
#[derive(Clone, Copy)]
enum Place {
    Input((usize, usize)),
    Control,
    Scratch,
}

/// Whether a message is binary, in a whole word. If it were a byte and were read together with its neighbours soon
/// after it was written, the processor would have to wait for all writes before it.
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
    /// `control` or `scratch` is lent to the caller, and is taken back at the next call.
    lent: bool,
    partial: PartialHeader,
    inflater: Option<Inflater>,
    /// permessage-deflate was agreed.
    compression: bool,
    /// How many bytes `next` inflates of a piece before it leaves the rest as [`Work`].
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

    /// Sets whether binary messages come as [`Data::Fragments`], with one buffer for each frame that is not empty: ws's
    /// binary type "fragments". It holds from the next message on.
    pub const fn set_fragments(&mut self, fragments: bool) {
        self.fragments = fragments;
    }

    /// Sets how many bytes a piece of a message may inflate to before the rest is left as [`Work`]. A new receiver
    /// inflates everything itself.
    pub const fn set_mark(&mut self, mark: usize) {
        // Work continues from at least one byte of output.
        self.mark = if mark == 0 { 1 } else { mark };
    }

    /// Whether there was a fault or a close frame, so that no further event can come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Reads the next event from `input`. Returns `None` if all of `input` was read and more is needed, or if there is
    /// [`Work`] to do first ([`Receiver::take_work`]). After a fault or [`Event::Close`] it always returns `None`.
    ///
    /// # Errors
    /// The peer's [`ProtocolError`], once.
    #[inline]
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut Input<'_>,
        codec: &'a mut Codec,
    ) -> Result<Option<Event<'a, B>>, ProtocolError> {
        self.reclaim(codec);
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

    /// Takes back what the last event has borrowed. [`Receiver::next`] does so too, but may not be called for a long time.
    #[inline]
    pub fn reclaim(&mut self, codec: &mut Codec) {
        if self.lent {
            self.take_back(codec);
        }
    }

    /// Within an uncompressed data frame that still lacks at least `at_least` bytes, returns the buffer to which raw
    /// bytes may be appended, and how many it may take.
    ///
    /// The buffer grows with what has arrived: to 16 KiB or twice the bytes that arrived, but not beyond the frame.
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

    /// Unmasks and validates, where they lie, the `count` raw bytes that were appended to the buffer of
    /// [`Receiver::direct`]. If they complete the message, [`Receiver::next`] returns it, even for an empty input.
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

    /// Drops an incomplete message and gives back what the connection holds of the codec, when it receives nothing
    /// more.
    pub fn release(&mut self, codec: &mut Codec) {
        self.take_back(codec);
        self.end(codec);
    }

    /// Takes the decompressor out of `codec`. Until [`Receiver::attach`], [`Receiver::next`] may be called with the
    /// codec of another thread.
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

    /// Makes the event, with what it borrows, of a [`Ready`].
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
    /// send any further data" (RFC 6455 section 1.4), so the rest of the input is dropped.
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
