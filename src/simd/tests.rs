//! The fast paths are compared with the plain ones, and with the standard library.

use super::mask::{self, paths};
use super::prefetch::prefetch;
use super::unmask_validate;
use super::utf8::{Utf8, is_ascii, is_utf8};
use proptest::prelude::*;

/// Lengths around every stride of the fast paths.
const LENGTHS: [usize; 18] =
    [0, 1, 3, 4, 7, 8, 9, 31, 32, 127, 128, 129, 511, 512, 513, 640, 4099, 70_001];

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

fn masked_plainly(bytes: &[u8], mask: [u8; 4], phase: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    mask::mask_plain(&mut out, mask, phase);
    out
}

type Path = fn(&mut [u8], [u8; 4], usize) -> bool;

fn check_every_path(bytes: &[u8], mask: [u8; 4], phase: usize) {
    let expected = masked_plainly(bytes, mask, phase);
    let paths: [(&str, Path); 4] = [
        ("chosen", mask::mask_in_place_is_ascii),
        ("short", paths::short_path),
        ("portable", paths::portable_path),
        ("long", paths::long_path),
    ];
    for (name, path) in paths {
        let mut got = bytes.to_vec();
        let ascii = path(&mut got, mask, phase);
        assert_eq!(got, expected, "{name}, {} bytes, phase {phase}", bytes.len());
        assert_eq!(ascii, expected.is_ascii(), "{name}, {} bytes", bytes.len());
    }
    let mut appended = b"before".to_vec();
    mask::extend_masked(&mut appended, bytes, mask, phase);
    assert_eq!(appended, [b"before", expected.as_slice()].concat());
}

#[test]
fn the_plain_definition_agrees_with_the_rfc() {
    // RFC 6455 section 5.7: the masked "Hello".
    let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    mask::mask_plain(&mut hello, [0x37, 0xfa, 0x21, 0x3d], 0);
    assert_eq!(&hello, b"Hello");
}

#[test]
fn every_path_masks_every_length_and_phase_alike() {
    let bytes = noise(70_008);
    for len in LENGTHS {
        for offset in 0..8 {
            for phase in [0, 1, 2, 3, 4, 1_000_001] {
                check_every_path(&bytes[offset..offset + len], [0x37, 0xfa, 0x21, 0x3d], phase);
            }
        }
    }
}

#[test]
fn one_byte_beyond_ascii_is_seen_wherever_it_stands() {
    for len in [1, 8, 9, 127, 128, 129, 600, 1000] {
        for at in 0..len {
            let mut text = vec![b'a'; len];
            text[at] = 0x80;
            check_every_path(&text, [0; 4], 0);
            assert!(!is_ascii(&text));
        }
    }
    assert!(is_ascii(b"") && is_ascii(&[0x7f; 999]));
}

#[test]
fn copying_stops_where_the_shorter_side_ends() {
    let mut small = [std::mem::MaybeUninit::new(0); 3];
    assert_eq!(mask::mask_copy(&mut small, b"abcdef", [1; 4], 0), [b'a' ^ 1, b'b' ^ 1, b'c' ^ 1]);
    let mut large = [std::mem::MaybeUninit::new(0); 9];
    assert_eq!(mask::mask_copy(&mut large, b"ab", [0; 4], 0), b"ab");
}

/// Feeds `bytes` in the pieces that `cuts` make; true if they are valid text.
fn streams(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> bool {
    let mut utf8 = Utf8::new();
    let mut start = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        let end = cut.clamp(start, bytes.len());
        if utf8.feed(&bytes[start..end]).is_err() {
            return false;
        }
        start = end;
    }
    utf8.finish().is_ok()
}

/// Valid and invalid texts around every boundary of RFC 3629 section 3.
const SEQUENCES: [(&[u8], bool); 25] = [
    (b"", true),
    (b"\x7f", true),
    (b"\x80", false),
    (b"\xbf", false),
    (b"\xc0\x80", false),
    (b"\xc1\xbf", false),
    (b"\xc2\x80", true),
    (b"\xdf\xbf", true),
    (b"\xe0\x9f\xbf", false),
    (b"\xe0\xa0\x80", true),
    (b"\xed\x9f\xbf", true),
    (b"\xed\xa0\x80", false),
    (b"\xed\xbf\xbf", false),
    (b"\xee\x80\x80", true),
    (b"\xef\xbf\xbf", true),
    (b"\xf0\x8f\xbf\xbf", false),
    (b"\xf0\x90\x80\x80", true),
    (b"\xf4\x8f\xbf\xbf", true),
    (b"\xf4\x90\x80\x80", false),
    (b"\xf5\x80\x80\x80", false),
    (b"\xff", false),
    (b"\xc2", false),
    (b"\xe2\x82", false),
    (b"\xf0\x9d\x84", false),
    (b"\xe2\x28\xa1", false),
];

