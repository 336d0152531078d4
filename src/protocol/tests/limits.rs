//! Limits: at each of them, one under and one over. Memory follows the bytes that came, not the declared length.

use super::{
    BINARY, CLIENT, CONTINUATION, FIN, Got, Metered, ProtocolError, ReceiverOptions, SERVER, Side,
    TEXT, declares, from_peer, masked, received, received_with,
};

const TOO_LONG: Got = Got::Fault(ProtocolError::UnsupportedMessageLength);

/// A message of `len` bytes in frames of `each`.
fn in_frames(options: ReceiverOptions, len: usize, each: usize) -> Vec<u8> {
    let payload = vec![b'm'; len];
    let count = len.div_ceil(each).max(1);
    let frame = |index: usize| {
        let part = &payload[(index * each).min(len)..((index + 1) * each).min(len)];
        let opcode = if index == 0 { BINARY } else { CONTINUATION };
        from_peer(options, if index + 1 == count { FIN | opcode } else { opcode }, part)
    };
    (0..count).flat_map(frame).collect()
}

#[test]
fn the_longest_message_is_received_whatever_its_frames() {
    for options in [SERVER, CLIENT] {
        for limit in [1, 125, 126, 4096, 5000] {
            let options = ReceiverOptions { max_payload: limit as u64, ..options };
            for each in [1, 7, 126, limit, limit + 1] {
                for len in [limit - 1, limit] {
                    let bytes = in_frames(options, len, each);
                    let whole = vec![b'm'; len];
                    assert_eq!(received(options, &bytes), [Got::Binary(whole.clone())]);
                    let [Got::Fragments(parts)] = &received_with(options, true, &bytes)[..] else {
                        panic!("one message of fragments");
                    };
                    assert_eq!(parts.concat(), whole);
                }
                let bytes = in_frames(options, limit + 1, each);
                assert_eq!(received(options, &bytes), [TOO_LONG], "{limit} in frames of {each}");
                assert_eq!(received_with(options, true, &bytes), [TOO_LONG]);
            }
        }
    }
}

#[test]
fn the_limit_is_checked_when_the_header_is_read() {
    for (limit, length) in [(10, 11), (1 << 20, (1 << 53) - 1)] {
        let mut side = Side::<Metered>::new(ReceiverOptions { max_payload: limit, ..SERVER });
        side.feed(&declares(FIN | BINARY, length));
        assert_eq!(side.got, [TOO_LONG]);
        assert_eq!(Metered::held(), 0);
    }
    // The second frame would exceed the limit: the receiver does not wait for a byte of it.
    let mut side = Side::<Metered>::new(ReceiverOptions { max_payload: 10, ..SERVER });
    side.feed(&[masked(TEXT, &[b'a'; 9]), declares(FIN, 2)].concat());
    assert_eq!(side.got, [TOO_LONG]);
}

#[test]
fn zero_switches_a_limit_off() {
    let bytes = in_frames(SERVER, 100_000, 1000);
    assert_eq!(received(SERVER, &bytes), [Got::Binary(vec![b'm'; 100_000])]);
    assert_eq!(received_with(SERVER, true, &bytes).len(), 1);
}

#[test]
fn the_number_of_frames_of_a_message_is_limited() {
    let options = ReceiverOptions { max_fragments: 3, ..SERVER };
    let too_many = [Got::Fault(ProtocolError::TooManyFragments)];
    for len in [2, 3] {
        let got = received(options, &in_frames(options, len, 1));
        assert_eq!(got, [Got::Binary(vec![b'm'; len])]);
    }
    assert_eq!(received(options, &in_frames(options, 4, 1)), too_many);
    // Each message is counted separately.
    let twice = [in_frames(options, 3, 1), in_frames(options, 3, 1)].concat();
    assert_eq!(received(options, &twice).len(), 2);
}

#[test]
fn a_flood_of_tiny_or_empty_fragments_ends_at_the_limit() {
    let options = ReceiverOptions { max_fragments: 16_384, ..SERVER };
    for (payload, fragments) in [(&b""[..], false), (b"x", false), (b"x", true), (b"", true)] {
        let mut side = Side::<Metered>::new(options);
        side.receiver.set_fragments(fragments);
        side.feed(&masked(BINARY, payload));
        for _ in 0..200_000 {
            side.feed(&masked(CONTINUATION, payload));
            assert!(Metered::held() <= 2 * 16_384);
        }
        assert_eq!(side.got, [Got::Fault(ProtocolError::TooManyFragments)]);
        assert_eq!(Metered::held(), 0);
    }
}

#[test]
fn without_limits_tiny_and_empty_fragments_cost_what_they_carry() {
    let mut side = Side::<Metered>::new(SERVER);
    side.feed(&masked(BINARY, b""));
    for _ in 0..200_000 {
        side.feed(&masked(CONTINUATION, b""));
    }
    assert_eq!(Metered::held(), 0);
    for _ in 0..200_000 {
        side.feed(&masked(CONTINUATION, b"x"));
    }
    assert!(Metered::held() <= 2 * 200_000);
    side.feed(&masked(FIN, b"y"));
    assert!(matches!(&side.got[..], [Got::Binary(data)] if data.len() == 200_001));
}

#[test]
fn a_declared_gibibyte_takes_memory_only_for_what_came() {
    for directly in [false, true] {
        let mut side = Side::<Metered>::new(SERVER);
        side.feed(&declares(FIN | BINARY, 1 << 30));
        assert!(Metered::held() <= 64 * 1024);
        for count in 1..2000 {
            if directly {
                side.feed_directly(&[1; 100], 1);
            } else {
                side.feed(&[1; 100]);
            }
            assert!(Metered::held() <= (2 * 100 * count).max(64 * 1024));
        }
        assert_eq!(side.got, []);
    }
}

#[test]
fn the_largest_length_that_may_be_declared_is_waited_for() {
    let mut side = Side::<Metered>::new(SERVER);
    side.feed(&declares(FIN | BINARY, (1 << 53) - 1));
    side.feed_directly(&[0; 1000], 1);
    assert_eq!(side.got, []);
    assert!(Metered::held() <= 64 * 1024);
}

#[test]
fn four_mebibytes_byte_by_byte_pass_in_twice_their_memory() {
    const LENGTH: usize = 4 << 20;
    let options = ReceiverOptions {
        max_payload: LENGTH as u64,
        max_fragments: 16_384,
        max_buffered_chunks: 262_144,
        ..SERVER
    };
    for fragments in [false, true] {
        let mut side = Side::<Metered>::new(options);
        side.receiver.set_fragments(fragments);
        for byte in masked(FIN | BINARY, &vec![5; LENGTH]) {
            side.feed(&[byte]);
            assert!(Metered::held() <= 2 * LENGTH);
        }
        assert_eq!(side.got.len(), 1);
        assert!(!matches!(side.got[0], Got::Fault(_)));
    }
}

#[test]
fn a_million_empty_messages_and_pings_hold_nothing() {
    let mut side = Side::<Metered>::new(SERVER);
    let flood = [masked(FIN | BINARY, b""), masked(FIN | super::PING, b"")].concat().repeat(1000);
    for _ in 0..1000 {
        side.feed(&flood);
        assert_eq!(side.got.len(), 2000);
        side.got.clear();
    }
    assert_eq!(Metered::held(), 0);
}
