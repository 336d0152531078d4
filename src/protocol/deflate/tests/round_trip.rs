//! Round trips with every parameter and both takeovers, whole and in pieces.

use super::*;

const STRATEGIES: [Strategy; 5] =
    [Strategy::Default, Strategy::Filtered, Strategy::HuffmanOnly, Strategy::Rle, Strategy::Fixed];

/// Sends `messages` through a pair of handles, and checks every payload with flate2 as well.
///
/// With 0 `states`, every message starts from what the handles remember.
fn round_trip(params: DeflateParams, states: usize, messages: &[Vec<u8>]) {
    let mut codec = codec(states);
    let mut deflater = Deflater::new(params);
    let no_context_takeover = params.no_context_takeover;
    let mut inflater =
        Inflater::new(InflateParams { window_bits: params.window_bits, no_context_takeover });
    let mut peer = flate2::Decompress::new_with_window_bits(false, params.window_bits);
    for (index, message) in messages.iter().enumerate() {
        let payload = deflate(&mut deflater, &mut codec, message);
        let case = format!("message {index} of {} bytes, {params:?}", message.len());
        assert!(!payload.is_empty(), "{case}");
        assert!(inflate(&mut inflater, &mut codec, &payload) == *message, "{case}");
        if no_context_takeover {
            peer = flate2::Decompress::new_with_window_bits(false, params.window_bits);
        }
        assert!(flate2_inflate(&mut peer, &payload, message.len()) == *message, "{case}");
    }
}

#[test]
fn every_window_memory_level_and_takeover() {
    let messages = short_messages();
    for window_bits in 9..=15 {
        for mem_level in 1..=9 {
            for no_context_takeover in [false, true] {
                let params = DeflateParams {
                    window_bits,
                    mem_level,
                    no_context_takeover,
                    ..DeflateParams::default()
                };
                round_trip(params, 2, &messages);
            }
        }
    }
}

#[test]
fn every_level_strategy_and_takeover() {
    let messages = short_messages();
    for level in -1..=9 {
        for strategy in STRATEGIES {
            let table =
                [(15, false, 2), (15, false, 0), (15, true, 2), (9, false, 2), (9, false, 0)];
            for (window_bits, no_context_takeover, states) in table {
                let params = DeflateParams {
                    level,
                    strategy,
                    window_bits,
                    no_context_takeover,
                    ..DeflateParams::default()
                };
                round_trip(params, states, &messages);
            }
        }
    }
}

#[test]
fn messages_longer_than_any_window() {
    for window_bits in 9..=15 {
        for no_context_takeover in [false, true] {
            let default = DeflateParams::default();
            round_trip(
                DeflateParams { window_bits, no_context_takeover, ..default },
                2,
                &messages(),
            );
        }
    }
}

/// RFC 7692 section 7.1.2.1: "LZ77 sliding window size … of 2^w". Two runs of the same bytes are further apart
/// than the window, so that a compressor with a larger one would show.
#[test]
fn no_match_reaches_beyond_the_agreed_window() {
    for window_bits in 9..=15_u8 {
        let window = 1 << window_bits;
        let mut random = Random(u64::from(window_bits));
        let block = random.bytes(window + 40);
        let message = [&block[..], &block, &json(window, 5), &block].concat();
        for level in [1, 2, 3, 6, 7, 9] {
            let params = DeflateParams { window_bits, level, ..DeflateParams::default() };
            let mut payload = deflate(&mut Deflater::new(params), &mut codec(1), &message);
            payload.extend_from_slice(&TAIL);
            let decoded = second_opinion::decode_within(window, &payload);
            assert!(decoded == Some(message.clone()), "window {window_bits}, level {level}");
            if window_bits < 15 {
                let larger = DeflateParams { window_bits: window_bits + 1, ..params };
                let payload = deflate(&mut Deflater::new(larger), &mut codec(1), &message);
                let decoded = second_opinion::decode_within(window, &payload);
                assert_eq!(decoded, None, "a larger window is found out");
            }
        }
    }
}

