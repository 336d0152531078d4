//! Short messages are compressed without zlib, and zlib can read all of them.

use proptest::prelude::*;

use super::*;

fn default_deflater(window_bits: u8, no_context_takeover: bool) -> Deflater {
    Deflater::new(DeflateParams { window_bits, no_context_takeover, ..DeflateParams::default() })
}

/// Messages with matches of every length and every distance.
#[test]
fn matches_of_every_length_and_distance() {
    let mut random = Random(23);
    let mut codec = codec(2);
    let (mut deflater, mut inflater) = (default_deflater(15, false), plain_inflater());
    for len in 1..=256 {
        let text = random.bytes(len);
        for message in [text.clone(), text[..len / 2].to_vec(), text] {
            let payload = deflate(&mut deflater, &mut codec, &message);
            assert!(payload.len() <= message.len() + 6, "{len}: {}", payload.len());
            assert_eq!(inflate(&mut inflater, &mut codec, &payload), message, "{len}");
        }
    }
    let mark = b"a mark of some length that is found again";
    for apart in 0..=5000 {
        let (mut deflater, mut inflater) = (default_deflater(15, false), plain_inflater());
        let mut sent = mark.to_vec();
        sent.extend(random.bytes(apart));
        let mut pieces: Vec<_> = sent.chunks(250).collect();
        pieces.push(mark);
        let payloads: Vec<_> =
            pieces.iter().map(|piece| deflate(&mut deflater, &mut codec, piece)).collect();
        for (piece, payload) in pieces.iter().zip(&payloads) {
            assert_eq!(&inflate(&mut inflater, &mut codec, payload), piece, "{apart}");
        }
        let found = payloads.last().unwrap().len() < 20;
        // The last random bytes may take its entry in the table.
        assert!(found || apart > 2000, "{apart} bytes back it was not found");
        deflater.release(&mut codec);
        inflater.release(&mut codec);
    }
}

#[test]
fn short_messages_need_neither_compressor_nor_decompressor() {
    let mut codec = codec(4);
    let (mut deflater, mut inflater) = (default_deflater(15, false), plain_inflater());
    let mut total = 0;
    for number in 0..200 {
        let message = json(64, number);
        let payload = deflate(&mut deflater, &mut codec, &message);
        total += payload.len();
        assert_eq!(inflate(&mut inflater, &mut codec, &payload), message);
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 0, decompressors: 0, tables: 1 });
    assert!(total < 200 * 40, "{total}");
    // A longer message gets a compressor, which then compresses the short ones too.
    for message in [json(2000, 7), json(64, 8), json(64, 9)] {
        let payload = deflate(&mut deflater, &mut codec, &message);
        assert_eq!(inflate(&mut inflater, &mut codec, &payload), message);
    }
    assert_eq!(codec.usage().compressors, 1);
}

proptest! {
    /// Messages of all kinds and lengths, in pieces, with all windows, and with tables that are lost now and then.
    #[test]
    fn zlib_reads_them(
        seed: u64,
        window_bits in 9_u8..=15,
        forget: bool,
        lengths in proptest::collection::vec((0_usize..300, 0_u8..4, any::<bool>()), 1..60),
    ) {
        let mut random = Random(seed | 1);
        let (mut here, mut others) = (codec(1), codec(1));
        let mut deflater = default_deflater(window_bits, forget);
        let mut another = default_deflater(15, false);
        let mut inflater = Inflater::new(InflateParams { window_bits, no_context_takeover: forget });
        for (len, kind, cut) in lengths {
            let message = match kind {
                0 => random.bytes(len),
                1 => json(len, random.below(5) as u64),
                2 => vec![b'x'; len],
                _ => json(len * 20, random.below(5) as u64),
            };
            let mut payload = Vec::new();
            let (head, tail) = message.split_at(if cut { len / 3 } else { 0 });
            if cut {
                deflater.deflate(&mut here, head, false, &mut payload).unwrap();
            }
            deflater.deflate(&mut here, tail, true, &mut payload).unwrap();
            deflate(&mut another, &mut here, b"words of another connection, which takes the table");
            prop_assert_eq!(inflate(&mut inflater, &mut others, &payload), message);
        }
    }
}
