//! The outgoing half: bounds, refusals, callbacks, broadcasts, the end.

use super::host::{LIMITS, SETTINGS, Seen, Sent, TestHost, frame};
use super::protocol::Role;
use super::protocol::deflate::{DeflateParams, InflateParams};
use super::protocol::sender::SendOptions;
use super::session::{BroadcastTo, Ending, Host, LONG, Settings};
use super::{BINARY, PING};

const WHOLE: SendOptions = SendOptions { binary: true, compress: true, fin: true };
const PART: SendOptions = SendOptions { fin: false, ..WHOLE };
const INFLATE: InflateParams = InflateParams { window_bits: 15, no_context_takeover: false };

/// A connection that compresses.
pub(super) fn compressing(settings: Settings) -> TestHost {
    let host = TestHost::new(settings, LIMITS, Some((INFLATE, DeflateParams::default())));
    super::session::delivery::start(&host, b"");
    host
}

fn called(all: &[(u32, bool)]) -> Vec<Seen> {
    all.iter().map(|(callback, written)| Seen::Called(*callback, *written)).collect()
}

#[test]
fn callbacks_are_called_when_their_frame_is_written() {
    let host = TestHost::started(SETTINGS);
    for at in 0..3 {
        assert_eq!(host.send(b"12345678", WHOLE, Some(at)), Sent::Queued);
    }
    assert!(host.with(|session| session.has_marks()));
    host.write(9);
    assert_eq!(host.log(), []);
    host.write(1);
    assert_eq!(host.log(), called(&[(0, true)]));
    host.write(20);
    assert_eq!(host.log(), called(&[(1, true), (2, true)]));
    assert_eq!(host.wire.borrow().bytes(), frame(BINARY, b"12345678").repeat(3));
}

#[test]
fn writes_within_a_call_of_the_program_are_reported_in_the_next_tick() {
    let host = TestHost::started(SETTINGS);
    host.send(b"a", WHOLE, Some(1));
    assert!(!host.write_within_call(2));
    assert!(host.write_within_call(1));
    assert!(!host.write_within_call(0), "once");
    assert_eq!(host.log(), []);
    host.tick();
    assert_eq!(host.log(), called(&[(1, true)]));
    // A sender that waits for room is notified, with or without a callback.
    assert!(host.with(|session| session.write(3, true)));
    assert_eq!(host.with(|session| session.take_told()), Some(3));
}

#[test]
fn frames_written_before_the_loss_are_reported_as_written() {
    let host = TestHost::started(SETTINGS);
    host.send(b"a", WHOLE, Some(1));
    host.send(b"b", WHOLE, Some(2));
    host.write_within_call(3);
    host.lose();
    assert_eq!(host.log(), [called(&[(1, true), (2, false)]), vec![Seen::Lost]].concat());
    assert_eq!(host.send(b"c", WHOLE, None), Sent::NotConnected);
}

#[test]
fn a_sender_has_room_at_a_quarter_of_the_mark() {
    let host = TestHost::started(Settings { high_water_mark: 100, ..SETTINGS });
    host.with(|session| {
        for (queued, above, room) in [(25, false, true), (26, false, false), (101, true, false)] {
            assert_eq!(session.is_above_mark(queued), above);
            assert_eq!(session.has_room_after(queued), room);
        }
        assert!(!session.is_above_mark(100));
    });
}

#[test]
fn a_message_is_refused_above_the_mark() {
    let settings = Settings { high_water_mark: 100, refuse_above_mark: true, ..SETTINGS };
    for (queued, refused) in [(100, false), (101, true)] {
        let host = TestHost::started(settings);
        host.send(&vec![0; queued - 2], WHOLE, None);
        let sent = if refused { Sent::Refused } else { Sent::Queued };
        assert_eq!(host.send(b"", WHOLE, None), sent);
        assert_eq!(host.with(|session| session.counters().refused()), u64::from(refused));
        host.write(usize::MAX);
        assert_eq!(host.send(b"", WHOLE, None), Sent::Queued);
    }
    // Without the option it is not refused.
    let host = TestHost::started(Settings { refuse_above_mark: false, ..settings });
    host.send(&[0; 200], WHOLE, None);
    assert_eq!(host.send(b"", WHOLE, None), Sent::Queued);
}

