//! What a listener does to its connection while it is called.

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
fn one_that_pauses_gets_nothing_more_until_it_resumes() {
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
fn one_that_pauses_and_resumes_loses_nothing_and_reads_on() {
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
fn one_that_is_replaced_gets_nothing_more() {
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
fn one_that_goes_leaves_the_rest_to_the_inbox() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, _| assert!(delivery::set_listener(host, None).is_some()));
    host.feed(&texts(&["a", "b", "c"]));
    assert_eq!(host.log(), [heard("a")]);
    assert_eq!(host.waiting_messages(), 2);
    // The next one gets one more, and goes too.
    listen(&host);
    host.tick();
    assert_eq!((host.log(), host.waiting_messages()), (vec![heard("b")], 1));
}

#[test]
fn one_that_waits_for_messages_itself_shares_them_with_the_task() {
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
fn one_that_aborts_gets_nothing_more_but_the_loss() {
    let host = TestHost::started(SETTINGS);
    hears(&host, |host, _| host.abort());
    host.feed(&[texts(&["a", "b"]), frame(PING, b""), frame(CLOSE, b"")].concat());
    host.feed(&texts(&["c"]));
    host.lose();
    assert_eq!(host.log(), [heard("a"), Seen::Lost]);
}

#[test]
fn one_that_has_more_bytes_fed_gets_them_later_and_in_order() {
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
fn one_that_has_bytes_fed_from_the_inbox_s_delivery_gets_them_behind_it() {
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
fn the_owner_may_do_at_a_ping_what_a_listener_may() {
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
fn a_listener_that_comes_after_the_close_frame_gets_what_waited() {
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
fn a_listener_that_comes_to_a_full_inbox_gets_what_waited_and_what_stalled() {
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
