//! Valid messages and control frames.

use super::super::frame::{FrameHeader, Opcode, append_frame, write_header};
use super::{
    BINARY, CLIENT, CLOSE, CONTINUATION, FIN, Got, PING, PONG, SERVER, Side, TEXT, from_peer,
    masked, received, received_with, unmasked,
};
use proptest::prelude::*;

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455 section 5.7.
    let hello = vec![Got::text("Hello")];
    assert_eq!(received(CLIENT, b"\x81\x05\x48\x65\x6c\x6c\x6f"), hello);
    assert_eq!(received(SERVER, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), hello);
    assert_eq!(received(CLIENT, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"), hello);
    assert_eq!(received(CLIENT, b"\x89\x05\x48\x65\x6c\x6c\x6f"), [Got::Ping(b"Hello".to_vec())]);
    assert_eq!(
        received(SERVER, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
        [Got::Pong(b"Hello".to_vec())]
    );
    let bytes = vec![7; 256];
    let frame = [b"\x82\x7e\x01\x00", bytes.as_slice()].concat();
    assert_eq!(received(CLIENT, &frame), [Got::Binary(bytes)]);
    let bytes = vec![8; 65536];
    let frame = [b"\x82\x7f\0\0\0\0\0\x01\0\0", bytes.as_slice()].concat();
    assert_eq!(received(CLIENT, &frame), [Got::Binary(bytes)]);
}

#[test]
fn messages_of_every_size_class_arrive_in_both_roles() {
    for len in [0, 1, 125, 126, 4095, 4096, 4097, 20_000, 65_535, 65_536] {
        let payload: Vec<u8> = (0..len).map(|at| b'a' + (at % 23) as u8).collect();
        for options in [SERVER, CLIENT] {
            let binary = from_peer(options, FIN | BINARY, &payload);
            assert_eq!(received(options, &binary), [Got::Binary(payload.clone())], "{len}");
            let text = from_peer(options, FIN | TEXT, &payload);
            assert_eq!(received(options, &text), [Got::Text(payload.clone())], "{len}");
        }
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_read() {
    assert_eq!(received(CLIENT, b"\x82\x7e\0\x02ab"), [Got::Binary(b"ab".to_vec())]);
    assert_eq!(received(CLIENT, b"\x82\x7f\0\0\0\0\0\0\0\x02ab"), [Got::Binary(b"ab".to_vec())]);
}

#[test]
fn control_frames_come_between_the_fragments_of_a_message() {
    for options in [SERVER, CLIENT] {
        let frame = |first, payload: &[u8]| from_peer(options, first, payload);
        let bytes = [
            frame(TEXT, b"one "),
            frame(FIN | PING, b"p"),
            frame(CONTINUATION, b""),
            frame(FIN | PONG, &[b'q'; 125]),
            frame(FIN | CONTINUATION, b"message"),
            frame(FIN | PING, b""),
            frame(BINARY, b""),
            frame(FIN | CONTINUATION, b""),
            frame(FIN | CLOSE, b"\x03\xe8bye"),
        ];
        let expected = [
            Got::Ping(b"p".to_vec()),
            Got::Pong(vec![b'q'; 125]),
            Got::text("one message"),
            Got::Ping(Vec::new()),
            Got::Binary(Vec::new()),
            Got::Close(1000, b"bye".to_vec()),
        ];
        assert_eq!(received(options, &bytes.concat()), expected);
    }
}

#[test]
fn nothing_comes_after_a_close_frame() {
    let bytes = [masked(FIN | CLOSE, b""), masked(FIN | TEXT, b"late"), vec![0xff; 9]].concat();
    assert_eq!(received(SERVER, &bytes), [Got::Close(1005, Vec::new())]);
    let mut side = Side::<Vec<u8>>::new(SERVER);
    side.feed(&bytes);
    assert!(side.receiver.is_finished());
    assert!(matches!(side.receiver.direct(1), Ok(None)));
}

#[test]
fn a_receiver_is_small_and_the_input_is_where_short_messages_lie() {
    assert!(std::mem::size_of::<super::Receiver<Vec<u8>>>() <= 200);
    let mut bytes = [masked(FIN | BINARY, b"abc"), masked(FIN | PING, b"de")].concat();
    let (at, end) = (bytes.as_ptr() as usize, bytes.as_ptr() as usize + bytes.len());
    let mut input = super::Input::new(&mut bytes);
    let (mut receiver, mut codec) = (super::Receiver::<Vec<u8>>::new(SERVER), super::codec());
    for _ in 0..2 {
        let event = receiver.next(&mut input, &mut codec).expect("no fault").expect("an event");
        let (super::Event::Ping(data)
        | super::Event::Message { data: super::Data::Slice(data), .. }) = event
        else {
            panic!("{event:?}");
        };
        assert!((at..end).contains(&(data.as_ptr() as usize)));
    }
}

#[test]
fn headers_are_written_in_as_few_bytes_as_possible() {
    let header =
        |length, mask| FrameHeader { fin: true, rsv1: false, opcode: Opcode::Binary, mask, length };
    let write = |length, mask| write_header(&header(length, mask)).to_vec();
    assert_eq!(write(0, None), b"\x82\x00");
    assert_eq!(write(125, None), b"\x82\x7d");
    assert_eq!(write(126, None), b"\x82\x7e\x00\x7e");
    assert_eq!(write(0xffff, None), b"\x82\x7e\xff\xff");
    assert_eq!(write(0x1_0000, None), b"\x82\x7f\0\0\0\0\0\x01\0\0");
    assert_eq!(write(5, Some(*b"mask")), b"\x82\x85mask");
    assert_eq!(write(1 << 40, Some(*b"mask")), b"\x82\xff\0\0\x01\0\0\0\0\0mask");
}

#[test]
fn an_appended_frame_equals_the_examples() {
    let header =
        |mask| FrameHeader { fin: true, rsv1: false, opcode: Opcode::Text, mask, length: 99 };
    let mut out = b"before".to_vec();
    append_frame(&mut out, &header(Some([0x37, 0xfa, 0x21, 0x3d])), b"Hello");
    append_frame(&mut out, &header(None), b"Hello");
    assert_eq!(
        out,
        b"before\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81\x05\x48\x65\x6c\x6c\x6f"
    );
}

/// A message: whether it is binary, and its fragments, each with a ping after it or not.
type Sent = (bool, Vec<(Vec<u8>, bool)>);

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let payload = prop_oneof![
        6 => "[ -~]{0,30}",
        3 => "\\PC{0,20}",
        1 => "[a-z]{4000,4200}",
        1 => "é{3000,9000}",
    ];
    let fragment = (payload.prop_map(String::into_bytes), any::<bool>());
    let message = (any::<bool>(), proptest::collection::vec(fragment, 1..4));
    proptest::collection::vec(message, 0..6)
}

fn on_the_wire(messages: &[Sent], options: super::ReceiverOptions) -> (Vec<u8>, Vec<Got>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for (binary, fragments) in messages {
        let mut whole = Vec::new();
        for (index, (payload, ping)) in fragments.iter().enumerate() {
            let opcode = match (index, binary) {
                (0, true) => BINARY,
                (0, false) => TEXT,
                _ => CONTINUATION,
            };
            let last = index + 1 == fragments.len();
            bytes.extend(from_peer(options, if last { FIN | opcode } else { opcode }, payload));
            whole.extend(payload);
            if last {
                let whole = std::mem::take(&mut whole);
                expected.push(if *binary { Got::Binary(whole) } else { Got::Text(whole) });
            }
            if *ping {
                bytes.extend(from_peer(options, FIN | PING, b"?"));
                expected.push(Got::Ping(b"?".to_vec()));
            }
        }
    }
    (bytes, expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sent_message_arrives_whatever_the_cuts(messages in sent(), server in any::<bool>()) {
        let options = if server { SERVER } else { CLIENT };
        let (bytes, expected) = on_the_wire(&messages, options);
        prop_assert_eq!(received(options, &bytes), expected);
    }

    #[test]
    fn any_bytes_are_judged_alike_whatever_the_cuts(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        server in any::<bool>(),
        fragments in any::<bool>(),
    ) {
        let options = super::ReceiverOptions { max_payload: 1000, ..SERVER };
        let options = if server { options } else { super::ReceiverOptions { ..CLIENT } };
        let got = received_with(options, fragments, &bytes);
        let faults = got.iter().filter(|got| matches!(got, Got::Fault(_) | Got::Close(..))).count();
        prop_assert!(faults <= 1, "finished once: {:?}", got);
    }

    #[test]
    fn a_written_header_is_read_back_the_same(
        fin in any::<bool>(),
        binary in any::<bool>(),
        mask in any::<Option<[u8; 4]>>(),
        bits in 0_u32..53,
        low in any::<u64>(),
    ) {
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        let length = low & ((1 << bits) - 1);
        let header = FrameHeader { fin, rsv1: false, opcode, mask, length };
        let role = if mask.is_some() { SERVER.role } else { CLIENT.role };
        let rules = super::super::frame::HeaderRules { role, compression: false, in_message: false };
        let bytes = write_header(&header);
        prop_assert_eq!(FrameHeader::parse(&bytes, rules), Ok(Some((header, bytes.len()))));
        for cut in 0..bytes.len() {
            prop_assert_eq!(FrameHeader::parse(&bytes[..cut], rules), Ok(None));
        }
    }
}

#[test]
fn both_helpers_of_these_tests_agree_with_the_examples() {
    assert_eq!(masked(FIN | TEXT, b"Hello"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(unmasked(FIN | TEXT, b"Hello"), b"\x81\x05\x48\x65\x6c\x6c\x6f");
}
