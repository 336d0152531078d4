//! Messages that another handle compressed, mixed with those of the connection itself.

use super::*;

/// Sends messages to two connections, some to one of them, some to both in one form, and checks every payload
/// with flate2 and our own decompressor. With 0 `states`, no compressor is kept between messages.
fn mixed(params: DeflateParams, states: usize) {
    let mut codec = codec(states);
    let mut ends: Vec<_> = (0..2)
        .map(|_| {
            let no_context_takeover = params.no_context_takeover;
            let inflate = InflateParams { window_bits: params.window_bits, no_context_takeover };
            let peer = flate2::Decompress::new_with_window_bits(false, params.window_bits);
            (Deflater::new(params), Inflater::new(inflate), peer)
        })
        .collect();
    let mut random = Random(11);
    for (index, message) in short_messages().into_iter().cycle().take(60).enumerate() {
        let to_both = random.below(2) == 0;
        let only = random.below(2);
        let shared = to_both.then(|| {
            let mut apart = ends[0].0.apart();
            assert!(apart.is_like(&ends[1].0));
            deflate(&mut apart, &mut codec, &message)
        });
        for (place, (deflater, inflater, peer)) in ends.iter_mut().enumerate() {
            let payload = match &shared {
                Some(payload) => {
                    deflater.skip(&mut codec, &message);
                    payload.clone()
                }
                None if place == only => deflate(deflater, &mut codec, &message),
                None => continue,
            };
            let case = format!("message {index}, to both: {to_both}, {states} states, {params:?}");
            assert!(inflate(inflater, &mut codec, &payload) == message, "{case}");
            if params.no_context_takeover {
                *peer = flate2::Decompress::new_with_window_bits(false, params.window_bits);
            }
            assert!(flate2_inflate(peer, &payload, message.len()) == message, "{case}");
        }
    }
}

#[test]
fn shared_messages_can_be_read_with_every_window_level_takeover_and_pool() {
    for window_bits in [9, 12, 15] {
        for level in [-1, 0, 1, 6] {
            for no_context_takeover in [false, true] {
                for states in [0, 1, 4] {
                    let params = DeflateParams {
                        window_bits,
                        level,
                        no_context_takeover,
                        ..DeflateParams::default()
                    };
                    mixed(params, states);
                }
            }
        }
    }
}

#[test]
fn other_parameters_are_not_alike() {
    let default = DeflateParams::default();
    let handle = Deflater::new(default);
    let others = [
        DeflateParams { window_bits: 14, ..default },
        DeflateParams { level: 2, ..default },
        DeflateParams { mem_level: 9, ..default },
        DeflateParams { strategy: Strategy::Rle, ..default },
    ];
    for params in others {
        assert!(!handle.is_like(&Deflater::new(params)), "{params:?}");
    }
    // These two differ in when they compress a message, not in its compressed form.
    let same = DeflateParams { no_context_takeover: true, threshold: 0, ..default };
    assert!(handle.is_like(&Deflater::new(same)));
}

#[test]
fn a_connection_that_is_only_broadcast_to_holds_nothing() {
    let mut codec = codec(4);
    let mut deflater = Deflater::new(DeflateParams::default());
    deflater.skip(&mut codec, &json(2048, 1));
    assert_eq!(deflater.memory(), 0);
    deflate(&mut deflater, &mut codec, &json(64, 1));
    let held = deflater.memory();
    deflater.skip(&mut codec, &json(2048, 1));
    assert!(deflater.memory() > held);
}
