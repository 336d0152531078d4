//! Every fault that a peer can commit, as bytes, with its name, its close code and its message.

use super::super::close::{CloseError, ClosePayload, MAX_REASON, NO_STATUS, is_valid_close_code};
use super::super::frame::{FrameHeader, HeaderRules, Role};
use super::{
    BINARY, CLIENT, CLOSE, CONTINUATION, FIN, Got, INFLATE, Metered, PING, PONG, ProtocolError,
    RSV1, ReceiverOptions, SERVER, Side, TEXT, from_peer, masked, received, received_with,
    unmasked,
};
use ProtocolError::{
    ExpectedFin, ExpectedMask, InvalidCloseCode, InvalidControlPayloadLength, InvalidDeflate,
    InvalidOpcode, InvalidUtf8, OutOfMemory, TooManyBufferedChunks, TooManyFragments,
    UnexpectedMask, UnexpectedRsv1, UnexpectedRsv2Or3, UnsupportedDataPayloadLength,
    UnsupportedMessageLength,
};

type Provocation = (ReceiverOptions, Vec<u8>, ProtocolError);

const DEFLATE: ReceiverOptions = ReceiverOptions { inflate: INFLATE, ..SERVER };

const fn opcode(opcode: u8) -> ProtocolError {
    InvalidOpcode { opcode }
}

const fn length(length: u8) -> ProtocolError {
    InvalidControlPayloadLength { length }
}

const fn code(code: u16) -> ProtocolError {
    InvalidCloseCode { code }
}

/// Faults in the first two bytes of a frame.
fn of_first_bytes() -> Vec<Provocation> {
    let in_message = |second: Vec<u8>| [masked(TEXT, b"a"), second].concat();
    let rsv = FIN | 0x20;
    vec![
        (SERVER, masked(PING, b""), ExpectedFin),
        (SERVER, masked(PONG, b"x"), ExpectedFin),
        (SERVER, masked(CLOSE, b""), ExpectedFin),
        (SERVER, unmasked(FIN | TEXT, b"hi"), ExpectedMask),
        (SERVER, unmasked(FIN | PING, b""), ExpectedMask),
        (CLIENT, masked(FIN | TEXT, b"hi"), UnexpectedMask),
        (CLIENT, masked(FIN | CLOSE, b""), UnexpectedMask),
        (SERVER, masked(FIN | CLOSE, b"x"), length(1)),
        (SERVER, masked(FIN | PING, &[0; 126]), length(126)),
        (SERVER, masked(FIN | PONG, &[0; 65_536]), length(127)),
        (SERVER, masked(FIN | CLOSE, &[3; 126]), length(126)),
        (SERVER, masked(FIN | 0x5, b""), opcode(5)),
        (CLIENT, unmasked(FIN | 0xb, b""), opcode(11)),
        (SERVER, masked(FIN | CONTINUATION, b"x"), opcode(0)),
        (SERVER, in_message(masked(FIN | TEXT, b"b")), opcode(1)),
        (SERVER, in_message(masked(BINARY, b"b")), opcode(2)),
        (SERVER, masked(FIN | RSV1 | TEXT, b""), UnexpectedRsv1),
        (DEFLATE, masked(FIN | RSV1 | PING, b""), UnexpectedRsv1),
        (DEFLATE, in_message(masked(RSV1, b"b")), UnexpectedRsv1),
        (SERVER, masked(rsv | TEXT, b""), UnexpectedRsv2Or3),
        (DEFLATE, masked(rsv | RSV1 | TEXT, b""), UnexpectedRsv2Or3),
        (DEFLATE, masked(FIN | 0x10 | PING, b""), UnexpectedRsv2Or3),
    ]
}

/// Faults in lengths and payloads.
fn of_the_rest() -> Vec<Provocation> {
    let ten = ReceiverOptions { max_payload: 10, ..SERVER };
    let two = ReceiverOptions { max_fragments: 2, ..SERVER };
    let huge = |length: u64| super::declares(FIN | BINARY, length);
    let eleven = masked(FIN | BINARY, &[0; 11]);
    let three = [masked(TEXT, b""), masked(0, b""), masked(0, b"")].concat();
    // The reserved block type of RFC 1951 section 3.2.3.
    let (block, deflate) = (masked(FIN | RSV1 | BINARY, b"\x07"), INVALID_DEFLATE);
    vec![
        (SERVER, masked(FIN | CLOSE, b"\x03\xed"), code(1005)),
        (SERVER, masked(FIN | CLOSE, b"\0\0reason"), code(0)),
        (SERVER, masked(FIN | TEXT, b"\xff"), InvalidUtf8),
        (SERVER, masked(FIN | CLOSE, b"\x03\xe8\xff"), InvalidUtf8),
        (SERVER, huge(1 << 53), UnsupportedDataPayloadLength),
        (SERVER, huge((1 << 63) - 1), UnsupportedDataPayloadLength),
        (SERVER, huge(1 << 63), UnsupportedDataPayloadLength),
        (SERVER, huge(u64::MAX), UnsupportedDataPayloadLength),
        (ten, eleven, UnsupportedMessageLength),
        (two, three, TooManyFragments),
        (DEFLATE, block, deflate),
    ]
}

