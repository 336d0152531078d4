//! An incomplete control frame. It is kept until the rest of it arrives, apart from the fragmented message within which
//! it may lie (RFC 6455 section 5.4).

use super::input::Input;
use crate::protocol::frame::{FrameHeader, MAX_CONTROL_PAYLOAD, Opcode};
use crate::simd::mask;

/// An incomplete control frame.
pub(super) struct Control {
    pub(super) opcode: Opcode,
    mask: Option<[u8; 4]>,
    length: u8,
    filled: u8,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

impl Control {
    /// A control frame with this header. `FrameHeader::parse` has checked that its payload has at most 125 bytes.
    pub(super) const fn new(header: &FrameHeader) -> Self {
        Self {
            opcode: header.opcode,
            mask: header.mask,
            length: header.length as u8,
            filled: 0,
            payload: [0; MAX_CONTROL_PAYLOAD],
        }
    }

    /// Takes as much of the payload as has arrived. Returns whether the payload is complete.
    pub(super) fn take(&mut self, input: &mut Input<'_>) -> bool {
        let (filled, length) = (usize::from(self.filled), usize::from(self.length));
        let place = input.take(length - filled);
        let piece = input.slice_mut(place);
        if let Some(key) = self.mask {
            mask::mask_in_place(piece, key, filled);
        }
        let end = filled + piece.len();
        self.payload[filled..end].copy_from_slice(piece);
        // At most `length`.
        self.filled = end as u8;
        end == length
    }

    /// Bytes of payload that have not arrived yet.
    pub(super) const fn missing(&self) -> u64 {
        (self.length - self.filled) as u64
    }

    /// The payload, unmasked.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.filled)]
    }
}
