//! What the bound of the pool costs in bytes on the wire: each connection is compared with one that has a codec to
//! itself.

use super::*;

const ROUNDS: u64 = 60;

/// A connection that compresses each message twice: in the shared codec, and in one of its own.
struct Pair {
    pooled: Deflater,
    alone: Deflater,
    own: Codec,
    inflater: Inflater,
    /// The bytes of both outputs.
    sent: (usize, usize),
}

impl Pair {
    fn new() -> Self {
        let new = || Deflater::new(DeflateParams::default());
        let own = Codec::default();
        Self { pooled: new(), alone: new(), own, inflater: plain_inflater(), sent: (0, 0) }
    }

    fn send(&mut self, codec: &mut Codec, message: &[u8]) {
        let payload = deflate(&mut self.pooled, codec, message);
        self.sent.0 += payload.len();
        self.sent.1 += deflate(&mut self.alone, &mut self.own, message).len();
        assert!(inflate(&mut self.inflater, codec, &payload) == message);
    }
}

/// By how much the pooled output is longer than that of connections with a codec each.
fn excess(pairs: &[Pair]) -> f64 {
    let pooled: usize = pairs.iter().map(|pair| pair.sent.0).sum();
    let alone: usize = pairs.iter().map(|pair| pair.sent.1).sum();
    pooled as f64 / alone as f64 - 1.0
}

/// Runs `active` connections that all send in every round, and `others` that each send a few times, with room for
/// `states`.
fn run(active: usize, others: usize, states: usize, size: usize) -> f64 {
    let mut codec = codec(states);
    let mut pairs: Vec<_> = (0..active).map(|_| Pair::new()).collect();
    let mut passing: Vec<_> =
        (0..others).map(|_| Deflater::new(DeflateParams::default())).collect();
    let mut turn = 0;
    for round in 0..ROUNDS {
        for (index, pair) in pairs.iter_mut().enumerate() {
            pair.send(&mut codec, &json(size, round * 1000 + index as u64));
            if let Some(other) = passing.get_mut(turn % others.max(1)) {
                deflate(other, &mut codec, &json(size, turn as u64 + 7));
                turn += 1;
            }
        }
    }
    assert!(codec.usage().compressors <= states + 1);
    excess(&pairs)
}

/// There are as many active connections as states, and between two of their messages another connection sends one.
#[test]
fn active_connections_keep_their_ratio() {
    for size in [64, 200, 2000] {
        let more = run(12, 300, 16, size);
        assert!(more <= 0.02, "{size} bytes: {:.1} % longer", more * 100.0);
    }
}

/// There are more active connections than states, and all send in turn, so that no compressor is found again: the
/// last 4 KiB that each has sent stand in for its state.
#[test]
fn more_active_connections_than_states_lose_little() {
    for (size, bound) in [(64, 0.02), (200, 0.02), (2000, 0.02)] {
        let more = run(48, 0, 8, size);
        assert!(more <= bound, "{size} bytes: {:.1} % longer", more * 100.0);
    }
}
