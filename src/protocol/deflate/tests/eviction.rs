//! Connections that lose their state to others between any two messages.

use super::*;

struct Connection {
    deflater: Deflater,
    inflater: Inflater,
    /// The other end of a connection, which keeps its state.
    peer_deflate: flate2::Compress,
    peer_inflate: flate2::Decompress,
}

impl Connection {
    fn new(window_bits: u8) -> Self {
        let level = flate2::Compression::new(6);
        Self {
            deflater: Deflater::new(DeflateParams { window_bits, ..DeflateParams::default() }),
            inflater: Inflater::new(InflateParams { window_bits, no_context_takeover: false }),
            peer_deflate: flate2::Compress::new_with_window_bits(level, false, window_bits),
            peer_inflate: flate2::Decompress::new_with_window_bits(false, window_bits),
        }
    }

    fn exchange(&mut self, codec: &mut Codec, message: &[u8]) {
        let payload = deflate(&mut self.deflater, codec, message);
        assert!(flate2_inflate(&mut self.peer_inflate, &payload, message.len()) == message);
        if !message.is_empty() {
            let payload = flate2_next(&mut self.peer_deflate, message);
            assert!(inflate(&mut self.inflater, codec, &payload) == message);
        }
    }
}

/// Three connections send in turn, with room for no, one or two states: each message finds its state gone.
#[test]
fn every_message_survives_eviction() {
    for window_bits in 9..=15 {
        for states in 0..=2 {
            let mut codec = codec(states);
            let mut connections: Vec<_> = (0..3).map(|_| Connection::new(window_bits)).collect();
            for (index, message) in short_messages().iter().enumerate() {
                for (seed, connection) in connections.iter_mut().enumerate() {
                    connection.exchange(&mut codec, message);
                    // Each connection has words of its own, so that no history can stand in for another.
                    connection.exchange(&mut codec, &json(300 + index, seed as u64));
                }
                assert!(codec.usage().compressors <= states + 1);
                assert!(codec.usage().decompressors <= states + 1);
            }
        }
    }
}

/// Connections send in random order, with room for the states of some of them.
#[test]
fn random_order() {
    let mut random = Random(2);
    let mut codec = codec(4);
    let mut connections: Vec<_> = (0..8).map(|n| Connection::new(9 + n % 7)).collect();
    for _ in 0..300 {
        let connection = random.below(8);
        let (len, seed) = (random.below(5000), random.next() % 50);
        connections[connection].exchange(&mut codec, &json(len, seed));
    }
}

/// Two messages come in pieces at the same time, with room for one state.
#[test]
fn messages_in_pieces_side_by_side() {
    let mut codec = codec(1);
    let (a, b) = (json(5000, 1), json(5000, 2));
    let (payload_a, payload_b) = (flate2_message(&a, 6), flate2_message(&b, 6));
    let (mut inflater_a, mut inflater_b) = (plain_inflater(), plain_inflater());
    let (mut out_a, mut out_b) = (Vec::new(), Vec::new());
    for (piece_a, piece_b) in payload_a.chunks(50).zip(payload_b.chunks(50)) {
        inflater_a.inflate(&mut codec, piece_a, false, None, &mut out_a).unwrap();
        inflater_b.inflate(&mut codec, piece_b, false, None, &mut out_b).unwrap();
    }
    let pieces = payload_a.len().div_ceil(50).min(payload_b.len().div_ceil(50)) * 50;
    let rest = |payload: &[u8]| payload.get(pieces..).unwrap_or_default().to_vec();
    inflater_a.inflate(&mut codec, &rest(&payload_a), true, None, &mut out_a).unwrap();
    inflater_b.inflate(&mut codec, &rest(&payload_b), true, None, &mut out_b).unwrap();
    assert!(out_a == a && out_b == b);
    assert!(codec.usage().decompressors <= 2);
}

/// A compressor that is evicted between two fragments of a message starts afresh within it.
#[test]
fn eviction_between_fragments() {
    for no_context_takeover in [false, true] {
        let mut codec = codec(1);
        let params = DeflateParams { no_context_takeover, ..DeflateParams::default() };
        let (mut a, mut b) = (Deflater::new(params), Deflater::new(params));
        let mut inflater = Inflater::new(InflateParams { window_bits: 15, no_context_takeover });
        for round in 0..4 {
            let message = json(900, round);
            let mut payload = Vec::new();
            for fragment in message.chunks(100) {
                a.deflate(&mut codec, fragment, false, &mut payload).unwrap();
                b.deflate(&mut codec, fragment, false, &mut Vec::new()).unwrap();
            }
            a.deflate(&mut codec, b"", true, &mut payload).unwrap();
            b.deflate(&mut codec, b"", true, &mut Vec::new()).unwrap();
            assert!(inflate(&mut inflater, &mut codec, &payload) == message);
        }
    }
}

/// Only the used part of a window is kept, and never more than one window.
#[test]
fn an_evicted_decompressor_leaves_the_used_part_of_its_window() {
    for window_bits in [8_u8, 9, 12, 15] {
        let mut inflater = Inflater::new(InflateParams { window_bits, no_context_takeover: false });
        let mut codec = codec(0);
        assert_eq!(inflater.memory(), 0);
        let mut used = 0;
        for size in [100, 10, 1, 1000, 50_000, 100_000] {
            let message = Random(size as u64).bytes(size);
            let payload = flate2_message(&message, 0);
            assert!(inflate(&mut inflater, &mut codec, &payload) == message);
            used += size;
            let window = 1 << window_bits;
            assert!(inflater.memory() >= used.min(window));
            assert!(inflater.memory() <= (2 * used).min(window), "{}", inflater.memory());
        }
        inflater.release(&mut codec);
        assert_eq!(inflater.memory(), 0);
    }
}
