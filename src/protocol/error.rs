//! The faults of a peer.
//!
//! Two rules are kept here:
//! - each fault is one variant, which owns everything about it: its `WS_ERR_…` name, its close code (RFC 6455 section
//!   7.4.1) and its message;
//! - neither misuse by our own caller nor an orderly close is a `ProtocolError`.

use std::fmt;

/// What a peer did that RFC 6455, RFC 7692 or a limit of ours forbids.
///
/// The names of the variants are those of the `WS_ERR_…` codes of ws, which [`ProtocolError::code`]
/// gives; the messages are the ones ws shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// A control frame without FIN (RFC 6455 section 5.5: control frames must not be fragmented).
    ExpectedFin,
    /// A client's frame without a mask (RFC 6455 section 5.1).
    ExpectedMask,
    /// A close frame with a status code that must not be on the wire (RFC 6455 section 7.4).
    InvalidCloseCode {
        /// The status code received.
        code: u16,
    },
    /// A control frame longer than 125 bytes (RFC 6455 section 5.5), or a close frame of one byte
    /// (section 5.5.1).
    InvalidControlPayloadLength {
        /// The seven-bit length field received: 126 and 127 stand for the longer forms.
        length: u8,
    },
    /// A reserved opcode, or one that is not allowed here: a continuation of nothing, or a text or binary frame within
    /// a fragmented message (RFC 6455 sections 5.2 and 5.4).
    InvalidOpcode {
        /// The opcode received, 0 to 15.
        opcode: u8,
    },
    /// Text, or the reason in a close frame, that is not UTF-8 (RFC 6455 section 8.1).
    InvalidUtf8,
    /// A server's frame with a mask (RFC 6455 section 5.1).
    UnexpectedMask,
    /// RSV1 without permessage-deflate, or on a frame that does not begin a message
    /// (RFC 6455 section 5.2, RFC 7692 section 6.1).
    UnexpectedRsv1,
    /// RSV2 or RSV3: we never agree to an extension that defines them (RFC 6455 section 5.2).
    UnexpectedRsv2Or3,
    /// A frame length above 2^53 - 1 bytes, the most significant bit included
    /// (RFC 6455 section 5.2).
    UnsupportedDataPayloadLength,
    /// A message longer than `max_payload`, as received or as inflated.
    UnsupportedMessageLength,
    /// A message of more frames than `max_fragments`.
    TooManyFragments,
    /// A message held in more separate pieces than `max_buffered_chunks`.
    TooManyBufferedChunks,
    /// Compressed data that is no DEFLATE stream (RFC 7692 section 7.2.2).
    InvalidDeflate {
        /// What the decompressor found wrong with it.
        reason: &'static str,
    },
    /// There is no memory for what the peer sent, although no limit forbids it.
    OutOfMemory,
}

impl ProtocolError {
    /// One error of each kind, for tables and tests. The values in them are examples.
    pub const ALL: [Self; 15] = [
        Self::ExpectedFin,
        Self::ExpectedMask,
        Self::InvalidCloseCode { code: 1005 },
        Self::InvalidControlPayloadLength { length: 126 },
        Self::InvalidOpcode { opcode: 5 },
        Self::InvalidUtf8,
        Self::UnexpectedMask,
        Self::UnexpectedRsv1,
        Self::UnexpectedRsv2Or3,
        Self::UnsupportedDataPayloadLength,
        Self::UnsupportedMessageLength,
        Self::TooManyFragments,
        Self::TooManyBufferedChunks,
        Self::InvalidDeflate { reason: "invalid block type" },
        Self::OutOfMemory,
    ];

    /// The `WS_ERR_…` name that ws documents (zlib's and Node's own names for the last two kinds).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExpectedFin => "WS_ERR_EXPECTED_FIN",
            Self::ExpectedMask => "WS_ERR_EXPECTED_MASK",
            Self::InvalidCloseCode { .. } => "WS_ERR_INVALID_CLOSE_CODE",
            Self::InvalidControlPayloadLength { .. } => "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
            Self::InvalidOpcode { .. } => "WS_ERR_INVALID_OPCODE",
            Self::InvalidUtf8 => "WS_ERR_INVALID_UTF8",
            Self::UnexpectedMask => "WS_ERR_UNEXPECTED_MASK",
            Self::UnexpectedRsv1 => "WS_ERR_UNEXPECTED_RSV_1",
            Self::UnexpectedRsv2Or3 => "WS_ERR_UNEXPECTED_RSV_2_3",
            Self::UnsupportedDataPayloadLength => "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
            Self::UnsupportedMessageLength => "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
            Self::TooManyFragments | Self::TooManyBufferedChunks => {
                "WS_ERR_TOO_MANY_BUFFERED_PARTS"
            }
            Self::InvalidDeflate { .. } => "Z_DATA_ERROR",
            Self::OutOfMemory => "ERR_OUT_OF_MEMORY",
        }
    }

    /// The status code to close the connection with (RFC 6455 section 7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        match self {
            // "1002 indicates that an endpoint is terminating the connection due to a protocol
            // error."
            Self::ExpectedFin
            | Self::ExpectedMask
            | Self::InvalidCloseCode { .. }
            | Self::InvalidControlPayloadLength { .. }
            | Self::InvalidOpcode { .. }
            | Self::UnexpectedMask
            | Self::UnexpectedRsv1
            | Self::UnexpectedRsv2Or3 => 1002,
            // "1007 … data within a message that was not consistent with the type of the message".
            Self::InvalidUtf8 | Self::InvalidDeflate { .. } => 1007,
            // "1008 … a message that violates its policy".
            Self::TooManyFragments | Self::TooManyBufferedChunks => 1008,
            // "1009 … a message that is too big for it to process".
            Self::UnsupportedDataPayloadLength | Self::UnsupportedMessageLength => 1009,
            // "1011 … it encountered an unexpected condition".
            Self::OutOfMemory => 1011,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpectedFin => f.write_str("Invalid WebSocket frame: FIN must be set"),
            Self::ExpectedMask => f.write_str("Invalid WebSocket frame: MASK must be set"),
            Self::InvalidCloseCode { code } => {
                write!(f, "Invalid WebSocket frame: invalid status code {code}")
            }
            Self::InvalidControlPayloadLength { length } => {
                write!(f, "Invalid WebSocket frame: invalid payload length {length}")
            }
            Self::InvalidOpcode { opcode } => {
                write!(f, "Invalid WebSocket frame: invalid opcode {opcode}")
            }
            Self::InvalidUtf8 => f.write_str("Invalid WebSocket frame: invalid UTF-8 sequence"),
            Self::UnexpectedMask => f.write_str("Invalid WebSocket frame: MASK must be clear"),
            Self::UnexpectedRsv1 => f.write_str("Invalid WebSocket frame: RSV1 must be clear"),
            Self::UnexpectedRsv2Or3 => {
                f.write_str("Invalid WebSocket frame: RSV2 and RSV3 must be clear")
            }
            Self::UnsupportedDataPayloadLength => {
                f.write_str("Unsupported WebSocket frame: payload length > 2^53 - 1")
            }
            Self::UnsupportedMessageLength => f.write_str("Max payload size exceeded"),
            Self::TooManyFragments => f.write_str("Too many message fragments"),
            Self::TooManyBufferedChunks => f.write_str("Too many buffered chunks"),
            Self::InvalidDeflate { reason } => f.write_str(reason),
            Self::OutOfMemory => f.write_str("Out of memory"),
        }
    }
}

impl std::error::Error for ProtocolError {}
