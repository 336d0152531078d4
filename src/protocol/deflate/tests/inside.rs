//! The forms that a compressed message may have: tables of bytes, fed whole, byte by byte and at random cuts.

use super::*;

/// Feeds `payloads` as messages of one connection, and expects `expected`.
fn messages_are(payloads: &[&[u8]], expected: &[&[u8]]) {
    let mut random = Random(3);
    for round in 0..20 {
        let mut codec = codec(round % 3);
        let mut inflater = plain_inflater();
        for (payload, expected) in payloads.iter().zip(expected) {
            let cut = || match round {
                0 | 1 => 1,
                2..=5 => usize::MAX,
                _ => 1 + random.below(5),
            };
            let got = inflate_cut(&mut inflater, &mut codec, payload, cut).unwrap();
            assert_eq!(&got, expected, "{payload:02x?} in round {round}");
        }
        if round % 2 == 0 {
            for (payload, expected) in payloads.iter().zip(expected).take(1) {
                assert_eq!(&inflate(&mut plain_inflater(), &mut codec, payload), expected);
            }
        }
    }
}

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const TEXT: &[u8] = b"Hello";

/// RFC 7692 section 7.2.3.1: "A Message Compressed Using One Compressed DEFLATE Block".
#[test]
fn one_block() {
    messages_are(&[HELLO], &[b"Hello"]);
}

/// Section 7.2.3.2: "Sharing LZ77 Sliding Window".
#[test]
fn the_window_is_shared() {
    messages_are(&[HELLO, &[0xf2, 0x00, 0x11, 0x00, 0x00], HELLO], &[TEXT; 3]);
}

/// Section 7.2.3.3: "Using a DEFLATE Block with No Compression".
#[test]
fn a_stored_block() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    messages_are(&[&stored, HELLO], &[b"Hello", b"Hello"]);
}

/// Section 7.2.3.4: "Using a DEFLATE Block with \"BFINAL\" Set to 1". The next message refers to bytes before it.
#[test]
fn a_final_block() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    messages_are(&[&last, &[0xf2, 0x00, 0x11, 0x00, 0x00], HELLO], &[TEXT; 3]);
}

/// Nothing follows the final block: the message ends with it.
#[test]
fn a_final_block_at_the_very_end() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    messages_are(&[&last, &[0xf2, 0x00, 0x11, 0x00, 0x00], &last, HELLO], &[TEXT; 4]);
}

/// BFINAL is set on the block that the four bytes complete.
#[test]
fn a_final_block_is_the_tail() {
    let last = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x04];
    let decoded = second_opinion::decode(&[&last[..], &TAIL].concat(), b"", 5);
    let expected = second_opinion::Decoded { bytes: b"Hello".to_vec(), ended: true };
    assert_eq!(decoded, Some(expected), "the example is what it says");
    messages_are(&[&last, &[0xf2, 0x00, 0x11, 0x00, 0x00], HELLO], &[TEXT; 3]);
}

/// Section 7.2.3.5: "Two DEFLATE Blocks in One Message".
#[test]
fn two_blocks() {
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    messages_are(&[&two, HELLO], &[b"Hello", b"Hello"]);
}

/// One message has several final blocks, each of which refers to bytes before it.
#[test]
fn final_blocks_in_a_row() {
    let hello_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again_final = [0xf3, 0x00, 0x11, 0x00];
    let message = [&hello_final[..], &again_final, &again_final, &[0x03, 0x00], HELLO].concat();
    messages_are(
        &[&message, &[0xf2, 0x00, 0x11, 0x00, 0x00]],
        &[b"HelloHelloHelloHello", b"Hello"],
    );
}

/// Section 7.2.3.6: a "Compressed Empty Message" is one byte. No byte at all is accepted as well.
#[test]
fn an_empty_message() {
    messages_are(&[&[0x00], HELLO, &[0x00], HELLO], &[b"", b"Hello", b"", b"Hello"]);
    messages_are(&[&[], HELLO, &[], &[], HELLO], &[b"", b"Hello", b"", b"", b"Hello"]);
    messages_are(&[&[0x02, 0x00], &[0x03, 0x00, 0x00], HELLO], &[b"", b"", b"Hello"]);
}

