//! What goes out: the headers of data frames and the compression of their payload, by the rules of
//! ws's `Sender.send`.

use super::deflate::{Codec, DeflateParams, Deflater};
use super::error::ProtocolError;
use super::frame::{FrameHeader, Opcode, Role};

/// How a message, or a fragment of one, is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendOptions {
    /// Bytes, not text. The first fragment decides for its message.
    pub binary: bool,
    /// Compress, where permessage-deflate is agreed. The first fragment decides for its message.
    pub compress: bool,
    /// The last fragment of its message.
    pub fin: bool,
}

/// What the header of a data frame says, and whether its payload goes through
/// [`Sender::compress`] first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataFrame {
    /// The last frame of its message.
    pub fin: bool,
    /// The message is compressed; on its first frame only (RFC 7692 section 6.1).
    pub rsv1: bool,
    /// Text or binary on the first frame of a message, continuation on the others.
    pub opcode: Opcode,
    /// The payload must be compressed.
    pub compress: bool,
}

impl DataFrame {
    /// The header of this frame with `length` bytes of (compressed) payload.
    #[inline]
    #[must_use]
    pub const fn header(&self, length: u64, mask: Option<[u8; 4]>) -> FrameHeader {
        FrameHeader { fin: self.fin, rsv1: self.rsv1, opcode: self.opcode, mask, length }
    }
}

/// The sending half of a connection.
pub struct Sender {
    role: Role,
    /// A message was begun and not ended: the next frame continues it.
    in_message: bool,
    /// The message that is under way is compressed.
    compressing: bool,
    deflate: Option<Deflate>,
}

/// Our half of permessage-deflate. Boxed would cost an allocation per connection; the compressor
/// itself is in the [`Codec`].
struct Deflate {
    deflater: Deflater,
    no_context_takeover: bool,
    threshold: usize,
}

impl Sender {
    /// The sending half of the side `role`; `deflate` are the agreed parameters of its compression.
    #[must_use]
    pub fn new(role: Role, deflate: Option<DeflateParams>) -> Self {
        let deflate = deflate.map(|params| Deflate {
            no_context_takeover: params.no_context_takeover,
            threshold: params.threshold,
            deflater: Deflater::new(params),
        });
        Self { role, in_message: false, compressing: false, deflate }
    }

    /// Whether our frames need a mask: "a client MUST mask all frames that it sends to the server"
    /// (RFC 6455 section 5.1).
    #[must_use]
    pub fn is_masking(&self) -> bool {
        self.role == Role::Client
    }

    /// Whether a fragmented message is under way.
    #[must_use]
    pub const fn is_in_message(&self) -> bool {
        self.in_message
    }

    /// What the next data frame's header says; `len` are the bytes of its payload before
    /// compression.
    #[inline]
    pub fn begin(&mut self, len: usize, options: &SendOptions) -> DataFrame {
        let first = !self.in_message;
        if first {
            self.compressing = options.compress && self.is_worth_compressing(len);
        }
        self.in_message = !options.fin;
        let opcode = match (first, options.binary) {
            // "a fragmented message consists of a single frame with the FIN bit clear and an opcode
            // other than 0, followed by … frames with … the opcode set to 0" (RFC 6455 section 5.4)
            (false, _) => Opcode::Continuation,
            (true, true) => Opcode::Binary,
            (true, false) => Opcode::Text,
        };
        DataFrame {
            fin: options.fin,
            rsv1: first && self.compressing,
            opcode,
            compress: self.compressing,
        }
    }

    /// ws compares the length of the first fragment with the threshold, and only where our context
    /// is not taken over: where it is, short messages gain most from it.
    #[inline]
    fn is_worth_compressing(&self, len: usize) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| {
            deflate.deflater.can_compress()
                && (!deflate.no_context_takeover || len >= deflate.threshold)
        })
    }

    /// Appends the compressed payload of `frame`, which [`Sender::begin`] gave, to `out`.
    ///
    /// Frames must come here in the order they were begun in. One that is not to be compressed is
    /// appended as it is.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfMemory`] where there is none for a compressor.
    pub fn compress(
        &mut self,
        codec: &mut Codec,
        frame: &DataFrame,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        match &mut self.deflate {
            Some(deflate) if frame.compress => {
                deflate.deflater.deflate(codec, data, frame.fin, out)
            }
            _ => {
                out.extend_from_slice(data);
                Ok(())
            }
        }
    }

    /// The compressor whose parameters decide how a whole message of `len` bytes is compressed when
    /// others get it too; `None`: it goes out as it is. The threshold counts here whatever was agreed:
    /// such a message refers to no history.
    #[must_use]
    pub fn shares(&self, len: usize) -> Option<&Deflater> {
        let deflate = self.deflate.as_ref()?;
        (deflate.deflater.can_compress() && len >= deflate.threshold).then_some(&deflate.deflater)
    }

    /// The whole message `data` was sent in the form that [`Deflater::apart`] of [`Sender::shares`]
    /// gave it.
    pub fn skip(&mut self, codec: &mut Codec, data: &[u8]) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.skip(codec, data);
        }
    }

    /// Takes the compressor away, for a payload of a frame that is compressed elsewhere, with another
    /// codec: no frame that is to be compressed can be until [`Sender::give_deflater`].
    pub fn take_deflater(&mut self, codec: &mut Codec) -> Option<Deflater> {
        let deflate = self.deflate.as_mut()?;
        deflate.deflater.detach(codec);
        let stand_in = deflate.deflater.apart();
        Some(std::mem::replace(&mut deflate.deflater, stand_in))
    }

    /// Undoes [`Sender::take_deflater`].
    pub fn give_deflater(&mut self, mut deflater: Deflater, codec: &mut Codec) {
        if let Some(deflate) = &mut self.deflate {
            deflater.attach(codec);
            deflate.deflater = deflater;
        }
    }

    /// Takes the compressor out of `codec`, so that [`Sender::compress`] may be called with the codec of
    /// another thread, until [`Sender::attach`].
    pub fn detach(&mut self, codec: &mut Codec) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.detach(codec);
        }
    }

    /// Gives a detached compressor back to `codec`.
    pub fn attach(&mut self, codec: &mut Codec) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.attach(codec);
        }
    }

    /// Gives back what the connection holds of the codec: it sends no more.
    pub fn release(&mut self, codec: &mut Codec) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.release(codec);
        }
    }
}
