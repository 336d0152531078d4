//! Text is either valid, or refused as soon as it cannot become valid.

use super::{
    BINARY, CLIENT, CONTINUATION, FIN, Got, PING, ProtocolError, ReceiverOptions, SERVER, Side,
    TEXT, from_peer, received,
};

const INVALID: [Got; 1] = [Got::Fault(ProtocolError::InvalidUtf8)];

#[test]
fn characters_may_be_cut_by_frames() {
    let text = "κόσμε 𝄞 日本";
    for options in [SERVER, CLIENT] {
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let bytes = [
                from_peer(options, TEXT, head),
                from_peer(options, FIN | PING, b""),
                from_peer(options, CONTINUATION, b""),
                from_peer(options, FIN | CONTINUATION, tail),
            ];
            let expected = [Got::Ping(Vec::new()), Got::text(text)];
            assert_eq!(received(options, &bytes.concat()), expected);
        }
    }
}

#[test]
fn long_text_with_characters_across_every_block() {
    for shift in 0..4 {
        let text = "x".repeat(shift) + &"𝄞".repeat(12_000);
        for options in [SERVER, CLIENT] {
            let frame = from_peer(options, FIN | TEXT, text.as_bytes());
            assert_eq!(received(options, &frame), [Got::text(&text)]);
        }
    }
}

#[test]
fn invalid_text_is_refused_in_every_form() {
    let long = [&[b'a'; 30_000][..], b"\xf8"].concat();
    let bad: [&[u8]; 7] = [
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"cut off \xe2\x82",
        &long,
        b"\xe2\x82x",
    ];
    for text in bad {
        for options in [SERVER, CLIENT] {
            assert_eq!(received(options, &from_peer(options, FIN | TEXT, text)), INVALID);
            let (head, tail) = text.split_at(text.len() / 2);
            let fragments =
                [from_peer(options, TEXT, head), from_peer(options, FIN | CONTINUATION, tail)];
            assert_eq!(received(options, &fragments.concat()), INVALID);
            let binary = from_peer(options, FIN | BINARY, text);
            assert_eq!(received(options, &binary), [Got::Binary(text.to_vec())]);
            let skip = ReceiverOptions { skip_utf8_validation: true, ..options };
            let frame = from_peer(options, FIN | TEXT, text);
            assert_eq!(received(skip, &frame), [Got::Text(text.to_vec())]);
        }
    }
}

#[test]
fn bad_text_is_refused_before_the_rest_of_it_comes() {
    let mut side = Side::<Vec<u8>>::new(CLIENT);
    side.feed(b"\x01\x7f\0\0\0\0\0\x10\0\0some text");
    assert_eq!(side.got, []);
    side.feed(b"\xf4");
    assert_eq!(side.got, []);
    side.feed(b"\x90");
    assert_eq!(side.got, INVALID);
}

#[test]
fn a_message_does_not_inherit_anothers_unfinished_character() {
    let unfinished = [from_peer(SERVER, BINARY, b"\xe2"), from_peer(SERVER, FIN, b"\x82")].concat();
    let bytes = [unfinished, from_peer(SERVER, FIN | TEXT, b"plain")].concat();
    let expected = [Got::Binary(b"\xe2\x82".to_vec()), Got::text("plain")];
    assert_eq!(received(SERVER, &bytes), expected);
}