const INVALID_DEFLATE: ProtocolError = InvalidDeflate { reason: "" };

#[test]
fn every_fault_is_provoked_by_bytes_whatever_the_cuts() {
    let mut seen = Vec::new();
    for (options, bytes, fault) in of_first_bytes().into_iter().chain(of_the_rest()) {
        let got = received(options, &bytes);
        assert_eq!(got, [Got::Fault(fault)], "{bytes:x?}");
        seen.push(std::mem::discriminant(&fault));
    }
    // The other faults need more than bytes.
    for fault in [TooManyBufferedChunks, OutOfMemory] {
        seen.push(std::mem::discriminant(&fault));
    }
    for fault in ProtocolError::ALL {
        assert!(seen.contains(&std::mem::discriminant(&fault)), "{fault:?} is not provoked");
    }
}

#[test]
fn separately_held_pieces_are_limited() {
    let options = ReceiverOptions { max_buffered_chunks: 2, ..SERVER };
    let three = [masked(BINARY, b"a"), masked(0, b"b"), masked(0, b""), masked(FIN, b"c")].concat();
    assert_eq!(received_with(options, true, &three), [Got::Fault(TooManyBufferedChunks)]);
    assert_eq!(received_with(options, false, &three), [Got::Binary(b"abc".to_vec())]);
    let two = [masked(BINARY, b"a"), masked(0, b""), masked(FIN, b"c")].concat();
    let parts = vec![b"a".to_vec(), b"c".to_vec()];
    assert_eq!(received_with(options, true, &two), [Got::Fragments(parts)]);
}

#[test]
fn running_out_of_memory_is_a_fault_of_that_connection() {
    Metered::refuse_beyond(100_000);
    for piece in [1000, 200_000] {
        let mut side = Side::<Metered>::new(SERVER);
        for bytes in masked(FIN | BINARY, &[7; 150_000]).chunks(piece) {
            side.feed(bytes);
        }
        assert_eq!(side.got, [Got::Fault(OutOfMemory)]);
    }
    let mut side = Side::<Metered>::new(SERVER);
    side.feed_directly(&masked(FIN | BINARY, &[7; 150_000]), 1);
    assert_eq!(side.got, [Got::Fault(OutOfMemory)]);
    drop(side);
    assert_eq!(Metered::held(), 0);
}

#[test]
fn a_fault_is_reported_once_and_what_follows_is_dropped() {
    let mut side = Side::<Metered>::new(SERVER);
    side.feed(&masked(BINARY, &[0; 50_000]));
    assert!(Metered::held() >= 50_000);
    side.feed(&masked(FIN | 0x3, b""));
    assert_eq!(Metered::held(), 0, "what was under way is dropped");
    side.feed(&masked(FIN | TEXT, b"more"));
    assert_eq!(side.got, [Got::Fault(InvalidOpcode { opcode: 3 })]);
    assert!(side.receiver.is_finished());
}

/// The rules of RFC 6455 section 5 on the first two bytes, written down independently, one by one.
fn judged(first: u8, second: u8, rules: HeaderRules) -> Result<(), ProtocolError> {
    let (fin, rsv1, opcode) = (first >= 128, first & 64 != 0, first % 16);
    let (has_mask, length) = (second >= 128, second % 128);
    let control = [8, 9, 10].contains(&opcode);
    let known = control || opcode < 3;
    let misplaced =
        opcode == 0 && !rules.in_message || opcode < 3 && opcode > 0 && rules.in_message;
    let server = rules.role == Role::Server;
    let broken = [
        (first & 0x30 != 0, UnexpectedRsv2Or3),
        (rsv1 && !rules.compression, UnexpectedRsv1),
        (!known, InvalidOpcode { opcode }),
        (rsv1 && opcode == 0, UnexpectedRsv1),
        (misplaced, InvalidOpcode { opcode }),
        (control && !fin, ExpectedFin),
        (control && rsv1, UnexpectedRsv1),
        (control && length > 125, InvalidControlPayloadLength { length }),
        (opcode == 8 && length == 1, InvalidControlPayloadLength { length }),
        (server && !has_mask, ExpectedMask),
        (!server && has_mask, UnexpectedMask),
    ];
    broken.iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, fault)| Err(*fault))
}

#[test]
fn every_pair_of_first_bytes_is_judged_by_the_rules() {
    for role in [Role::Server, Role::Client] {
        for (compression, in_message) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let rules = HeaderRules { role, compression, in_message };
            for pair in 0..=0xffff_u16 {
                let [first, second] = pair.to_be_bytes();
                let expected = judged(first, second, rules);
                let bytes = [first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                let got = FrameHeader::parse(&bytes, rules).map(|header| assert!(header.is_some()));
                assert_eq!(got, expected, "{first:x} {second:x} {rules:?}");
            }
        }
    }
}

