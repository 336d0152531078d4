//! Listeners that act on their connection while they are called.

use std::cell::Cell;

use super::host::{SETTINGS, Seen, TestHost, frame};
use super::session::{Host, Settings, delivery};
use super::{CLOSE, PING, bytes, heard, listen, texts};

fn hears(host: &TestHost, act: impl Fn(&TestHost, &str) + 'static) {
    listen(host);
    host.set_program(move |host, seen| {
        if let Seen::Heard(_, message, _) = seen {
            act(host, std::str::from_utf8(&message.bytes()).unwrap());
        }
    });
}

#[test]
fn a_listener_that_pauses_gets_nothing_more_until_it_resumes() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, _| delivery::pause(host));
    host.feed(&texts(&["a", "b", "c"]));
    for text in ["a", "b", "c"] {
        let log = host.log();
        assert!(log.contains(&heard(text)));
        assert_eq!(log.iter().filter(|seen| matches!(seen, Seen::Heard(..))).count(), 1);
        assert!(host.with(|session| session.is_paused()));
        host.tick();
        assert_eq!(host.log(), []);
        delivery::resume(&host);
        host.tick();
    }
}

#[test]
fn a_listener_that_pauses_and_resumes_loses_nothing_and_reads_on() {
    for read_ahead in [0, 100] {
        let host = TestHost::started(Settings { read_ahead, ..SETTINGS });
        hears(&host, |host, _| {
            delivery::pause(host);
            delivery::resume(host);
        });
        host.feed(&texts(&["a", "b", "c"]));
        (0..4).for_each(|_| host.tick());
        host.feed(&texts(&["d"]));
        (0..4).for_each(|_| host.tick());
        let log: Vec<Seen> =
            host.log().into_iter().filter(|seen| matches!(seen, Seen::Heard(..))).collect();
        assert_eq!(log, ["a", "b", "c", "d"].map(heard));
    }
}

#[test]
fn a_listener_that_is_replaced_gets_nothing_more() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, text| {
        if text == "a" {
            assert_eq!(delivery::set_listener(host, Some(2)), Some(1));
        }
    });
    host.feed(&texts(&["a", "b"]));
    assert_eq!(host.log(), [heard("a"), Seen::Heard(2, bytes("b"), false)]);
    assert_eq!(host.with(|session| session.listener().copied()), Some(2));
}

#[test]
fn a_listener_that_removes_itself_leaves_the_rest_to_the_inbox() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, _| assert!(delivery::set_listener(host, None).is_some()));
    host.feed(&texts(&["a", "b", "c"]));
    assert_eq!(host.log(), [heard("a")]);
    assert_eq!(host.waiting_messages(), 2);
    // The next listener gets one more message, and removes itself too.
    listen(&host);
    host.tick();
    assert_eq!((host.log(), host.waiting_messages()), (vec![heard("b")], 1));
}

#[test]
fn a_listener_that_claims_messages_shares_them_with_the_task() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, text| {
        if text == "a" {
            host.with(|session| session.claim());
        }
    });
    host.feed(&texts(&["a", "b", "c"]));
    assert_eq!(host.log(), [heard("a"), heard("b"), heard("c")]);
    assert_eq!(host.waiting_messages(), 2);
}

#[test]
fn after_a_listener_aborts_nothing_follows_but_the_loss() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, _| host.abort());
    host.feed(&[texts(&["a", "b"]), frame(PING, b""), frame(CLOSE, b"")].concat());
    host.feed(&texts(&["c"]));
    host.lose();
    assert_eq!(host.log(), [heard("a"), Seen::Lost]);
}

#[test]
fn bytes_that_a_listener_feeds_are_delivered_later_and_in_order() {
    let host = TestHost::started(SETTINGS);
    let depth = Cell::new(0);
    hears(&host, move |host, text| {
        assert_eq!(host.depth(), 1, "delivery was entered twice");
        if text.len() < 3 && depth.get() < 10 {
            depth.set(depth.get() + 1);
            host.feed(&texts(&[&format!("{text}+")]));
            delivery::go_on(host);
            delivery::pause(host);
            delivery::resume(host);
        }
    });
    host.feed(&texts(&["a", "b"]));
    (0..10).for_each(|_| host.tick());
    let heard_by_it: Vec<Seen> =
        host.log().into_iter().filter(|seen| matches!(seen, Seen::Heard(..))).collect();
    assert_eq!(heard_by_it, ["a", "b", "a+", "b+", "a++", "b++"].map(heard));
}

#[test]
fn bytes_fed_while_the_inbox_is_delivered_come_after_it() {
    let host = TestHost::started(SETTINGS);
    host.feed(&texts(&["a", "b"]));
    hears(&host, |host, text| {
        assert_eq!(host.depth(), 1, "delivery was entered twice");
        if text == "a" {
            host.feed(&texts(&["c"]));
        }
    });
    host.tick();
    assert_eq!(host.log(), ["a", "b", "c"].map(heard));
}

#[test]
fn the_owner_may_feed_and_pause_at_a_ping() {
    let host = TestHost::started(SETTINGS);
    listen(&host);
    host.set_program(|host, seen| {
        if matches!(seen, Seen::Ping(_)) {
            host.feed(&texts(&["c"]));
            delivery::pause(host);
        }
    });
    host.feed(&[texts(&["a"]), frame(PING, b"i"), texts(&["b"])].concat());
    let ping = [Seen::Answered(b"i".into()), Seen::Ping(b"i".into()), Seen::Reading(false)];
    assert_eq!(host.log(), [vec![heard("a")], ping.into()].concat());
    delivery::resume(&host);
    host.tick();
    assert_eq!(host.log(), [heard("b"), heard("c"), Seen::Reading(true)]);
}

#[test]
fn a_listener_set_at_the_close_frame_gets_the_waiting_messages() {
    let host = TestHost::started(SETTINGS);
    host.set_program(|host, seen| {
        if matches!(seen, Seen::Close(..)) {
            listen(host);
        }
    });
    host.feed(&[texts(&["a", "b"]), frame(CLOSE, b"")].concat());
    host.tick();
    assert_eq!(host.log(), [Seen::Close(1005, vec![]), heard("a"), heard("b")]);
}

#[test]
fn a_listener_set_on_a_full_inbox_gets_its_messages_and_all_that_stalled() {
    let host = TestHost::started(SETTINGS);
    host.feed(&[texts(&["x"; 17]), frame(PING, b"i")].concat());
    assert_eq!(host.log(), [Seen::Stalled, Seen::Reading(false)]);
    listen(&host);
    host.tick();
    let log = host.log();
    assert_eq!(log[..17], vec![heard("x"); 17]);
    assert_eq!(log[17..19], [Seen::Answered(b"i".into()), Seen::Ping(b"i".into())]);
    assert_eq!(log[19..], [Seen::Reading(true)]);
}