/// Our empty message is that one byte, from a fresh compressor and from a used one.
#[test]
fn our_empty_message() {
    for no_context_takeover in [false, true] {
        let mut codec = codec(1);
        let params = DeflateParams { no_context_takeover, ..DeflateParams::default() };
        let mut deflater = Deflater::new(params);
        assert_eq!(deflate(&mut deflater, &mut codec, b""), [0x00]);
        assert_eq!(deflate(&mut deflater, &mut codec, b"Hello"), HELLO);
        assert_eq!(deflate(&mut deflater, &mut codec, b""), [0x00]);
        let mut fragments = Vec::new();
        deflater.deflate(&mut codec, b"", false, &mut fragments).unwrap();
        assert_eq!(fragments, b"");
        deflater.deflate(&mut codec, b"Hello", false, &mut fragments).unwrap();
        deflater.deflate(&mut codec, b"", true, &mut fragments).unwrap();
        assert!(fragments.ends_with(&[0x00, 0x00, 0xff, 0xff, 0x00]), "{fragments:02x?}");
    }
}

/// A second "Hello" refers to the first if the history is kept, and does not otherwise (section 7.2.3.2).
#[test]
fn a_second_message_refers_to_the_first_only_with_takeover() {
    let mut codec = codec(1);
    let level = 6;
    let mut keeping = Deflater::new(DeflateParams { level, ..DeflateParams::default() });
    assert_eq!(deflate(&mut keeping, &mut codec, b"Hello"), HELLO);
    assert_eq!(deflate(&mut keeping, &mut codec, b"Hello"), [0xf2, 0x00, 0x11, 0x00, 0x00]);
    let params = DeflateParams { no_context_takeover: true, ..DeflateParams::default() };
    let mut forgetting = Deflater::new(params);
    assert_eq!(deflate(&mut forgetting, &mut codec, b"Hello"), HELLO);
    assert_eq!(deflate(&mut forgetting, &mut codec, b"Hello"), HELLO);
}

/// A peer that agreed to forget its history and still refers to it commits a fault.
#[test]
fn a_reference_to_a_forgotten_history_is_refused() {
    let params = InflateParams { window_bits: 15, no_context_takeover: true };
    for states in [0, 1] {
        let (mut codec, mut inflater) = (codec(states), Inflater::new(params));
        assert_eq!(inflate(&mut inflater, &mut codec, HELLO), b"Hello");
        let mut out = Vec::new();
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let refused = inflater.inflate(&mut codec, &again, true, None, &mut out).unwrap_err();
        let reason = "invalid distance too far back";
        assert_eq!(refused, ProtocolError::InvalidDeflate { reason });
        // Within one message there is a history, also across a final block.
        let message = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
        let mut inflater = Inflater::new(params);
        assert_eq!(inflate(&mut inflater, &mut codec, &message), b"HelloHello");
        let whole = inflate_cut(&mut inflater, &mut codec, &message, || 1).unwrap();
        assert_eq!(whole, b"HelloHello");
        assert_eq!(inflater.memory(), 0);
    }
}

/// The four bytes end a block that the message left open, and the rest of them begins no other.
#[test]
fn the_tail_ends_another_block() {
    let open = [
        0xec, 0xc7, 0xc9, 0x01, 0xc0, 0x10, 0x00, 0x00, 0xb0, 0x95, 0x94, 0xba, 0xc6, 0x41, 0xd9,
        0x7f, 0x84, 0x0e, 0x22, 0xf9, 0x25, 0xc1, 0xdd, 0xdd, 0xdd,
    ];
    assert_eq!(second_opinion::decode(&[&open[..], &TAIL].concat(), b"", 1 << 16), None);
    let refused = inflate_cut(&mut plain_inflater(), &mut codec(1), &open, || usize::MAX);
    assert!(matches!(refused, Err(ProtocolError::InvalidDeflate { .. })), "{refused:?}");
}
