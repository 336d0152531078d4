//! Short messages that come whole are decompressed without zlib, to the same result as zlib's when they come in
//! pieces.

use std::mem::discriminant;

use proptest::prelude::{Just, ProptestConfig, any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::super::{history::History, short_inflate};
use super::*;

const NO_STATES: CodecUsage = CodecUsage { compressors: 0, decompressors: 0, tables: 0 };

/// Two connections that get the same messages: one whole, the other in pieces.
struct Twins {
    codecs: [Codec; 2],
    whole: Inflater,
    cut: Inflater,
    limit: Option<u64>,
}

impl Twins {
    fn new(params: InflateParams, limit: Option<u64>) -> Self {
        let (whole, cut) = (Inflater::new(params), Inflater::new(params));
        Self { codecs: [codec(4), codec(4)], whole, cut, limit }
    }

    /// The message that both read; `None` after a fault.
    fn both(&mut self, payload: &[u8], at: usize) -> Option<Vec<u8>> {
        let [first, second] = &mut self.codecs;
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let whole = self.whole.inflate(first, payload, true, self.limit, &mut one);
        let (head, rest) = payload.split_at(at.min(payload.len()));
        let cut = self
            .cut
            .inflate(second, head, false, self.limit, &mut other)
            .and_then(|()| self.cut.inflate(second, rest, true, self.limit, &mut other));
        // If a message has several faults, zlib may name another one when it gets them at once.
        let kind = |done: &Result<(), ProtocolError>| done.as_ref().err().map(discriminant);
        assert_eq!(kind(&whole), kind(&cut), "{payload:02x?} cut at {at}: {whole:?}, {cut:?}");
        assert!(whole.is_err() || one == other, "{payload:02x?}: {one:?}, {other:?}");
        whole.ok().map(|()| one)
    }
}

fn fixed(window_bits: u8) -> Deflater {
    let strategy = Strategy::Fixed;
    Deflater::new(DeflateParams { window_bits, strategy, level: 6, ..DeflateParams::default() })
}

#[test]
fn short_messages_need_no_decompressor() {
    let (mut sender, mut receiver) = (codec(1), codec(1));
    let (mut deflater, mut inflater) = (fixed(15), plain_inflater());
    for number in 0..100 {
        let message = json(number, number as u64);
        let payload = deflate(&mut deflater, &mut sender, &message);
        assert_eq!(inflate(&mut inflater, &mut receiver, &payload), message);
    }
    assert_eq!(receiver.usage(), NO_STATES);
}

/// After a message that needs zlib, zlib reads short ones too for a while; each such message restarts that while.
#[test]
fn a_decompressor_is_given_up_for_several_in_a_row() {
    let (mut receiver, mut inflater) = (codec(1), plain_inflater());
    let digits: Vec<u8> = json(1000, 5).into_iter().filter(u8::is_ascii_digit).take(200).collect();
    // Each is compressed by itself: a long one, one with dynamic codes, and one with fixed codes.
    let messages = [json(3000, 1), digits, b"Hello".to_vec()];
    let payloads = messages.each_ref().map(|message| flate2_message(message, 9));
    let types = payloads.each_ref().map(|payload| payload[0] & 0b111);
    assert_eq!((types, payloads[1].len() < 128), ([0b100, 0b100, 0b010], true));
    let owned = |number: usize| {
        let message = inflate(&mut inflater, &mut receiver, &payloads[number]);
        assert_eq!(message, messages[number]);
        // Only a state without an owner can be taken as a spare one.
        let spare = receiver.decompressors.take_spare(|_| true);
        let owned = spare.is_none();
        spare.into_iter().for_each(|state| receiver.decompressors.put_spare(state));
        owned
    };
    let sequence = [0, 2, 2, 2, 2, 2, 1, 2, 2, 1, 2, 2, 2, 0, 2];
    assert_eq!(
        sequence.map(owned),
        [
            true, true, true, true, false, false, true, // the dynamic one
            true, true, true, true, true, true, true, true
        ]
    );
}

/// Matches of every length and distance, in the window and in the message itself.
#[test]
fn matches_of_every_length_and_distance() {
    let mut random = Random(11);
    for window_bits in [9, 15] {
        let mut twins = Twins::new(InflateParams { window_bits, ..InflateParams::default() }, None);
        let (mut sender, mut deflater) = (codec(1), fixed(window_bits));
        let mut sent: Vec<u8> = Vec::new();
        for number in 0..4000 {
            let message = match number % 4 {
                0 if sent.len() > 300 => {
                    let at =
                        sent.len() - 1 - random.below((1 << window_bits).min(sent.len() - 300));
                    let len = 3 + random.below(256);
                    sent[at.saturating_sub(len)..at].to_vec()
                }
                1 => vec![random.next() as u8; random.below(600)],
                2 => random.bytes(2).repeat(1 + random.below(300)),
                _ => {
                    let len = random.below(90);
                    random.bytes(len)
                }
            };
            let payload = deflate(&mut deflater, &mut sender, &message);
            assert_eq!(twins.both(&payload, 1).as_ref(), Some(&message), "{number}");
            sent.extend(&message);
        }
        assert!(sent.len() > 4 << window_bits);
    }
}

/// Messages that the short path cannot read are left to zlib whole: each of these for the reason beside it.
#[test]
fn the_short_path_leaves_other_messages_to_zlib() {
    let mut room = [0; short_inflate::MAX_OUTPUT];
    let mut inflated =
        |payload: &[u8]| short_inflate::inflate(&History::default(), payload, &mut room);
    assert_eq!(inflated(&[0x00]), Some(0)); // an empty message
    assert_eq!(inflated(&[0x02, 0x00]), Some(0)); // an empty block of fixed codes
    assert_eq!(inflated(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), Some(5)); // RFC 7692 section 7.2.3.1
    let left = [
        &[0x01][..],                              // the final block
        &[0x03, 0x00],                            // the same, of fixed codes
        &[0x04],                                  // dynamic codes
        &[0x06],                                  // no type of block
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9],          // cut
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07],    // cut before the stored block
        &[0x00, 0x01, 0x00, 0xfe, 0xff],          // a stored block without its byte
        &[0x00, 0x01, 0x00, 0xfe, 0xfe, 0x41, 0], // NLEN is not LEN's complement
        &[0x00, 0x00],                            // half of LEN
        &[0x02, 0x02, 0x00, 0x00],                // a distance beyond the beginning
        &[0x1a, 0x03, 0x00],                      // the code 286
    ];
    for payload in left {
        assert_eq!(inflated(payload), None, "{payload:02x?}");
    }
    let long = flate2_message(&[b'a'; short_inflate::MAX_OUTPUT + 1], 6);
    assert_eq!(inflated(&long), None);
}

