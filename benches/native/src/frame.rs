//! Frame headers (RFC 6455 section 5.2) and masking (section 5.3), with no validation at all.

/// The longest header: 2 bytes, an 8-byte length, a 4-byte mask.
pub const MAX_HEADER: usize = 14;
/// FIN, the first bit of the first byte.
pub const FIN: u8 = 0x80;
/// RSV1: with permessage-deflate, "this message is compressed" (RFC 7692 section 6).
pub const RSV1: u8 = 0x40;
/// Opcode of a continuation frame.
pub const CONTINUATION: u8 = 0x0;
/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping frame.
pub const PING: u8 = 0x9;
/// Opcode of a pong frame.
pub const PONG: u8 = 0xA;

/// A frame header of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// FIN, RSV1 to RSV3 and the opcode, as received.
    pub first: u8,
    /// The masking key; frames from a server have none.
    pub mask: Option<[u8; 4]>,
    /// The length of the header itself, 2 to 14 bytes.
    pub len: usize,
    /// The length of the payload that follows.
    pub payload: usize,
}

impl Header {
    /// The opcode, without FIN and the reserved bits.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    /// Reads a header from the start of `bytes`; `None` while it is incomplete.
    #[inline]
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let masked = second & 0x80 != 0;
        let (payload, at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(array(bytes, 2)?)), 4),
            127 => (u64::from_be_bytes(array(bytes, 2)?), 10),
            short => (u64::from(short), 2),
        };
        let payload = usize::try_from(payload).ok()?;
        if !masked {
            return Some(Self { first, mask: None, len: at, payload });
        }
        Some(Self { first, mask: Some(array(bytes, at)?), len: at + 4, payload })
    }
}

/// `N` bytes of `bytes` from `at` on.
#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The length of the header of an unmasked frame with `payload` bytes.
#[inline]
#[must_use]
pub fn server_header_len(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Writes the header of a frame at the start of `out`; `mask_bit` is 0x80 or 0. Returns its length without the
/// masking key, which the caller must add.
#[inline]
pub fn write_header(out: &mut [u8], first: u8, payload: usize, mask_bit: u8) -> usize {
    let len = server_header_len(payload);
    out[0] = first;
    match len {
        2 => out[1] = mask_bit | payload as u8,
        4 => {
            out[1] = mask_bit | 126;
            out[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            out[1] = mask_bit | 127;
            out[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
        }
    }
    len
}

/// Makes a whole masked frame, as a client sends it.
#[must_use]
pub fn client_frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0; MAX_HEADER + payload.len()];
    let len = write_header(&mut frame, first, payload.len(), 0x80);
    frame[len..len + 4].copy_from_slice(&mask);
    mask_into(&mut frame[len + 4..len + 4 + payload.len()], payload, mask);
    frame.truncate(len + 4 + payload.len());
    frame
}

/// The masking key repeated to eight bytes.
#[inline]
fn wide(mask: [u8; 4]) -> u64 {
    let word = u64::from(u32::from_ne_bytes(mask));
    word << 32 | word
}

/// Writes `src`, masked (or unmasked) with `mask`, to `dst`, which must be as long.
#[inline]
pub fn mask_into(dst: &mut [u8], src: &[u8], mask: [u8; 4]) {
    let word = wide(mask);
    let (dst_words, dst_rest) = dst.as_chunks_mut::<8>();
    let (src_words, src_rest) = src.as_chunks::<8>();
    for (d, s) in dst_words.iter_mut().zip(src_words) {
        *d = (u64::from_ne_bytes(*s) ^ word).to_ne_bytes();
    }
    for (i, (d, s)) in dst_rest.iter_mut().zip(src_rest).enumerate() {
        *d = s ^ mask[i & 3];
    }
}

/// Masks (or unmasks) `bytes` in place.
#[inline]
pub fn mask_in_place(bytes: &mut [u8], mask: [u8; 4]) {
    let word = wide(mask);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for w in words {
        *w = (u64::from_ne_bytes(*w) ^ word).to_ne_bytes();
    }
    for (i, b) in rest.iter_mut().enumerate() {
        *b ^= mask[i & 3];
    }
}
