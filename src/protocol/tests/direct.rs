//! Direct reads: receiving into the message's own buffer.

use super::{
    BINARY, FIN, Got, INFLATE, MessageBuffer, Metered, PING, RSV1, ReceiverOptions, SERVER, Side,
    TEXT, masked,
};

#[test]
fn a_direct_read_is_offered_only_if_enough_of_a_plain_frame_is_missing() {
    let options = ReceiverOptions { inflate: INFLATE, ..SERVER };
    let mut side = Side::<Vec<u8>>::new(options);
    let frame = masked(FIN | BINARY, &[9; 50_000]);
    assert!(matches!(side.receiver.direct(1), Ok(None)), "before any frame");
    side.feed(&frame[..5]);
    assert!(matches!(side.receiver.direct(1), Ok(None)), "within a header");
    side.feed(&frame[5..40_008]);
    assert!(matches!(side.receiver.direct(10_001), Ok(None)), "only 10,000 bytes are missing");
    assert!(matches!(side.receiver.direct(10_000), Ok(Some((_, 10_000)))));
    side.feed(&frame[40_008..]);
    assert!(matches!(side.receiver.direct(0), Ok(None)), "behind the frame");
    side.feed(&masked(FIN | PING, &[1; 100])[..50]);
    assert!(matches!(side.receiver.direct(1), Ok(None)), "within a ping");
    side.feed(&masked(FIN | PING, &[1; 100])[50..]);
    side.feed(&masked(FIN | RSV1 | BINARY, &[0; 9000])[..12]);
    assert!(matches!(side.receiver.direct(1), Ok(None)), "what is to be inflated");
    assert_eq!(side.got, [Got::Binary(vec![9; 50_000]), Got::Ping(vec![1; 100])]);
}

#[test]
fn a_buffer_grows_with_what_arrives_up_to_the_end_of_the_frame() {
    const LENGTH: usize = 3_000_000;
    let text = "é".repeat(LENGTH / 2);
    let frame = masked(FIN | TEXT, text.as_bytes());
    let mut side = Side::<Metered>::new(SERVER);
    side.feed(&frame[..14]);
    let mut at = 14;
    while at < frame.len() {
        let (buffer, most) = side.receiver.direct(1).expect("room").expect("an offer");
        let received = at - 14;
        assert_eq!(buffer.len(), received);
        assert!(buffer.capacity() <= (received * 2).clamp(64 * 1024, LENGTH));
        assert!(most >= 4096.min(LENGTH - received), "{most} bytes are not worth a system call");
        // The pieces have odd lengths, so that they cut the mask and the characters.
        let taken = most.min(60_001);
        buffer.extend(&frame[at..at + taken]).expect("there was room");
        side.receiver.direct_received(taken).expect("it is text");
        at += taken;
    }
    assert_eq!(side.got, []);
    side.feed(&[]);
    assert_eq!(side.got, [Got::text(&text)]);
}

#[test]
fn bad_text_is_refused_in_a_direct_read_as_well() {
    let mut side = Side::<Metered>::new(SERVER);
    side.feed_directly(&masked(FIN | TEXT, &[b"ok".repeat(9000), vec![0xff; 9000]].concat()), 1);
    assert_eq!(side.got, [Got::Fault(super::ProtocolError::InvalidUtf8)]);
    assert!(side.receiver.is_finished());
    assert_eq!(Metered::held(), 0);
}
