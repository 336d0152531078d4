//! Unmasking and UTF-8: compares the fast paths with the plain definition and the standard library.
//!
//! Input: the mask (4), the phase, the offset from an aligned address, a byte that decides the cuts,
//! then the bytes.

use std::mem::MaybeUninit;

use _core::simd::mask::{extend_masked, mask_copy, mask_in_place_is_ascii, mask_plain};
use _core::simd::unmask_validate;
use _core::simd::utf8::{Utf8, is_ascii, is_utf8};

use super::{Bytes, pieces};

fn check_masks(bytes: &[u8], mask: [u8; 4], phase: usize) -> Vec<u8> {
    let mut plain = bytes.to_vec();
    mask_plain(&mut plain, mask, phase);

    let mut fast = bytes.to_vec();
    let ascii = mask_in_place_is_ascii(&mut fast, mask, phase);
    assert_eq!(fast, plain, "in place");
    assert_eq!(ascii, plain.is_ascii(), "whether it is ASCII");
    assert_eq!(is_ascii(&plain), ascii);

    let mut room = vec![MaybeUninit::new(0xEE); bytes.len()];
    assert_eq!(mask_copy(&mut room, bytes, mask, phase), plain, "copied");
    let mut appended = vec![7];
    extend_masked(&mut appended, bytes, mask, phase);
    assert_eq!(appended[1..], plain, "appended");
    plain
}

/// Checks piece by piece if `text` is valid; a fault must show no later than the standard library can see it.
fn check_pieces(text: &[u8], cut: u8, mask: [u8; 4], phase: usize) -> bool {
    let (mut utf8, mut masked_utf8) = (Utf8::new(), Utf8::new());
    let mut end = 0;
    for piece in pieces(text, cut) {
        let mut masked = piece.to_vec();
        mask_plain(&mut masked, mask, phase + end);
        let fed = utf8.feed(piece);
        assert_eq!(unmask_validate(&mut masked, mask, phase + end, &mut masked_utf8), fed);
        end += piece.len();
        let so_far = std::str::from_utf8(&text[..end]);
        let hopeless = so_far.is_err_and(|error| error.error_len().is_some());
        assert_eq!(fed.is_err(), hopeless, "after {end} bytes");
        if hopeless {
            return false;
        }
        assert_eq!(masked, piece, "unmasked");
    }
    let done = utf8.finish();
    assert_eq!(masked_utf8.finish(), done);
    done.is_ok()
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let mask = [input.byte(), input.byte(), input.byte(), input.byte()];
    let phase = usize::from(input.byte());
    let (offset, cut) = (usize::from(input.byte()) % 64, input.byte());
    let bytes = input.0.get(offset..).unwrap_or(input.0);
    let plain = check_masks(bytes, mask, phase);
    for text in [&plain, bytes] {
        let valid = std::str::from_utf8(text).is_ok();
        assert_eq!(is_utf8(text), valid, "at once");
        assert_eq!(check_pieces(text, cut, mask, phase), valid, "in pieces");
    }
}
