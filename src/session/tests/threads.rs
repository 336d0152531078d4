//! Long messages: threads compress and inflate them, and nothing overtakes them.

use std::sync::atomic::Ordering;

use super::host::{LIMITS, SETTINGS, Seen, Sent, TestHost, frame};
use super::protocol::deflate::{Codec, DeflateParams, InflateParams};
use super::protocol::error::ProtocolError;
use super::protocol::frame::append_frame;
use super::protocol::sender::{SendOptions, Sender};
use super::protocol::{self, Role};
use super::sending::compressing;
use super::session::{Ending, Host, LONG, Limits, Settings, delivery};
use super::{BINARY, PING, heard, listen, texts};

const WHOLE: SendOptions = SendOptions { binary: false, compress: true, fin: true };
const INFLATE: InflateParams = InflateParams { window_bits: 15, no_context_takeover: false };

/// A text of `size` bytes, compressed, as a server sends it.
fn compressed(size: usize) -> Vec<u8> {
    let mut sender = Sender::new(Role::Server, Some(DeflateParams::default()));
    let (data, mut payload, mut bytes) = (vec![b'x'; size], Vec::new(), Vec::new());
    let begun = sender.begin(size, &WHOLE);
    sender.compress(&mut Codec::default(), &begun, &data, &mut payload).expect("memory");
    append_frame(&mut bytes, &begun.header(payload.len() as u64, None), &payload);
    bytes
}

fn inflating(limits: Limits, has_threads: bool) -> TestHost {
    let host = TestHost::new(SETTINGS, limits, Some((INFLATE, DeflateParams::default())));
    host.has_threads.set(has_threads);
    listen(&host);
    delivery::start(&host, b"");
    host
}

#[test]
fn a_long_message_is_inflated_by_a_thread_or_at_once_with_the_same_events() {
    let stream = [texts(&["a"]), compressed(300_000), texts(&["b"])].concat();
    let wanted = [heard("a"), heard(&"x".repeat(300_000)), heard("b")];
    for has_threads in [false, true] {
        let host = inflating(LIMITS, has_threads);
        host.feed(&stream);
        if has_threads {
            assert_eq!(host.log(), wanted[..1]);
            assert!(host.is_inflating());
            host.feed(&texts(&["c"]));
            assert_eq!(host.log(), []);
            host.end_inflating();
            assert_eq!(host.log(), [&wanted[1..], &[heard("c")]].concat());
        } else {
            assert_eq!(host.log(), wanted);
        }
    }
}

#[test]
fn an_inflated_message_waits_while_the_program_has_paused() {
    let host = inflating(LIMITS, true);
    host.feed(&compressed(300_000));
    delivery::pause(&host);
    host.end_inflating();
    host.receive_eof();
    assert_eq!(host.log(), [Seen::Reading(false)]);
    delivery::resume(&host);
    host.tick();
    let log = host.log();
    assert_eq!(log[0], heard(&"x".repeat(300_000)));
    assert!(log.ends_with(&[Seen::End, Seen::Closing]));
}

#[test]
fn a_fault_that_a_thread_finds_is_reported() {
    for has_threads in [false, true] {
        let host = inflating(Limits { max_payload: 200_000, ..LIMITS }, has_threads);
        host.feed(&compressed(300_000));
        host.end_inflating();
        assert_eq!(host.log(), [Seen::Fail(ProtocolError::UnsupportedMessageLength)]);
    }
}

#[test]
fn reading_stops_beyond_64_kib_while_a_thread_inflates() {
    let host = inflating(LIMITS, true);
    host.feed(&compressed(300_000));
    host.feed(&frame(BINARY, &[0; 64 * 1024 - 10]));
    assert_eq!(host.log(), []);
    host.feed(&[0x89; 10]);
    assert_eq!(host.log(), [Seen::Reading(false)]);
}

#[test]
fn the_loss_waits_for_the_thread_that_inflates_but_an_abort_does_not() {
    let host = inflating(LIMITS, true);
    host.feed(&compressed(300_000));
    host.lose();
    assert_eq!(host.log(), []);
    host.end_inflating();
    assert_eq!(host.log(), [heard(&"x".repeat(300_000)), Seen::Lost]);

    let host = inflating(LIMITS, true);
    host.feed(&compressed(300_000));
    let (cancelled, limit) = host.with(|session| session.begin_inflating());
    assert_eq!((cancelled.load(Ordering::Relaxed), limit), (false, 10));
    host.abort();
    assert!(cancelled.load(Ordering::Relaxed));
    host.lose();
    assert_eq!(host.log(), [Seen::Lost]);
    host.end_inflating();
    assert_eq!(host.log(), []);
}

#[test]
fn earlier_messages_reach_a_new_listener_while_a_thread_inflates() {
    let host = inflating(LIMITS, true);
    assert_eq!(delivery::set_listener(&host, None), Some(1));
    host.feed(&[texts(&["a"]), compressed(300_000)].concat());
    assert_eq!(host.waiting_messages(), 1);
    listen(&host);
    host.tick();
    assert_eq!(host.log(), [heard("a")]);
    host.end_inflating();
    assert_eq!(host.log(), [heard(&"x".repeat(300_000))]);
}