#[test]
fn a_fragmented_message_is_refused_as_a_whole_or_not_at_all() {
    let settings = Settings { high_water_mark: 100, refuse_above_mark: true, ..SETTINGS };
    let host = TestHost::started(settings);
    // A message that was begun is completed, however much is queued.
    assert_eq!(host.send(&[0; 200], PART, None), Sent::Queued);
    assert_eq!(host.send(&[0; 200], PART, None), Sent::Queued);
    assert_eq!(host.send(&[0; 200], WHOLE, None), Sent::Queued);
    // A message whose beginning was refused is refused to its end, even if there is room by then, and counts once.
    assert_eq!(host.send(b"1", PART, None), Sent::Refused);
    assert!(host.with(|session| session.is_refusing()));
    host.write(usize::MAX);
    assert_eq!(host.send(b"2", PART, None), Sent::Refused);
    assert_eq!(host.send(b"3", WHOLE, None), Sent::Refused);
    assert_eq!(host.with(|session| session.counters().refused()), 1);
    assert_eq!(host.send(b"next", WHOLE, None), Sent::Queued);
    // Without a wire nothing is refused: sending fails for another reason.
    host.abort();
    assert!(!host.with(|session| session.may_refuse()));
}

#[test]
fn the_transport_ends_when_all_is_written() {
    for (asked, done) in [
        (&[Ending::Half][..], &[Ending::Half][..]),
        (&[Ending::Half, Ending::Whole], &[Ending::Whole]),
        (&[Ending::Whole, Ending::Half], &[Ending::Whole]),
    ] {
        let host = TestHost::started(SETTINGS);
        host.send(b"a", WHOLE, None);
        for how in asked {
            host.end(*how);
        }
        assert!(host.with(|session| session.is_ending() && session.is_transport_open()));
        assert_eq!(host.wire.borrow().endings, []);
        assert_eq!(host.send(b"late", WHOLE, None), Sent::NotConnected);
        host.write(2);
        assert_eq!(host.wire.borrow().endings, []);
        host.write(1);
        assert_eq!(host.wire.borrow().endings, done, "{asked:?}");
        assert!(!host.with(|session| session.is_transport_open()));
    }
    // The writing half is ended first, then the whole transport.
    let host = TestHost::started(SETTINGS);
    host.end(Ending::Half);
    host.end(Ending::Whole);
    assert_eq!(host.wire.borrow().endings, [Ending::Half, Ending::Whole]);
    host.lose();
    host.end(Ending::Whole);
    assert_eq!(host.wire.borrow().endings.len(), 2);
}

#[test]
fn a_broadcast_reaches_the_connections_that_can_take_it() {
    let server = Settings { role: Role::Server, ..SETTINGS };
    let to = |host: &TestHost| host.with(|session| session.broadcast_to());
    let host = TestHost::started(server);
    assert_eq!(to(&host), BroadcastTo::Shared);
    assert!(host.with(|session| session.shares(1000).is_none()));
    host.with_codec(|session, codec| session.send_shared(codec, b"all", false));
    assert_eq!(host.with(|session| session.counters().totals(0)[..2].to_vec()), [1, 3]);
    host.send(b"begun", PART, None);
    assert_eq!(to(&host), BroadcastTo::Busy);
    assert_eq!(host.with(|session| session.counters().totals(0)[7]), 1);
    host.send(b"ended", WHOLE, None);
    assert_eq!(to(&host), BroadcastTo::Shared);
    host.end(Ending::Half);
    assert_eq!(to(&host), BroadcastTo::Gone);

    let client = TestHost::started(SETTINGS);
    assert_eq!(to(&client), BroadcastTo::Apart);
    client.abort();
    assert_eq!(to(&client), BroadcastTo::Gone);

    let behind = compressing(server);
    assert!(behind.with(|session| session.shares(10_000).is_some()));
    behind.with_codec(|session, codec| session.send_shared(codec, b"all of them", true));
    behind.send(&vec![0; LONG + 1], WHOLE, None);
    assert_eq!(to(&behind), BroadcastTo::Apart);
}

#[test]
fn objects_are_shown_to_the_collector_and_given_up() {
    let host = compressing(SETTINGS);
    host.with(|session| session.set_wants_ping(true));
    host.feed(&frame(BINARY, b"waits"));
    host.send(b"a", WHOLE, Some(1));
    host.send(&vec![0; LONG + 1], WHOLE, Some(2));
    host.send(b"c", WHOLE, Some(3));
    assert_eq!(super::session::delivery::set_listener(&host, Some(9)), None);
    let seen = |host: &TestHost| {
        host.with(|session| {
            let (listener, messages, callbacks) = session.objects();
            (listener.copied(), messages.count(), callbacks.copied().collect::<Vec<_>>())
        })
    };
    assert_eq!(seen(&host), (Some(9), 1, vec![1, 2, 3]));
    drop(host.with(|session| session.take_objects()));
    assert_eq!(seen(&host), (None, 0, vec![]));
    assert!(host.with(|session| session.takes_frames_now()));
    assert_eq!(host.ping(b"still"), Sent::Queued);
    assert!(host.wire.borrow().bytes().ends_with(&frame(PING, b"still")));
}

#[test]
fn the_marks_lie_within_the_session() {
    use super::host::Plain;
    let size = std::mem::size_of::<super::session::Session<Plain>>();
    assert!(super::session::Session::<Plain>::marks_offset() < size);
}
