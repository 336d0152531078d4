use super::super::backlog::Backlog;
use super::host::{SETTINGS, Seen, TestHost, frame};
use super::protocol::receiver::Receiver;
use super::protocol::{Role, receiver::ReceiverOptions};
use super::session::{Settings, delivery};
use super::{PING, heard, listen, texts};

const AHEAD: Settings = Settings { read_ahead: 1000, ..SETTINGS };

fn receiver() -> Receiver<Vec<u8>> {
    Receiver::new(ReceiverOptions {
        role: Role::Client,
        max_payload: 0,
        max_fragments: 0,
        max_buffered_chunks: 0,
        skip_utf8_validation: false,
        inflate: None,
    })
}

#[test]
fn bytes_wait_in_order() {
    let mut backlog = Backlog::default();
    assert!(backlog.is_empty());
    backlog.push(b"cd");
    backlog.push(b"e");
    backlog.push_front(b"ab");
    assert_eq!(backlog.len(), 5);
    assert_eq!(backlog.take(), b"abcde");
    assert!(backlog.is_empty());
}

#[test]
fn pings_are_found_once_wherever_the_bytes_are_cut() {
    let stream =
        [frame(PING, b"1"), texts(&["text"]), frame(PING, b"2"), frame(PING, b"3")].concat();
    for cut in 0..stream.len() {
        let (mut backlog, receiver) = (Backlog::default(), receiver());
        let mut found = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            backlog.push(part);
            while let Some(ping) = backlog.next_ping(&receiver) {
                found.push(ping.as_ref().to_vec());
            }
        }
        assert_eq!(found, [b"1", b"2", b"3"], "cut at {cut}");
        let met: Vec<bool> = (0..4).map(|_| backlog.met_ping()).collect();
        assert_eq!(met, [true, true, true, false], "cut at {cut}");
    }
}

#[test]
fn bytes_that_were_read_are_not_searched_again() {
    let (mut backlog, receiver) = (Backlog::default(), receiver());
    backlog.push(&[frame(PING, b"1"), frame(PING, b"2")].concat());
    while backlog.next_ping(&receiver).is_some() {}
    // The receiver reads the first.
    let bytes = backlog.take();
    assert!(backlog.met_ping());
    backlog.consume(3, false);
    backlog.push_front(&bytes[3..]);
    assert!(backlog.next_ping(&receiver).is_none());
    assert!(backlog.met_ping());
    backlog.consume(3, true);
    assert!(!backlog.met_ping());
}

#[test]
fn pings_that_wait_are_answered_at_once_and_reported_in_their_turn() {
    for cut in 0..10 {
        let host = TestHost::started(AHEAD);
        listen(&host);
        delivery::pause(&host);
        let stream = [texts(&["a"]), frame(PING, b"1"), texts(&["b"]), frame(PING, b"2")].concat();
        host.feed(&stream[..cut]);
        host.feed(&stream[cut..]);
        let answered = [b"1", b"2"].map(|data| Seen::Answered(data.to_vec()));
        assert_eq!(host.log(), answered, "cut at {cut}");
        delivery::resume(&host);
        host.tick();
        let told = [b"1", b"2"].map(|data| Seen::Ping(data.to_vec()));
        let [first, second] = told;
        assert_eq!(host.log(), [heard("a"), first, heard("b"), second], "cut at {cut}");
    }
}

#[test]
fn a_ping_whose_beginning_was_read_is_answered_in_its_turn() {
    let host = TestHost::started(AHEAD);
    let ping = frame(PING, b"ping");
    host.feed(&ping[..4]);
    delivery::pause(&host);
    host.feed(&[&ping[4..], &frame(PING, b"next")].concat());
    assert_eq!(host.log(), [Seen::Answered(b"next".into())]);
    delivery::resume(&host);
    host.tick();
    let [first, next] = [b"ping", b"next"].map(|data| Seen::Ping(data.to_vec()));
    assert_eq!(host.log(), [Seen::Answered(b"ping".into()), first, next]);
}

#[test]
fn pings_that_wait_are_not_answered_without_auto_pong_or_read_ahead_or_after_the_end() {
    let silent = Settings { auto_pong: false, ..AHEAD };
    for settings in [silent, SETTINGS] {
        let host = TestHost::started(settings);
        delivery::pause(&host);
        host.log();
        host.feed(&frame(PING, b""));
        assert_eq!(host.log(), []);
    }
    // Nor are they answered once the end was asked for: nothing is queued after that.
    let host = TestHost::started(AHEAD);
    host.end(super::session::Ending::Half);
    delivery::pause(&host);
    host.feed(&frame(PING, b""));
    assert_eq!(host.log(), []);
}

#[test]
fn pongs_to_pings_that_wait_obey_the_limit() {
    let host = TestHost::started(Settings { max_pending_auto_pongs: 2, ..AHEAD });
    delivery::pause(&host);
    host.feed(&[frame(PING, b"1"), frame(PING, b"2"), frame(PING, b"3")].concat());
    assert_eq!(host.log(), [b"1", b"2"].map(|data| Seen::Answered(data.to_vec())));
    host.write(usize::MAX);
    host.feed(&frame(PING, b"4"));
    assert_eq!(host.log(), [Seen::Answered(b"4".into())]);
}
