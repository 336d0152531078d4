//! Parsing headers, and passing whole frames through the receiver.

use _core::protocol::Role;
use _core::protocol::deflate::Codec;
use _core::protocol::frame::{FrameHeader, HeaderRules, Opcode, append_frame};
use _core::protocol::receiver::{Input, Receiver, ReceiverOptions};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use crate::payload::json;

/// Bytes of a stream that are received at once: as many as a socket gives in one read.
const STREAM: usize = 64 << 10;
/// Payload lengths of the frames in a stream; one frame of the last length is a stream by itself.
const PAYLOADS: [usize; 4] = [16, 64, 2 << 10, 1 << 20];

fn header(length: usize, opcode: Opcode) -> FrameHeader {
    FrameHeader { fin: true, rsv1: false, opcode, mask: Some([0; 4]), length: length as u64 }
}

/// The frames of a client, and their number.
fn stream(payload: usize, opcode: Opcode) -> (Vec<u8>, usize) {
    let count = (STREAM / payload).max(1);
    let mut bytes = Vec::new();
    for seed in 1..=count {
        append_frame(&mut bytes, &header(payload, opcode), &json(payload, seed as u64));
    }
    (bytes, count)
}

/// Headers of 6, 8 and 14 bytes.
#[divan::bench(args = [64, 2 << 10, 1 << 20])]
fn header_parse(bencher: Bencher<'_, '_>, payload: usize) {
    let mut bytes = Vec::new();
    append_frame(&mut bytes, &header(payload, Opcode::Binary), &[]);
    let rules = HeaderRules { role: Role::Server, compression: false, in_message: false };
    assert!(
        matches!(FrameHeader::parse(&bytes, rules), Ok(Some((_, size))) if size == bytes.len())
    );
    bencher
        .counter(BytesCount::new(bytes.len()))
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| FrameHeader::parse(black_box(&bytes), black_box(rules)));
}

#[divan::bench(args = PAYLOADS)]
fn receiver_of_binary(bencher: Bencher<'_, '_>, payload: usize) {
    received(bencher, payload, Opcode::Binary);
}

#[divan::bench(args = PAYLOADS)]
fn receiver_of_text(bencher: Bencher<'_, '_>, payload: usize) {
    received(bencher, payload, Opcode::Text);
}

fn received(bencher: Bencher<'_, '_>, payload: usize, opcode: Opcode) {
    let (mut bytes, count) = stream(payload, opcode);
    let mut codec = Codec::default();
    let mut receiver: Receiver<Vec<u8>> = Receiver::new(ReceiverOptions {
        role: Role::Server,
        max_payload: 100 << 20,
        max_fragments: 16_384,
        max_buffered_chunks: 262_144,
        skip_utf8_validation: false,
        inflate: None,
    });
    let mut messages = move |bytes: &mut Vec<u8>| {
        let mut input = Input::new(bytes);
        let mut messages = 0;
        while let Ok(Some(event)) = receiver.next(&mut input, &mut codec) {
            black_box(&event);
            messages += 1;
        }
        messages
    };
    assert_eq!(messages(&mut bytes), count);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .counter(ItemsCount::new(count))
        .bench_local(|| messages(black_box(&mut bytes)));
}