fn payload() -> impl proptest::strategy::Strategy<Value = (Vec<u8>, u32)> {
    let text = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120),
        (0..120_usize, any::<u64>()).prop_map(|(len, seed)| json(len, seed)),
        (any::<u8>(), 0..1200_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    (text, prop_oneof![4 => Just(0), 1 => any::<u32>()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Messages in a row, some of them with a flipped bit, whole and cut.
    #[test]
    fn whole_and_cut_messages_are_read_alike(
        messages in proptest::collection::vec(payload(), 1..12),
        at in 1..20_usize,
        window_bits in 9..=15_u8,
        no_context_takeover: bool,
        stored: bool,
        limit in prop_oneof![Just(None), (0..300_u64).prop_map(Some)],
    ) {
        let mut twins = Twins::new(InflateParams { window_bits, no_context_takeover }, limit);
        let level = if stored { 0 } else { 6 };
        let mut sender = codec(1);
        let mut deflater = Deflater::new(DeflateParams {
            window_bits,
            no_context_takeover,
            level,
            strategy: Strategy::Fixed,
            ..DeflateParams::default()
        });
        for (message, flip) in messages {
            let mut payload = deflate(&mut deflater, &mut sender, &message);
            // A distance beyond a small window is a fault only for a decoder that remembers no more than the window.
            let damaged = flip != 0 && window_bits == 15 && !payload.is_empty();
            if damaged {
                let len = payload.len();
                payload[flip as usize / 8 % len] ^= 1 << (flip % 8);
            }
            match twins.both(&payload, at) {
                None => break,
                Some(made) if !damaged => prop_assert_eq!(made, message),
                Some(_) => break, // the sender's window differs from now on
            }
        }
    }

    /// Arbitrary bytes.
    #[test]
    fn any_bytes_are_read_as_zlib_reads_them(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..6)) {
        let mut twins = Twins::new(InflateParams::default(), Some(100_000));
        for mut payload in payloads {
            payload[0] &= !0b101; // most are blocks of fixed codes, or stored
            if twins.both(&payload, 1).is_none() {
                break;
            }
        }
    }
}
