//! How a connection ends, and in which order its owner is notified.

use super::host::{LIMITS, SETTINGS, Seen, TestHost, frame};
use super::session::{Ending, Host, Settings, delivery};
use super::{CLOSE, PING, heard, listen, texts};

fn without_reading(log: Vec<Seen>) -> Vec<Seen> {
    log.into_iter().filter(|seen| !matches!(seen, Seen::Reading(_))).collect()
}

#[test]
fn the_fin_is_reported_once_and_closes_the_transport() {
    let host = TestHost::started(SETTINGS);
    host.receive_eof();
    host.receive_eof();
    assert_eq!(host.log(), [Seen::End, Seen::Closing]);
    assert_eq!(host.wire.borrow().endings, [Ending::Whole]);
    host.lose();
    assert_eq!(host.log(), [Seen::Lost]);
    host.receive_eof();
    delivery::go_on(&host);
    assert_eq!(host.log(), []);
}

#[test]
fn a_fin_before_the_loss_is_reported_before_it() {
    for eof_first in [true, false] {
        let host = TestHost::started(Settings { read_ahead: 100, ..SETTINGS });
        delivery::pause(&host);
        if eof_first {
            host.receive_eof();
            assert_eq!(host.log(), [], "the owner is not notified during a pause");
        }
        host.lose();
        if !eof_first {
            assert_eq!(host.log(), [Seen::Lost]);
            host.receive_eof();
            assert_eq!(host.log(), [Seen::End, Seen::Closing]);
            continue;
        }
        assert_eq!(host.log(), [Seen::End, Seen::Closing, Seen::Lost]);
    }
}

#[test]
fn the_fin_waits_for_the_end_of_a_pause_unless_a_close_frame_or_an_abort_came_first() {
    let host = TestHost::started(SETTINGS);
    delivery::pause(&host);
    host.receive_eof();
    assert_eq!(without_reading(host.log()), []);
    delivery::resume(&host);
    host.tick();
    assert_eq!(without_reading(host.log()), [Seen::End, Seen::Closing]);
    let conclusions: [fn(&TestHost); 2] = [|host| host.feed(&frame(CLOSE, b"")), TestHost::abort];
    for conclude in conclusions {
        let host = TestHost::started(SETTINGS);
        conclude(&host);
        host.log();
        delivery::pause(&host);
        host.receive_eof();
        assert_eq!(host.log(), [Seen::End, Seen::Closing]);
    }
}

#[test]
fn the_ends_are_reported_after_all_that_was_received_before_them() {
    let host = TestHost::started(Settings { allow_synchronous_events: false, ..SETTINGS });
    listen(&host);
    host.feed(&texts(&["a", "b"]));
    host.receive_eof();
    host.lose();
    assert_eq!(host.log(), [heard("a")]);
    host.tick();
    assert_eq!(host.log(), [heard("b")]);
    host.tick();
    assert_eq!(host.log(), [Seen::End, Seen::Closing, Seen::Lost]);
}

#[test]
fn nothing_is_reported_before_the_start() {
    let host = TestHost::new(SETTINGS, LIMITS, None);
    listen(&host);
    host.feed(&texts(&["a"]));
    host.receive_eof();
    host.lose();
    assert_eq!(host.log(), []);
    delivery::start(&host, b"");
    assert_eq!(host.log(), [heard("a"), Seen::End, Seen::Closing, Seen::Lost]);
}

#[test]
fn a_pause_after_the_loss_is_recorded_and_holds_nothing_back() {
    let host = TestHost::new(SETTINGS, LIMITS, None);
    listen(&host);
    host.lose();
    delivery::pause(&host);
    assert!(host.with(|session| session.is_paused()));
    delivery::start(&host, &texts(&["a"]));
    assert_eq!(host.log(), [heard("a"), Seen::Lost]);
    host.feed(&texts(&["late"]));
    assert_eq!(host.log(), []);
}

#[test]
fn the_loss_is_reported_after_what_a_full_inbox_has_no_room_for() {
    let host = TestHost::started(SETTINGS);
    host.feed(&[texts(&["x"; 17]), frame(PING, b"i")].concat());
    host.lose();
    assert_eq!(without_reading(host.log()), [Seen::Stalled]);
    while host.recv().is_some() {}
    host.tick();
    let log: Vec<Seen> =
        host.log().into_iter().filter(|seen| !matches!(seen, Seen::Taken(..))).collect();
    // The wire is gone, so the ping is not answered.
    assert_eq!(without_reading(log).last(), Some(&Seen::Lost));
    assert!(host.recv().is_some());
}

#[test]
fn an_abort_drops_what_the_inbox_has_no_room_for_and_the_loss_is_reported() {
    let host = TestHost::started(SETTINGS);
    host.feed(&[texts(&["x"; 17]), frame(PING, b"i")].concat());
    host.lose();
    host.log();
    host.abort();
    assert_eq!(host.log(), [], "the loss is never reported within the call");
    host.tick();
    assert_eq!(host.log(), [Seen::Lost]);
    assert_eq!(host.waiting_messages(), 16);
}

#[test]
fn the_loss_is_reported_after_messages_that_are_due_to_a_listener() {
    let host = TestHost::started(SETTINGS);
    host.feed(&texts(&["a", "b"]));
    delivery::pause(&host);
    listen(&host);
    host.log();
    host.lose();
    assert_eq!(host.log(), [heard("a"), heard("b"), Seen::Lost]);
    // Messages that are not claimed, and for which there is no listener, do not delay the end.
    let host = TestHost::started(SETTINGS);
    host.feed(&texts(&["a"]));
    host.lose();
    assert_eq!(host.log(), [Seen::Lost]);
}

#[test]
fn calls_of_the_program_at_the_end_report_no_end_twice() {
    let host = TestHost::started(SETTINGS);
    host.set_program(|host, seen| {
        if matches!(seen, Seen::End | Seen::Lost) {
            delivery::pause(host);
            delivery::resume(host);
            delivery::go_on(host);
            host.receive_eof();
            host.abort();
        }
    });
    host.receive_eof();
    host.lose();
    (0..3).for_each(|_| host.tick());
    let log = without_reading(host.log());
    assert_eq!(log, [Seen::End, Seen::Closing, Seen::Lost]);
}

#[test]
fn a_listener_set_at_the_fin_gets_the_waiting_messages_before_the_loss_is_reported() {
    let host = TestHost::started(Settings { read_ahead: 100, ..SETTINGS });
    host.feed(&texts(&["a"]));
    delivery::pause(&host);
    host.receive_eof();
    host.set_program(|host, seen| {
        if *seen == Seen::End {
            listen(host);
        }
    });
    host.lose();
    host.tick();
    assert_eq!(host.log(), [Seen::End, Seen::Closing, heard("a"), Seen::Lost]);
}
