//! permessage-deflate (RFC 7692), from the wire to the message and back.

use super::super::deflate::{DeflateParams, InflateParams};
use super::super::frame::{Role, append_frame};
use super::super::sender::{SendOptions, Sender};
use super::{
    BINARY, CLIENT, CONTINUATION, Codec, FIN, Got, INFLATE, KEY, Metered, PING, ProtocolError,
    RSV1, ReceiverOptions, SERVER, Side, TEXT, codec, from_peer, received, received_with,
};
use proptest::prelude::*;

const DEFLATING_SERVER: ReceiverOptions = ReceiverOptions { inflate: INFLATE, ..SERVER };
const DEFLATING_CLIENT: ReceiverOptions = ReceiverOptions { inflate: INFLATE, ..CLIENT };
const BOTH: [ReceiverOptions; 2] = [DEFLATING_SERVER, DEFLATING_CLIENT];
const TOO_LONG: Got = Got::Fault(ProtocolError::UnsupportedMessageLength);

/// A peer that compresses: its sender, its codec, and its bytes on the wire.
struct Peer {
    sender: Sender,
    codec: Codec,
    masking: bool,
    wire: Vec<u8>,
}

impl Peer {
    /// The peer of a receiver with `options`.
    fn of(options: ReceiverOptions, params: DeflateParams) -> Self {
        let masking = options.role == Role::Server;
        let role = if masking { Role::Client } else { Role::Server };
        let sender = Sender::new(role, Some(params));
        assert_eq!(sender.is_masking(), masking);
        Self { sender, codec: codec(), masking, wire: Vec::new() }
    }

    /// Sends a message in fragments of `each` bytes.
    fn send(&mut self, binary: bool, compress: bool, data: &[u8], each: usize) {
        let mut rest = data;
        loop {
            let (part, behind) = rest.split_at(each.min(rest.len()));
            let options = SendOptions { binary, compress, fin: behind.is_empty() };
            let frame = self.sender.begin(part.len(), &options);
            let mut payload = Vec::new();
            self.sender.compress(&mut self.codec, &frame, part, &mut payload).expect("memory");
            let header = frame.header(0, self.masking.then_some(KEY));
            append_frame(&mut self.wire, &header, &payload);
            rest = behind;
            if rest.is_empty() {
                return;
            }
        }
    }
}

