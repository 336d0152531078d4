//! The payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use super::error::ProtocolError;
use super::frame::MAX_CONTROL_PAYLOAD;
use crate::simd::utf8;

/// "1005 is a reserved value": the close frame had no status code. It is never on the wire.
pub const NO_STATUS: u16 = 1005;
/// "1006 is a reserved value": the connection ended without a close frame. It is never on the wire.
pub const ABNORMAL: u16 = 1006;
/// Bytes of UTF-8 that fit after the status code.
pub const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Whether `code` may stand in a close frame: 1000 to 1014 without 1004, 1005 and 1006
/// (RFC 6455 section 7.4.1 and the registry it founded), and 3000 to 4999 (section 7.4.2).
#[must_use]
pub const fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A status code or a reason that cannot be sent: misuse by our caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseError {
    /// The status code must not be on the wire.
    InvalidCode(u16),
    /// The reason has this many bytes, more than [`MAX_REASON`].
    ReasonTooLong(usize),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidCode(code) => write!(f, "invalid close code {code}"),
            Self::ReasonTooLong(length) => {
                write!(f, "a close reason takes at most {MAX_REASON} bytes, not {length}")
            }
        }
    }
}

impl std::error::Error for CloseError {}

/// The parsed payload of a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosePayload<'payload> {
    /// The status code; [`NO_STATUS`] for an empty payload.
    pub code: u16,
    /// The reason: UTF-8, unless its validation was skipped.
    pub reason: &'payload [u8],
}

impl<'payload> ClosePayload<'payload> {
    /// Reads the (unmasked) payload of a close frame.
    ///
    /// # Errors
    /// [`ProtocolError`]: a payload of one byte, a code that must not be on the wire, a reason that
    /// is not UTF-8 (unless `skip_utf8_validation`).
    pub fn parse(
        payload: &'payload [u8],
        skip_utf8_validation: bool,
    ) -> Result<Self, ProtocolError> {
        // "If this Close control frame contains no status code, _The WebSocket Connection Close
        // Code_ is considered to be 1005" (section 7.1.5).
        if payload.is_empty() {
            return Ok(Self { code: NO_STATUS, reason: &[] });
        }
        // "the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte
        // order)" (section 5.5.1).
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Err(ProtocolError::InvalidControlPayloadLength { length: 1 });
        };
        let code = u16::from_be_bytes(*code);
        if !is_valid_close_code(code) {
            return Err(ProtocolError::InvalidCloseCode { code });
        }
        // "the body MAY contain UTF-8-encoded data" (section 5.5.1).
        if !skip_utf8_validation && !utf8::is_utf8(reason) {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(Self { code, reason })
    }

    /// Writes the payload of a close frame: nothing for [`NO_STATUS`] without a reason.
    ///
    /// # Errors
    /// [`CloseError`] if it cannot be sent.
    pub fn write(&self) -> Result<CloseBytes, CloseError> {
        let mut out = CloseBytes { bytes: [0; MAX_CONTROL_PAYLOAD], len: 0 };
        if self.code == NO_STATUS && self.reason.is_empty() {
            return Ok(out);
        }
        if !is_valid_close_code(self.code) {
            return Err(CloseError::InvalidCode(self.code));
        }
        let end = 2 + self.reason.len();
        if end > MAX_CONTROL_PAYLOAD {
            return Err(CloseError::ReasonTooLong(self.reason.len()));
        }
        out.bytes[..2].copy_from_slice(&self.code.to_be_bytes());
        out.bytes[2..end].copy_from_slice(self.reason);
        // At most 125.
        out.len = end as u8;
        Ok(out)
    }
}

/// The payload of a close frame as it goes over the wire, without a heap allocation.
#[derive(Debug, Clone, Copy)]
pub struct CloseBytes {
    bytes: [u8; MAX_CONTROL_PAYLOAD],
    len: u8,
}

impl AsRef<[u8]> for CloseBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
