//! ws's binary type "fragments": the frames of a message, each in a buffer of its own.

use super::{
    BINARY, CLIENT, CONTINUATION, FIN, Got, Metered, SERVER, Side, TEXT, from_peer, masked,
    received_with,
};

#[test]
fn binary_frames_come_apart_and_text_whole() {
    for options in [SERVER, CLIENT] {
        let bytes = [
            from_peer(options, FIN | BINARY, b"single"),
            from_peer(options, BINARY, b"first"),
            from_peer(options, CONTINUATION, b""),
            from_peer(options, CONTINUATION, &[b'2'; 70_000]),
            from_peer(options, FIN | CONTINUATION, b"last"),
            from_peer(options, TEXT, b"te"),
            from_peer(options, FIN | CONTINUATION, b"xt"),
            from_peer(options, FIN | BINARY, b""),
        ];
        let expected = [
            Got::Fragments(vec![b"single".to_vec()]),
            Got::Fragments(vec![b"first".to_vec(), vec![b'2'; 70_000], b"last".to_vec()]),
            Got::text("text"),
            Got::Fragments(Vec::new()),
        ];
        assert_eq!(received_with(options, true, &bytes.concat()), expected);
    }
}

#[test]
fn a_change_of_binary_type_waits_for_the_next_message() {
    let mut side = Side::<Vec<u8>>::new(SERVER);
    side.feed(&masked(BINARY, b"a"));
    side.receiver.set_fragments(true);
    side.feed(&masked(FIN, b"b"));
    side.feed(&masked(BINARY, b"c"));
    side.receiver.set_fragments(false);
    side.feed(&masked(FIN, b"d"));
    side.feed(&masked(FIN | BINARY, b"e"));
    let expected = [
        Got::Binary(b"ab".to_vec()),
        Got::Fragments(vec![b"c".to_vec(), b"d".to_vec()]),
        Got::Binary(b"e".to_vec()),
    ];
    assert_eq!(side.got, expected);
}

#[test]
fn each_fragment_takes_what_it_needs_and_no_more() {
    let mut side = Side::<Metered>::new(SERVER);
    side.receiver.set_fragments(true);
    for _ in 0..100 {
        side.feed(&masked(BINARY, &[1; 1000]));
        side.feed(&masked(FIN, &[1; 3000]));
    }
    for part in 0..50 {
        side.feed(&masked(if part == 0 { BINARY } else { CONTINUATION }, &[1; 1000]));
    }
    assert_eq!(side.got.len(), 100);
    assert_eq!(Metered::held(), 50_000);
}