/// The bytes of one compressed message on the wire.
fn compressed(options: ReceiverOptions, binary: bool, data: &[u8], each: usize) -> Vec<u8> {
    let mut peer = Peer::of(options, DeflateParams::default());
    peer.send(binary, true, data, each);
    peer.wire
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7692 section 7.2.3: one block, two blocks, no compression, BFINAL, and a shared window.
    let whole: [&[u8]; 4] = [
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
    ];
    for options in BOTH {
        for payload in whole {
            let frame = from_peer(options, FIN | RSV1 | TEXT, payload);
            let twice = [frame.clone(), frame].concat();
            let hello = Got::text("Hello");
            assert_eq!(received(options, &twice), [hello.clone(), hello], "{payload:x?}");
        }
        let window = [
            from_peer(options, FIN | RSV1 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
            from_peer(options, FIN | RSV1 | TEXT, b"\xf2\x00\x11\x00\x00"),
        ];
        let hello = Got::text("Hello");
        assert_eq!(received(options, &window.concat()), [hello.clone(), hello.clone()]);
        let fragments = [
            from_peer(options, RSV1 | TEXT, b"\xf2\x48\xcd"),
            from_peer(options, FIN | PING, b""),
            from_peer(options, CONTINUATION, b""),
            from_peer(options, FIN | CONTINUATION, b"\xc9\xc9\x07\x00"),
        ];
        assert_eq!(received(options, &fragments.concat()), [Got::Ping(Vec::new()), hello]);
    }
}

#[test]
fn messages_of_every_size_in_fragments_of_every_size() {
    let long: Vec<u8> =
        (0..200_000_u32).flat_map(|at| [b'a' + (at % 7) as u8, (at >> 9) as u8]).collect();
    for options in BOTH {
        for no_context_takeover in [false, true] {
            let inflate = Some(InflateParams { window_bits: 15, no_context_takeover });
            let options = ReceiverOptions { inflate, ..options };
            let params =
                DeflateParams { no_context_takeover, threshold: 0, ..DeflateParams::default() };
            let mut peer = Peer::of(options, params);
            let mut expected = Vec::new();
            for (len, each) in [
                (0, 1),
                (1, 1),
                (500, 1),
                (5000, 999),
                (65_536, 65_536),
                (65_537, 70_000),
                (399_000, 50_000),
            ] {
                peer.send(true, true, &long[..len], each);
                peer.send(true, false, &long[..len.min(50)], 13);
                expected.push(Got::Binary(long[..len].to_vec()));
                expected.push(Got::Binary(long[..len.min(50)].to_vec()));
            }
            peer.send(false, true, "Δ text".repeat(3000).as_bytes(), 5001);
            expected.push(Got::text(&"Δ text".repeat(3000)));
            assert!(received(options, &peer.wire) == expected, "what was sent arrives");
            let apart = received_with(options, true, &peer.wire);
            let joined = apart.into_iter().map(|got| match got {
                Got::Fragments(parts) => {
                    assert!(parts.iter().all(|part| !part.is_empty()));
                    Got::Binary(parts.concat())
                }
                other => other,
            });
            assert!(joined.eq(expected), "in fragments as well");
        }
    }
}

#[test]
fn the_limit_holds_for_the_inflated_message() {
    for limit in [1_usize, 100, 70_000] {
        for options in BOTH {
            let options = ReceiverOptions { max_payload: limit as u64, ..options };
            for each in [usize::MAX, limit.div_ceil(3)] {
                for len in [limit - 1, limit, limit + 1] {
                    let data = vec![b'z'; len];
                    for binary in [true, false] {
                        let bytes = compressed(options, binary, &data, each);
                        // Three bytes of DEFLATE for one of text exceed a limit of one as well.
                        let expected = match (binary, len > limit || (limit == 1 && len == 1)) {
                            (_, true) => TOO_LONG,
                            (true, _) => Got::Binary(data.clone()),
                            (false, _) => Got::Text(data.clone()),
                        };
                        assert!(received(options, &bytes) == [expected], "{len} of {limit}");
                        if binary && len > limit {
                            assert_eq!(received_with(options, true, &bytes), [TOO_LONG]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_decompression_bomb_costs_no_more_than_the_limit() {
    const LIMIT: usize = 1 << 20;
    let bomb = vec![0; 100 << 20];
    let options = ReceiverOptions { max_payload: LIMIT as u64, ..DEFLATING_SERVER };
    // Storage doubles while it grows; if it needed more, there would be another fault: no memory.
    Metered::refuse_beyond(2 * LIMIT + 256 * 1024);
    for each in [usize::MAX, 10 << 20] {
        let bytes = compressed(options, true, &bomb, each);
        assert!(bytes.len() < LIMIT);
        for piece in [1000, bytes.len()] {
            for fragments in [false, true] {
                let mut side = Side::<Metered>::new(options);
                side.receiver.set_fragments(fragments);
                for part in bytes.chunks(piece) {
                    side.feed(part);
                }
                assert_eq!(side.got, [TOO_LONG]);
                assert_eq!(Metered::held(), 0);
            }
        }
    }
}

#[test]
fn a_text_message_that_inflates_to_bad_utf_8_is_refused() {
    let invalid = [Got::Fault(ProtocolError::InvalidUtf8)];
    let long = [&[b'a'; 100_000][..], b"\xff", &[b'b'; 100_000]].concat();
    for text in [&b"\xff"[..], b"cut off \xe2\x82", b"\xed\xa0\x80 and on", &long] {
        for options in BOTH {
            for each in [usize::MAX, 7000, 2] {
                if each == 2 && text.len() > 1000 {
                    continue;
                }
                let bytes = compressed(options, false, text, each);
                assert_eq!(received(options, &bytes), invalid);
                let binary = compressed(options, true, text, each);
                assert!(received(options, &binary) == [Got::Binary(text.to_vec())]);
                let skip = ReceiverOptions { skip_utf8_validation: true, ..options };
                assert!(received(skip, &bytes) == [Got::Text(text.to_vec())]);
            }
        }
    }
}

#[test]
fn the_limits_on_frames_and_pieces_hold_for_compressed_messages() {
    let three = compressed(DEFLATING_SERVER, true, &[b"ab".repeat(40), vec![9; 40]].concat(), 40);
    let frames = ReceiverOptions { max_fragments: 2, ..DEFLATING_SERVER };
    assert_eq!(received(frames, &three), [Got::Fault(ProtocolError::TooManyFragments)]);
    let pieces = ReceiverOptions { max_buffered_chunks: 2, ..DEFLATING_SERVER };
    let too_many = [Got::Fault(ProtocolError::TooManyBufferedChunks)];
    assert_eq!(received_with(pieces, true, &three), too_many);
    assert_eq!(received(pieces, &three).len(), 1);
    assert!(matches!(received(pieces, &three)[0], Got::Binary(_)));
}

#[test]
fn spare_buffers_go_back_to_the_codec_and_an_idle_side_holds_nothing() {
    let mut side = Side::<Metered>::new(DEFLATING_SERVER);
    for len in [10, 5000, 60_000, 70_000, 300_000] {
        side.feed(&compressed(DEFLATING_SERVER, true, &vec![1; len], usize::MAX));
        assert_eq!(Metered::held(), 0);
        let spare = side.codec.take_scratch();
        assert!(spare.capacity() >= len.min(5000), "{}", spare.capacity());
        assert!(spare.capacity() <= 128 * 1024);
        side.codec.give_scratch(spare);
    }
    assert_eq!(side.got.len(), 5);
}

#[test]
fn a_side_that_is_released_gives_its_states_back() {
    let mut side = Side::<Vec<u8>>::new(DEFLATING_CLIENT);
    let mut peer = Peer::of(DEFLATING_CLIENT, DeflateParams::default());
    peer.send(true, true, &[1; 1000], usize::MAX);
    side.feed(&peer.wire[..10]);
    side.receiver.release(&mut side.codec);
    peer.sender.release(&mut peer.codec);
    side.feed(b"more");
    assert!(side.got.is_empty() && side.receiver.is_finished());
    let usage = side.codec.usage();
    assert_eq!((usage.compressors, usage.decompressors), (0, 1));
    assert_eq!(peer.codec.usage().compressors, 1);
}

#[test]
fn a_side_may_work_with_the_codec_of_another_thread_in_between() {
    let mut side = Side::<Vec<u8>>::new(DEFLATING_SERVER);
    let mut peer = Peer::of(DEFLATING_SERVER, DeflateParams::default());
    let mut others = (codec(), codec());
    for round in 0..4 {
        peer.sender.detach(&mut peer.codec);
        std::mem::swap(&mut peer.codec, &mut others.0);
        peer.send(false, true, b"the same text again and again", usize::MAX);
        std::mem::swap(&mut peer.codec, &mut others.0);
        peer.sender.attach(&mut peer.codec);

        side.receiver.detach(&mut side.codec);
        std::mem::swap(&mut side.codec, &mut others.1);
        side.feed(&std::mem::take(&mut peer.wire));
        std::mem::swap(&mut side.codec, &mut others.1);
        side.receiver.attach(&mut side.codec);
        peer.send(false, true, b"the same text again and again", usize::MAX);
        assert!(peer.wire.len() < 20, "the history is kept: {} bytes", peer.wire.len());
        side.feed(&std::mem::take(&mut peer.wire));
        assert_eq!(side.got.len(), 2 * (round + 1));
    }
    assert!(side.got.iter().all(|got| *got == Got::text("the same text again and again")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_end_in_a_fault_or_a_message_whatever_the_cuts(
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        cut in 0_usize..60,
        binary in any::<bool>(),
        limit in prop_oneof![Just(0_u64), 1_u64..3000],
    ) {
        // A header with a length above the limit is refused before its payload is read.
        let limit = if limit < payload.len() as u64 { 0 } else { limit };
        let options = ReceiverOptions { max_payload: limit, ..DEFLATING_SERVER };
        let opcode = if binary { BINARY } else { TEXT };
        let (head, tail) = payload.split_at(cut.min(payload.len()));
        let whole = from_peer(options, FIN | RSV1 | opcode, &payload);
        let cut = [from_peer(options, RSV1 | opcode, head), from_peer(options, FIN, tail)].concat();
        let got = received(options, &whole);
        prop_assert_eq!(got.len(), 1);
        prop_assert_eq!(received(options, &cut), got);
    }

    #[test]
    fn damaged_streams_end_in_a_fault_or_a_message_whatever_the_cuts(
        text in "[a-e]{0,300}",
        at in 0_usize..200,
        bit in 0_u8..8,
    ) {
        let mut bytes = compressed(DEFLATING_CLIENT, false, text.as_bytes(), usize::MAX);
        let at = 2 + at % (bytes.len() - 1).max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        prop_assert!(received(DEFLATING_CLIENT, &bytes).len() <= 1);
    }
}