/// A window of 8 bits is refused, and not quietly replaced by 9.
#[test]
fn a_window_of_8_bits_is_refused() {
    let default = DeflateParams::default();
    let bad = [
        DeflateParams { window_bits: 8, ..default },
        DeflateParams { window_bits: 16, ..default },
        DeflateParams { level: 10, ..default },
        DeflateParams { level: -2, ..default },
        DeflateParams { mem_level: 0, ..default },
        DeflateParams { mem_level: 10, ..default },
    ];
    for params in bad {
        let mut deflater = Deflater::new(params);
        assert!(!deflater.can_compress(), "{params:?}");
        let mut out = Vec::new();
        let refused = deflater.deflate(&mut codec(1), b"data", true, &mut out);
        assert!(matches!(refused, Err(ProtocolError::InvalidDeflate { .. })), "{params:?}");
        assert!(out.is_empty());
    }
}

/// The fragments of a message are one stream, and so are pieces of any length at the receiver.
#[test]
fn fragments_and_pieces_of_any_length() {
    let mut random = Random(11);
    for no_context_takeover in [false, true] {
        let mut codec = codec(4);
        let params = DeflateParams { no_context_takeover, ..DeflateParams::default() };
        let mut deflater = Deflater::new(params);
        let mut inflater = Inflater::new(InflateParams { window_bits: 15, no_context_takeover });
        for message in messages() {
            let mut payload = Vec::new();
            let mut rest = &message[..];
            while !rest.is_empty() && random.below(4) != 0 {
                let (fragment, behind) = rest.split_at(random.below(rest.len() + 1));
                deflater.deflate(&mut codec, fragment, false, &mut payload).unwrap();
                rest = behind;
            }
            deflater.deflate(&mut codec, rest, true, &mut payload).unwrap();
            let most = 1 + random.below(3) * 700;
            let cut = || 1 + random.below(most);
            assert!(inflate_cut(&mut inflater, &mut codec, &payload, cut).unwrap() == message);
        }
    }
}

/// Output is appended to `out`, and the limit counts all of `out`.
#[test]
fn appends() {
    let mut codec = codec(1);
    let mut out = b"before".to_vec();
    Deflater::new(DeflateParams::default()).deflate(&mut codec, b"Hello", true, &mut out).unwrap();
    assert_eq!(&out[..6], b"before");
    let mut text = b"before".to_vec();
    plain_inflater().inflate(&mut codec, &out[6..], true, Some(11), &mut text).unwrap();
    assert_eq!(text, b"beforeHello");
}

/// Messages compressed with each setting of flate2 are read one after the other, in one-byte pieces too.
#[test]
fn reads_what_flate2_writes() {
    for level in 0..=9 {
        for window_bits in 9..=15 {
            let level = flate2::Compression::new(level);
            let mut peer = flate2::Compress::new_with_window_bits(level, false, window_bits);
            let mut codec = codec(1);
            let mut whole =
                Inflater::new(InflateParams { window_bits, ..InflateParams::default() });
            let mut bytewise =
                Inflater::new(InflateParams { window_bits, ..InflateParams::default() });
            for message in short_messages().into_iter().filter(|m| !m.is_empty()) {
                let payload = flate2_next(&mut peer, &message);
                assert!(inflate(&mut whole, &mut codec, &payload) == message);
                assert!(inflate_cut(&mut bytewise, &mut codec, &payload, || 1).unwrap() == message);
            }
        }
    }
}

/// With a shape that flate2 supports, both give the same bytes: the pool loses nothing.
#[test]
fn writes_what_flate2_writes() {
    for level in 0..=9_u32 {
        let mut peer = flate2::Compress::new(flate2::Compression::new(level), false);
        let params = DeflateParams { level: level as i32, ..DeflateParams::default() };
        let mut deflater = Deflater::new(params);
        let mut codec = codec(1);
        for message in short_messages().into_iter().filter(|m| !m.is_empty()) {
            let payload = deflate(&mut deflater, &mut codec, &message);
            assert!(payload == flate2_next(&mut peer, &message), "level {level}");
        }
    }
}
