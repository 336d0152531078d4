//! The events of a receiver.

/// The data of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a, B> {
    /// A short or empty message, borrowed until the next call.
    Slice(&'a [u8]),
    /// A longer one, in storage of its own.
    Buffer(B),
    /// The frames of a binary message that are not empty, each in storage of its own
    /// ([`set_fragments`](super::Receiver::set_fragments)).
    Fragments(Vec<B>),
}

/// Something that the peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a, B> {
    /// A whole message, unmasked and inflated. It is valid UTF-8, unless it is binary or validation is skipped.
    Message {
        /// Whether it is bytes, not text.
        binary: bool,
        /// The data.
        data: Data<'a, B>,
    },
    /// A ping with 0 to 125 bytes, which the pong must repeat.
    Ping(&'a [u8]),
    /// A pong with 0 to 125 bytes.
    Pong(&'a [u8]),
    /// A close frame, the last event.
    Close {
        /// The status code; 1005 if the frame has none.
        code: u16,
        /// The reason, 0 to 123 bytes.
        reason: &'a [u8],
    },
}
