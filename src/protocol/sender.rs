//! The sending half of a connection: the headers of data frames and the compression of their payload, by the rules
//! of ws's `Sender.send`.

use super::deflate::{Codec, DeflateParams, Deflater};
use super::error::ProtocolError;
use super::frame::{FrameHeader, Opcode, Role};

/// How a message, or a fragment of one, is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendOptions {
    /// Bytes, not text. The first fragment decides for its message.
    pub binary: bool,
    /// Compress if permessage-deflate is agreed. The first fragment decides for its message.
    pub compress: bool,
    /// The last fragment of its message.
    pub fin: bool,
}

/// The header of a data frame, and whether its payload must go through [`Sender::compress`] first.
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
    /// A message is incomplete: the next frame continues it.
    in_message: bool,
    /// The incomplete message is compressed.
    compressing: bool,
    deflate: Option<Deflate>,
}

/// Our half of permessage-deflate. It is not boxed, which would cost an allocation per connection. The compressor
/// itself lives in the [`Codec`].
struct Deflate {
    deflater: Deflater,
    no_context_takeover: bool,
    threshold: usize,
}

impl Sender {
    /// The sending half of the side `role`. `deflate` has the agreed parameters of its compression.
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

    /// Begins the next data frame, and decides its header. `len` is the length of its payload before compression, in
    /// bytes.
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

    /// ws compares the length of the first fragment with the threshold, and only if our context is not taken over: if
    /// it is, short messages gain the most from it.
    #[inline]
    fn is_worth_compressing(&self, len: usize) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| {
            deflate.deflater.can_compress()
                && (!deflate.no_context_takeover || len >= deflate.threshold)
        })
    }

    /// Appends the compressed payload of `frame`, which [`Sender::begin`] gave, to `out`.
    ///
    /// Frames must come here in the order in which they were begun. The payload of a frame that is not to be compressed
    /// is appended as it is.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfMemory`] if `out` cannot grow.
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

    /// The compressor whose parameters decide how a whole message of `len` bytes is compressed if other connections get
    /// it too; `None` if it is sent uncompressed. The threshold counts here no matter what was agreed, because such a
    /// message refers to no history.
    #[must_use]
    pub fn shares(&self, len: usize) -> Option<&Deflater> {
        let deflate = self.deflate.as_ref()?;
        (deflate.deflater.can_compress() && len >= deflate.threshold).then_some(&deflate.deflater)
    }

    /// Notes that the whole message `data` was sent as compressed by the [`Deflater::apart`] of [`Sender::shares`].
    pub fn skip(&mut self, codec: &mut Codec, data: &[u8]) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.skip(codec, data);
        }
    }

    /// Takes the compressor away, so that the payload of a frame can be compressed elsewhere, with another codec. Until
    /// [`Sender::give_deflater`] nothing can be compressed here.
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

    /// Takes the compressor out of `codec`. Until [`Sender::attach`], [`Sender::compress`] may be called with the codec
    /// of another thread.
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

    /// Gives back what the connection holds of the codec, when it sends nothing more.
    pub fn release(&mut self, codec: &mut Codec) {
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater.release(codec);
        }
    }
}
