//! Decompression bombs, broken streams, and the time that they take.

use super::*;

/// The error of a payload, which must be the same if it comes whole, byte by byte and at random cuts.
fn fault(payload: &[u8]) -> ProtocolError {
    let mut codec = codec(1);
    let mut out = Vec::new();
    let whole = plain_inflater().inflate(&mut codec, payload, true, None, &mut out).unwrap_err();
    let mut random = Random(5);
    for round in 0..10 {
        let cut = || if round == 0 { 1 } else { 1 + random.below(6) };
        let cut = inflate_cut(&mut plain_inflater(), &mut codec, payload, cut);
        assert_eq!(cut, Err(whole), "{payload:02x?}");
    }
    whole
}

#[test]
fn a_bad_stream_is_refused_with_the_reason() {
    let table: [(&[u8], &str); 8] = [
        (&[0x06], "invalid block type"),
        (&[0xff; 20], "invalid block type"),
        (&[0x00, 0x05, 0x00, 0x05, 0x00], "invalid stored block lengths"),
        (&[0xf2, 0x00, 0x11, 0x00, 0x00], "invalid distance too far back"),
        (&[0xfc, 0x00, 0x00], "too many length or distance symbols"),
        (&[0x04, 0x00, 0xfe, 0xff], "invalid code lengths set"),
        (&[0x04, 0x00, 0x24, 0x49, 0x00], "invalid bit length repeat"),
        (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06], "invalid stored block lengths"),
    ];
    for (payload, reason) in table {
        assert_eq!(fault(payload), ProtocolError::InvalidDeflate { reason }, "{payload:02x?}");
    }
}

/// Garbage after a final block is read as another stream, and is a bad one.
#[test]
fn trailing_garbage_is_refused() {
    let hello_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let message = [&hello_final[..], &[0xff, 0xff]].concat();
    let reason = "invalid block type";
    assert_eq!(fault(&message), ProtocolError::InvalidDeflate { reason });
}

/// A message cut off at any byte is a fault.
#[test]
fn a_cut_message_is_never_taken_for_the_whole() {
    let message = json(1500, 9);
    for level in [1, 6, 9] {
        let payload = flate2_message(&message, level);
        for len in 1..payload.len() {
            let mut out = Vec::new();
            let done =
                plain_inflater().inflate(&mut codec(1), &payload[..len], true, None, &mut out);
            assert!(done.is_err(), "{len} of {} bytes, level {level}", payload.len());
        }
    }
}

/// 16 MiB of zeros in 16 KiB: one byte beyond the limit is made, and no more.
#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let bomb = flate2_message(&vec![0; 16 << 20], 9);
    assert!(bomb.len() < 17_000);
    for limit in [0, 1, 1000, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 1 << 20] {
        for piece in [usize::MAX, 1, 1000] {
            let (mut codec, mut inflater) = (codec(1), plain_inflater());
            let mut out = Vec::new();
            let mut pieces = bomb.chunks(piece.min(bomb.len()));
            let fault = pieces.find_map(|piece| {
                inflater.inflate(&mut codec, piece, false, Some(limit), &mut out).err()
            });
            assert_eq!(fault, Some(ProtocolError::UnsupportedMessageLength), "limit {limit}");
            assert_eq!(out.len() as u64, limit + 1);
            assert!(out.capacity() as u64 <= 2 * (limit + 1) + 64, "{}", out.capacity());
            assert_eq!(inflater.memory(), 0, "a connection at fault keeps nothing");
        }
    }
}

/// Messages at the limit, one under and one over, in one piece and in many.
#[test]
fn the_limit_is_exact() {
    for size in [1, 5, 1000, 32 * 1024, 100_000] {
        let payload = flate2_message(&vec![b'z'; size], 6);
        for piece in [1, 7, usize::MAX] {
            for (limit, good) in [(size - 1, false), (size, true), (size + 1, true)] {
                let (mut codec, mut inflater) = (codec(1), plain_inflater());
                let mut out = Vec::new();
                let mut inflate = |piece: &[u8], last| {
                    inflater.inflate(&mut codec, piece, last, Some(limit as u64), &mut out)
                };
                let done = payload
                    .chunks(piece.min(payload.len()))
                    .try_for_each(|piece| inflate(piece, false))
                    .and_then(|()| inflate(&[], true));
                let expected =
                    if good { Ok(()) } else { Err(ProtocolError::UnsupportedMessageLength) };
                assert_eq!(done, expected, "{size} bytes, limit {limit}");
            }
        }
    }
}

/// Random bytes and flipped bits: a message that we accept is the same for another author's decoder.
#[test]
fn random_bytes_agree_with_the_second_opinion() {
    let mut random = Random(99);
    let good = flate2_message(&json(400, 4), 6);
    for round in 0..5000 {
        let payload = if round % 2 == 0 {
            let len = 1 + random.below(40);
            random.bytes(len)
        } else {
            let mut payload = good.clone();
            let at = random.below(payload.len());
            payload[at] ^= 1 << random.below(8);
            payload
        };
        let mut out = Vec::new();
        let limit = Some(1 << 20);
        let done = plain_inflater().inflate(&mut codec(0), &payload, true, limit, &mut out);
        if done.is_ok() {
            let whole = [&payload[..], &TAIL].concat();
            let decoded = second_opinion::decode(&whole, b"", out.len());
            assert_eq!(decoded.map(|decoded| decoded.bytes), Some(out), "{payload:02x?}");
        }
    }
}

/// A connection with a fault does not spoil its decompressor for the next connection.
#[test]
fn a_fault_does_not_spread_to_another_connection() {
    let mut codec = codec(1);
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for _ in 0..3 {
        let mut out = Vec::new();
        plain_inflater()
            .inflate(&mut codec, &[0xf2, 0x48, 0xff], true, None, &mut out)
            .unwrap_err();
        assert_eq!(inflate(&mut plain_inflater(), &mut codec, &hello), b"Hello");
    }
    assert!(codec.usage().decompressors <= 2);
}

/// A flood of final blocks with a full window takes linear time: each costs at most the copy of one window.
#[test]
fn a_flood_of_final_blocks_is_linear() {
    let mut codec = codec(1);
    let mut inflater = plain_inflater();
    let window = Random(1).bytes(40_000);
    let first = flate2_message(&window, 1);
    inflate(&mut inflater, &mut codec, &first);
    let time = |inflater: &mut Inflater, codec: &mut Codec, blocks: usize| {
        let flood = [0x03, 0x00].repeat(blocks);
        let start = std::time::Instant::now();
        assert_eq!(inflate(inflater, codec, &flood), b"");
        start.elapsed()
    };
    time(&mut inflater, &mut codec, 1000);
    let (short, long) =
        (time(&mut inflater, &mut codec, 2000), time(&mut inflater, &mut codec, 16_000));
    assert!(long < short * 8 * 6, "{short:?} for 2,000, {long:?} for 16,000");
}
