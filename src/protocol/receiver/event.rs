//! What a receiver tells.

/// The data of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a, B> {
    /// A short message, or an empty one: borrowed until the next call.
    Slice(&'a [u8]),
    /// A longer one, in storage of its own.
    Buffer(B),
    /// The frames of a binary message that are not empty, each in storage of its own
    /// ([`set_fragments`](super::Receiver::set_fragments)).
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
