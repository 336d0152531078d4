//! The frame header (RFC 6455 section 5.2).
//!
//! Every rule is checked as soon as the byte that breaks it has arrived, in the order of the bytes. So a fault does
//! not depend on how the input was cut.

use super::error::ProtocolError;
use crate::simd::mask;

/// Which side of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We sent the request: our frames are masked, the peer's are not.
    Client,
    /// We answered it: the peer's frames are masked, ours are not.
    Server,
}

/// What a frame carries (RFC 6455 section 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// A message of UTF-8 text, or its first fragment.
    Text = 0x1,
    /// A message of bytes, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// Asks the peer for a pong.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xa,
}

impl Opcode {
    /// The opcode in the low four bits of `byte`; `None` for the reserved ones.
    #[inline]
    #[must_use]
    pub const fn from_bits(byte: u8) -> Option<Self> {
        match byte & OPCODE {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// "Control frames are identified by opcodes where the most significant bit of the opcode
    /// is 1" (RFC 6455 section 5.5).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// In the length field, this means that the length follows in two bytes.
const LENGTH_16: u8 = 126;
/// In the length field, this means that the length follows in eight bytes.
const LENGTH_64: u8 = 127;

/// The longest header: two bytes, eight of length, four of mask.
pub const MAX_HEADER: usize = 14;
/// "All control frames MUST have a payload length of 125 bytes or less" (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// A parsed frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last frame of its message.
    pub fin: bool,
    /// The message is compressed (RFC 7692 section 6); on its first frame only.
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, which only a client's frames have.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload. A received header has at most 2^53 - 1.
    pub length: u64,
}

/// The state, besides the bytes, that decides whether a header is allowed.
#[derive(Debug, Clone, Copy)]
pub struct HeaderRules {
    /// Which side we are: "a client MUST mask all frames that it sends to the server … A server
    /// MUST NOT mask any frames that it sends to the client" (RFC 6455 section 5.1).
    pub role: Role,
    /// Whether permessage-deflate is agreed, which gives RSV1 a meaning.
    pub compression: bool,
    /// Whether a fragmented message is incomplete, so that the next data frame must be a continuation.
    pub in_message: bool,
}

impl FrameHeader {
    /// Reads a header from the front of `bytes`. Returns it and its length in bytes, or `None` if more bytes are
    /// needed.
    ///
    /// # Errors
    /// The [`ProtocolError`] of the first byte that breaks a rule.
    #[inline]
    pub fn parse(bytes: &[u8], rules: HeaderRules) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = check_first(first, rules)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        check_second(second, opcode, rules)?;
        let Some((length, at)) = parse_length(bytes, second & LENGTH)? else {
            return Ok(None);
        };
        let (mask, size) = if second & MASK == 0 {
            (None, at)
        } else {
            let Some(mask) = bytes[at..].first_chunk::<4>() else {
                return Ok(None);
            };
            (Some(*mask), at + 4)
        };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        Ok(Some((Self { fin, rsv1, opcode, mask, length }, size)))
    }
}

/// FIN, the reserved bits and the opcode.
#[inline]
fn check_first(first: u8, rules: HeaderRules) -> Result<Opcode, ProtocolError> {
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
    // (section 5.2); permessage-deflate defines RSV1 alone.
    if first & RSV2_RSV3 != 0 {
        return Err(ProtocolError::UnexpectedRsv2Or3);
    }
    let rsv1 = first & RSV1 != 0;
    if rsv1 && !rules.compression {
        return Err(ProtocolError::UnexpectedRsv1);
    }
    let invalid = ProtocolError::InvalidOpcode { opcode: first & OPCODE };
    // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    // Connection_" (section 5.2).
    let opcode = Opcode::from_bits(first).ok_or(invalid)?;
    match opcode {
        // "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and
        // non-first fragments of a data message" (RFC 7692 section 6.1).
        Opcode::Continuation if rsv1 => Err(ProtocolError::UnexpectedRsv1),
        // A fragmented message is one frame with an opcode, then continuations (section 5.4); "the
        // fragments of one message MUST NOT be interleaved between the fragments of another".
        Opcode::Continuation if !rules.in_message => Err(invalid),
        Opcode::Text | Opcode::Binary if rules.in_message => Err(invalid),
        Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(opcode),
        // "All control frames … MUST NOT be fragmented" (section 5.5).
        Opcode::Close | Opcode::Ping | Opcode::Pong if first & FIN == 0 => {
            Err(ProtocolError::ExpectedFin)
        }
        Opcode::Close | Opcode::Ping | Opcode::Pong if rsv1 => Err(ProtocolError::UnexpectedRsv1),
        Opcode::Close | Opcode::Ping | Opcode::Pong => Ok(opcode),
    }
}

/// The mask bit, and the length of a control frame.
#[inline]
fn check_second(second: u8, opcode: Opcode, rules: HeaderRules) -> Result<(), ProtocolError> {
    let length = second & LENGTH;
    if opcode.is_control() {
        // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
        // (section 5.5.1).
        let half_a_code = opcode == Opcode::Close && length == 1;
        if usize::from(length) > MAX_CONTROL_PAYLOAD || half_a_code {
            return Err(ProtocolError::InvalidControlPayloadLength { length });
        }
    }
    match (rules.role, second & MASK != 0) {
        // "The server MUST close the connection upon receiving a frame that is not masked"
        // (section 5.1).
        (Role::Server, false) => Err(ProtocolError::ExpectedMask),
        // "A client MUST close a connection if it detects a masked frame" (section 5.1).
        (Role::Client, true) => Err(ProtocolError::UnexpectedMask),
        _ => Ok(()),
    }
}

/// Reads the payload length. Returns it and where in `bytes` it ends. `field` is the seven-bit length field.
///
/// As in ws, a length in more bytes than it needs is accepted.
#[inline]
fn parse_length(bytes: &[u8], field: u8) -> Result<Option<(u64, usize)>, ProtocolError> {
    match field {
        LENGTH_16 => {
            let Some(&[high, low]) = bytes[2..].first_chunk::<2>() else {
                return Ok(None);
            };
            Ok(Some((u64::from(u16::from_be_bytes([high, low])), 4)))
        }
        LENGTH_64 => {
            // A length above 2^53 - 1 has one of the eleven highest bits set. That includes "the most significant
            // bit MUST be 0" (section 5.2).
            if bytes.get(2).is_some_and(|&byte| byte != 0)
                || bytes.get(3).is_some_and(|&byte| byte > 0x1f)
            {
                return Err(ProtocolError::UnsupportedDataPayloadLength);
            }
            let Some(length) = bytes[2..].first_chunk::<8>() else {
                return Ok(None);
            };
            Ok(Some((u64::from_be_bytes(*length), 10)))
        }
        _ => Ok(Some((u64::from(field), 2))),
    }
}

/// A header as it goes over the wire, without a heap allocation.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl AsRef<[u8]> for HeaderBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::ops::Deref for HeaderBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

/// The header as it goes over the wire.
#[inline]
#[must_use]
pub fn write_header(header: &FrameHeader) -> HeaderBytes {
    let mut out = HeaderBytes { bytes: [0; MAX_HEADER], len: 0 };
    let fin = if header.fin { FIN } else { 0 };
    let rsv1 = if header.rsv1 { RSV1 } else { 0 };
    let masked = if header.mask.is_some() { MASK } else { 0 };
    out.bytes[0] = fin | rsv1 | header.opcode as u8;
    // "the minimal number of bytes MUST be used to encode the length" (RFC 6455 section 5.2)
    match header.length {
        0..=125 => {
            out.bytes[1] = masked | header.length as u8;
            out.len = 2;
        }
        126..=0xffff => {
            out.bytes[1] = masked | LENGTH_16;
            out.bytes[2..4].copy_from_slice(&(header.length as u16).to_be_bytes());
            out.len = 4;
        }
        _ => {
            out.bytes[1] = masked | LENGTH_64;
            out.bytes[2..10].copy_from_slice(&header.length.to_be_bytes());
            out.len = 10;
        }
    }
    if let Some(mask) = header.mask {
        let at = usize::from(out.len);
        out.bytes[at..at + 4].copy_from_slice(&mask);
        out.len += 4;
    }
    out
}

/// Appends a frame to `out`: the header, and `payload`, masked if the header has a mask.
///
/// The length on the wire is that of `payload`, whatever `header.length` says.
pub fn append_frame(out: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) {
    let header = FrameHeader { length: payload.len() as u64, ..*header };
    let head = write_header(&header);
    out.reserve(head.len() + payload.len());
    out.extend_from_slice(&head);
    match header.mask {
        Some(key) => mask::extend_masked(out, payload, key, 0),
        None => out.extend_from_slice(payload),
    }
}

/// The start of a header, kept until the rest of it arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl PartialHeader {
    pub(super) const EMPTY: Self = Self { bytes: [0; MAX_HEADER], len: 0 };

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads a header that begins with the kept bytes and continues in `bytes`. Returns it and how many of `bytes` it
    /// took, or `None` if more are needed; then all of `bytes` are kept.
    pub(super) fn parse(
        &mut self,
        bytes: &[u8],
        rules: HeaderRules,
    ) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
        let had = usize::from(self.len);
        let taken = bytes.len().min(MAX_HEADER - had);
        self.bytes[had..had + taken].copy_from_slice(&bytes[..taken]);
        // At most fourteen.
        self.len = (had + taken) as u8;
        let Some((header, size)) = FrameHeader::parse(&self.bytes[..had + taken], rules)? else {
            return Ok(None);
        };
        self.len = 0;
        // The kept bytes were no whole header, so the header ends within `bytes`.
        Ok(Some((header, size.saturating_sub(had))))
    }
}