#[test]
fn sequences_are_judged_alike_at_every_cut_and_place() {
    for (sequence, valid) in SEQUENCES {
        for before in [0, 1, 61, 62, 63, 64, 130] {
            let text = [&vec![b'x'; before], sequence, b"tail"].concat();
            let truncated = &text[..before + sequence.len()];
            assert_eq!(is_utf8(truncated), valid, "{sequence:x?}");
            assert_eq!(std::str::from_utf8(truncated).is_ok(), valid, "{sequence:x?}");
            for bytes in [truncated, &text] {
                let expected = std::str::from_utf8(bytes).is_ok();
                assert_eq!(streams(bytes, 0..bytes.len()), expected, "{sequence:x?}, by bytes");
                for cut in 0..=bytes.len() {
                    assert_eq!(streams(bytes, [cut]), expected, "{sequence:x?} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn bytes_that_can_no_longer_become_text_fail_at_once() {
    for hopeless in [&b"\xc0"[..], b"\xe0\x80", b"\xed\xa0", b"\xf0\x80", b"\xf4\x90", b"\xf5"] {
        let mut utf8 = Utf8::new();
        let (last, first) = hopeless.split_last().expect("not empty");
        for byte in first {
            assert!(utf8.feed(&[*byte]).is_ok(), "{hopeless:x?} is not hopeless yet");
        }
        assert!(utf8.feed(&[*last]).is_err(), "{hopeless:x?}");
    }
}

#[test]
fn a_validator_can_be_used_again() {
    let mut utf8 = Utf8::new();
    assert!(utf8.feed(b"\xe2\x82").is_ok() && !utf8.is_at_boundary());
    assert!(utf8.finish().is_err() && utf8.is_at_boundary());
    assert!(utf8.feed(b"\xff").is_err());
    utf8.reset();
    assert!(utf8.feed("ä".as_bytes()).is_ok() && utf8.finish().is_ok());
}

#[test]
fn long_text_is_unmasked_and_validated_in_one_go() {
    // Characters lie across the ends of the blocks that are processed at a time.
    for text in ["a".repeat(100_000), format!("x{}", "é".repeat(30_000)), "𝄞€a".repeat(9_000)]
    {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut buf = masked_plainly(text.as_bytes(), mask, 3);
        let mut utf8 = Utf8::new();
        assert!(unmask_validate(&mut buf, mask, 3, &mut utf8).is_ok() && utf8.finish().is_ok());
        assert_eq!(buf, text.as_bytes());

        let mut bad = text.into_bytes();
        *bad.last_mut().expect("not empty") = 0xff;
        let mut masked = masked_plainly(&bad, mask, 0);
        assert!(unmask_validate(&mut masked, mask, 0, &mut Utf8::new()).is_err());
    }
}

#[test]
fn ascii_after_an_unfinished_character_is_not_text() {
    let mut utf8 = Utf8::new();
    assert!(unmask_validate(&mut [0xe2, 0x82], [0; 4], 0, &mut utf8).is_ok());
    assert!(unmask_validate(&mut [b'a'], [0; 4], 2, &mut utf8).is_err());
}

/// Mostly text, with characters of all lengths and, in places, bytes that are not UTF-8.
fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[ -~]{0,40}".prop_map(String::into_bytes),
        4 => "\\PC{0,8}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn fast_masks_agree_with_the_plain_one(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        mask in any::<[u8; 4]>(),
        phase in any::<usize>().prop_map(|phase| phase % (usize::MAX / 2)),
    ) {
        check_every_path(&bytes, mask, phase);
    }

    #[test]
    fn streaming_agrees_with_the_standard_library(
        bytes in nearly_text(),
        mut cuts in proptest::collection::vec(0_usize..400, 0..6),
    ) {
        cuts.sort_unstable();
        let expected = std::str::from_utf8(&bytes).is_ok();
        prop_assert_eq!(streams(&bytes, cuts), expected);
        prop_assert_eq!(streams(&bytes, 0..bytes.len()), expected);
        prop_assert_eq!(is_utf8(&bytes), expected);
    }

    #[test]
    fn masked_text_in_pieces_agrees_with_the_standard_library(
        bytes in nearly_text(),
        mask in any::<[u8; 4]>(),
        cut in 0_usize..400,
    ) {
        let expected = std::str::from_utf8(&bytes).is_ok();
        let mut masked = masked_plainly(&bytes, mask, 0);
        let cut = cut.min(masked.len());
        let (head, tail) = masked.split_at_mut(cut);
        let mut utf8 = Utf8::new();
        let valid = unmask_validate(head, mask, 0, &mut utf8).is_ok()
            && unmask_validate(tail, mask, cut, &mut utf8).is_ok()
            && utf8.finish().is_ok();
        prop_assert_eq!(valid, expected);
        if expected {
            prop_assert_eq!(masked, bytes);
        }
    }
}

#[test]
fn prefetch_takes_any_address_and_changes_nothing() {
    let bytes: Vec<u8> = (0..=255).collect();
    for (at, length) in [(0, 256), (1, 63), (63, 2), (255, 1), (256, 1 << 12), (7, 0)] {
        prefetch(bytes.as_ptr().wrapping_add(at), length);
    }
    for address in [0, 1, 4096, usize::MAX] {
        prefetch(std::ptr::without_provenance::<u8>(address), 200);
    }
    assert!(bytes.iter().copied().eq(0..=255));
}