/// Returns what a peer receives of all that was queued: messages (true) and pings, with their sizes.
fn received(host: &TestHost) -> Vec<(bool, usize)> {
    use protocol::receiver::{Data, Event, Input, Receiver, ReceiverOptions};
    let options = ReceiverOptions {
        role: Role::Client,
        max_payload: 0,
        max_fragments: 0,
        max_buffered_chunks: 0,
        skip_utf8_validation: false,
        inflate: Some(INFLATE),
    };
    let (mut receiver, mut codec) = (Receiver::<Vec<u8>>::new(options), Codec::default());
    let mut bytes = host.wire.borrow().bytes().to_vec();
    let mut input = Input::new(&mut bytes);
    let mut all = Vec::new();
    while let Some(event) = receiver.next(&mut input, &mut codec).unwrap() {
        all.push(match event {
            Event::Message { data: Data::Slice(data), .. } => (true, data.len()),
            Event::Message { data: Data::Buffer(data), .. } => (true, data.len()),
            Event::Ping(data) => (false, data.len()),
            other => panic!("{other:?} was not sent"),
        });
    }
    all
}

/// Sends three long messages and short ones around them, with the callbacks 0 to 5, and then a ping.
fn send_around_long_ones(host: &TestHost) {
    let sizes = [10, LONG + 1, 20, LONG + 2, LONG + 3, 30];
    for (at, size) in sizes.into_iter().enumerate() {
        let sent = host.send(&vec![b'x'; size], WHOLE, Some(at as u32));
        assert_eq!(sent, if at < 2 { Sent::Queued } else { Sent::Behind });
    }
    assert_eq!(host.ping(b"ping"), Sent::Behind);
    assert!(host.with(|session| session.is_behind()));
}

#[test]
fn frames_sent_after_a_long_message_are_written_after_it() {
    let host = compressing(SETTINGS);
    send_around_long_ones(&host);
    let waiting = |host: &TestHost| host.with(|session| session.bytes_waiting());
    assert_eq!(waiting(&host), 3 * LONG + 6 + 20 + 30 + 4);
    assert!(!host.with(|session| session.has_room_after(0)));
    host.end(Ending::Half);
    host.write(usize::MAX);
    let mut turns = 0;
    while host.is_compressing() {
        assert_eq!(host.wire.borrow().endings, [], "there is more to write");
        host.end_compressing();
        host.write(usize::MAX);
        turns += 1;
    }
    assert_eq!((turns, waiting(&host)), (3, 0));
    assert_eq!(host.wire.borrow().endings, [Ending::Half]);
    let lengths = [10, LONG + 1, 20, LONG + 2, LONG + 3, 30].map(|len| (true, len));
    assert_eq!(received(&host), [&lengths[..], &[(false, 4)]].concat());
    let called: Vec<Seen> = (0..6).map(|at| Seen::Called(at, true)).collect();
    assert_eq!(host.log(), called);
}

#[test]
fn frames_that_wait_for_a_thread_are_lost_with_the_wire_and_their_callbacks_called_in_order() {
    for done in 0..3 {
        let host = compressing(SETTINGS);
        send_around_long_ones(&host);
        (0..done).for_each(|_| host.end_compressing());
        host.lose();
        let called: Vec<Seen> = (0..6).map(|at| Seen::Called(at, false)).collect();
        assert_eq!(host.log(), [called, vec![Seen::Lost]].concat());
        assert!(!host.with(|session| session.is_behind()));
        assert_eq!(host.with(|session| session.bytes_waiting()), 0);
        host.end_compressing();
        assert_eq!(host.log(), []);
        assert_eq!(host.send(b"", WHOLE, None), Sent::NotConnected);
    }
}

#[test]
fn a_frame_whose_socket_has_died_before_its_turn_keeps_its_callback_until_the_loss() {
    for queued in 1..4 {
        let host = compressing(SETTINGS);
        send_around_long_ones(&host);
        // The socket dies as soon as this many more bytes are queued.
        let total = host.wire.borrow().total();
        host.wire.borrow_mut().dies_at = Some(total + queued * 100);
        (0..3).for_each(|_| host.end_compressing());
        assert!(host.with(|session| session.takes_frames_behind() || !session.is_behind()));
        host.lose();
        let called: Vec<Seen> = (0..6).map(|at| Seen::Called(at, false)).collect();
        assert_eq!(host.log(), [called, vec![Seen::Lost]].concat(), "{queued}");
    }
}

#[test]
fn automatic_pongs_that_wait_for_a_thread_count_against_the_limit() {
    let host = compressing(Settings { max_pending_auto_pongs: 1, ..SETTINGS });
    host.send(&vec![b'x'; LONG + 1], WHOLE, None);
    host.feed(&frame(PING, b"1").repeat(2));
    assert_eq!(host.log(), [Seen::Answered(b"1".into())]);
    host.end_compressing();
    host.feed(&frame(PING, b"1"));
    assert_eq!(host.log(), []);
    host.write(usize::MAX);
    host.feed(&frame(PING, b"1"));
    assert_eq!(host.log(), [Seen::Answered(b"1".into())]);
}

#[test]
fn no_frame_waits_where_no_compression_was_agreed() {
    let host = TestHost::started(SETTINGS);
    assert_eq!(host.send(&vec![0; LONG + 1], WHOLE, None), Sent::Queued);
    assert!(!host.is_compressing());
    let begun =
        host.with_codec(|session, codec| session.begin_compressing(codec, 1, None).is_none());
    assert!(begun);
    host.with(|session| {
        assert_eq!(session.keep_callback(Some(1)), Some(1));
        assert!(matches!(session.next_behind(), super::session::Turn::Over));
    });
}

#[test]
fn a_thread_is_stopped_when_its_connection_is_aborted() {
    let host = compressing(SETTINGS);
    let cancelled = host.with_codec(|session, codec| {
        let (deflater, queue) = session.begin_compressing(codec, 1, None).expect("agreed");
        drop(deflater);
        queue.cancelled()
    });
    host.abort();
    assert!(cancelled.load(Ordering::Relaxed));
}