#[test]
fn a_fault_is_seen_at_the_byte_that_commits_it() {
    let faulty: [(&[u8], ProtocolError); 5] = [
        (b"\xa1", UnexpectedRsv2Or3),
        (b"\x83", InvalidOpcode { opcode: 3 }),
        (b"\x81\x05", ExpectedMask),
        (b"\x82\xff\x80", UnsupportedDataPayloadLength),
        (b"\x82\xff\x00\x20", UnsupportedDataPayloadLength),
    ];
    for (bytes, fault) in faulty {
        let mut side = Side::<Vec<u8>>::new(SERVER);
        let (last, first) = bytes.split_last().expect("not empty");
        side.feed(first);
        assert_eq!(side.got, []);
        side.feed(&[*last]);
        assert_eq!(side.got, [Got::Fault(fault)]);
    }
}

#[test]
fn the_table_of_close_codes() {
    for code in 0..=u16::MAX {
        let registered = (1000..=1014).contains(&code) && ![1004, 1005, 1006].contains(&code);
        let expected = registered || (3000..5000).contains(&code);
        assert_eq!(is_valid_close_code(code), expected, "{code}");
        let payload = [&code.to_be_bytes()[..], b"why"].concat();
        let mut side = Side::<Vec<u8>>::new(SERVER);
        side.feed(&masked(FIN | CLOSE, &payload));
        let event = if expected {
            Got::Close(code, b"why".to_vec())
        } else {
            Got::Fault(InvalidCloseCode { code })
        };
        assert_eq!(side.got, [event]);
    }
}

#[test]
fn close_reasons_of_every_length_arrive_and_are_written() {
    for options in [SERVER, CLIENT] {
        for len in [0, 1, 60, MAX_REASON] {
            let reason = vec![b'r'; len];
            let close = ClosePayload { code: 4321, reason: &reason };
            let payload = close.write().expect("it may be sent");
            let frame = from_peer(options, FIN | CLOSE, payload.as_ref());
            assert_eq!(received(options, &frame), [Got::Close(4321, reason)]);
        }
    }
    let empty = ClosePayload { code: NO_STATUS, reason: b"" };
    assert_eq!(empty.write().expect("nothing to send").as_ref(), b"");
}

#[test]
fn close_codes_and_reasons_that_our_caller_may_not_send_are_refused() {
    let write = |code, reason: &[u8]| ClosePayload { code, reason }.write().map(|_| ());
    assert_eq!(write(1006, b""), Err(CloseError::InvalidCode(1006)));
    assert_eq!(write(NO_STATUS, b"x"), Err(CloseError::InvalidCode(1005)));
    assert_eq!(write(1000, &[b'x'; 124]), Err(CloseError::ReasonTooLong(124)));
    assert_eq!(CloseError::InvalidCode(99).to_string(), "invalid close code 99");
    assert!(CloseError::ReasonTooLong(124).to_string().contains("124"));
}

#[test]
fn bad_reasons_pass_if_validation_is_skipped() {
    let options = ReceiverOptions { skip_utf8_validation: true, ..SERVER };
    let frame = masked(FIN | CLOSE, b"\x03\xe8\xff");
    assert_eq!(received(options, &frame), [Got::Close(1000, b"\xff".to_vec())]);
}

/// The close code, the name, and the message: the part after "Invalid WebSocket frame: ", or in full.
const SAID: [(u16, &str, &str); 15] = [
    (1002, "WS_ERR_EXPECTED_FIN", ": FIN must be set"),
    (1002, "WS_ERR_EXPECTED_MASK", ": MASK must be set"),
    (1002, "WS_ERR_INVALID_CLOSE_CODE", ": invalid status code 1005"),
    (1002, "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", ": invalid payload length 126"),
    (1002, "WS_ERR_INVALID_OPCODE", ": invalid opcode 5"),
    (1007, "WS_ERR_INVALID_UTF8", ": invalid UTF-8 sequence"),
    (1002, "WS_ERR_UNEXPECTED_MASK", ": MASK must be clear"),
    (1002, "WS_ERR_UNEXPECTED_RSV_1", ": RSV1 must be clear"),
    (1002, "WS_ERR_UNEXPECTED_RSV_2_3", ": RSV2 and RSV3 must be clear"),
    (
        1009,
        "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
        "Unsupported WebSocket frame: payload length > 2^53 - 1",
    ),
    (1009, "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "Max payload size exceeded"),
    (1008, "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many message fragments"),
    (1008, "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many buffered chunks"),
    (1007, "Z_DATA_ERROR", "invalid block type"),
    (1011, "ERR_OUT_OF_MEMORY", "Out of memory"),
];

#[test]
fn each_fault_has_its_name_code_and_message() {
    for (fault, (close_code, name, message)) in ProtocolError::ALL.into_iter().zip(SAID) {
        let message = match message.strip_prefix(": ") {
            Some(rest) => format!("Invalid WebSocket frame: {rest}"),
            None => message.to_owned(),
        };
        assert_eq!(fault.close_code(), close_code, "{fault:?}");
        assert_eq!(fault.code(), name);
        assert_eq!(fault.to_string(), message);
    }
}
