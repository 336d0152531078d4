//! Batches of events: which events are reported, skipped and withdrawn.

use std::os::fd::RawFd;

use super::fake::{Fake, FakeEngine, POLLER, batch, engine, one_socket, read, readable, writable};
use crate::engine::{Engine, Errno, Flush, Interest, MAX_EVENTS, Os, Read, Ready, Token};

/// Sockets that have received one byte.
fn ready_sockets(engine: &mut FakeEngine, fake: &Fake, count: usize) -> Vec<(Token, RawFd)> {
    (0..count)
        .map(|_| {
            let fd = fake.kernel().open();
            let number = fd.0;
            let token = engine.adopt(fd).unwrap();
            fake.kernel().arrive(number, b"x");
            (token, number)
        })
        .collect()
}

#[test]
fn a_socket_is_reported_once_for_each_arrival_without_further_calls() {
    let (mut engine, fake, token, fd) = one_socket();
    assert_eq!(engine.poller_fd(), POLLER);
    assert_eq!(batch(&mut engine), []);
    for _ in 0..3 {
        fake.kernel().arrive(fd, b"x");
        assert_eq!(engine.poll().unwrap(), 1);
        assert_eq!(engine.next_ready(), Some(readable(token)));
        assert_eq!(read(&mut engine, token, 64).0, b"x");
        assert_eq!(engine.next_ready(), None);
        assert_eq!(engine.poll().unwrap(), 0);
    }
    assert_eq!(
        fake.kernel().take_log(),
        [format!("recv {fd}"), format!("recv {fd}"), format!("recv {fd}")]
    );
}

#[test]
fn a_socket_that_was_not_read_until_drained_is_reported_again() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"hello, world");
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert_eq!(read(&mut engine, token, 5).0, b"hello");
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert_eq!(batch(&mut engine), [readable(token)], "not read at all");
    engine.poll().unwrap();
    assert_eq!(engine.next_ready(), Some(readable(token)));
    assert_eq!(read(&mut engine, token, 64).0, b", world");
    fake.kernel().take_log();
    assert_eq!(engine.next_ready(), None);
    assert_eq!(batch(&mut engine), []);
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new(), "drained: no call");
}

#[test]
fn a_socket_paused_in_its_turn_is_reported_again_once_resumed() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"hello, world");
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert_eq!(read(&mut engine, token, 5).0, b"hello");
    engine.pause(token);
    assert_eq!(batch(&mut engine), []);
    engine.resume(token).unwrap();
    assert_eq!(batch(&mut engine), [readable(token)]);
}

#[test]
fn events_left_over_by_a_batch_are_late_in_the_order_of_their_arrival() {
    let (mut engine, fake) = engine();
    let sockets = ready_sockets(&mut engine, &fake, 3);
    assert_eq!(engine.poll().unwrap(), 3);
    assert_eq!(engine.next_ready(), Some(readable(sockets[0].0)));
    assert_eq!(read(&mut engine, sockets[0].0, 64).0, b"x");
    assert_eq!(engine.poll().unwrap(), 0, "the poller does not report the others again");
    assert_eq!(engine.next_ready(), None);
    assert_eq!(engine.late_len(), 2);
    assert_eq!(engine.next_late(), Some(readable(sockets[1].0)));
    assert_eq!(read(&mut engine, sockets[1].0, 64).0, b"x");
    assert_eq!(engine.next_late(), Some(readable(sockets[2].0)));
    assert_eq!(engine.next_late(), None);
    assert_eq!(batch(&mut engine), [readable(sockets[2].0)], "it was not read");
}

#[test]
fn a_late_socket_keeps_its_place_when_more_arrives() {
    let (mut engine, fake) = engine();
    let sockets = ready_sockets(&mut engine, &fake, 2);
    engine.poll().unwrap();
    engine.postpone_rest();
    fake.kernel().arrive(sockets[0].1, b"y");
    assert_eq!(batch(&mut engine), []);
    assert_eq!(engine.late_len(), 2, "each is listed once");
    assert_eq!(engine.next_late(), Some(readable(sockets[0].0)));
    assert_eq!(read(&mut engine, sockets[0].0, 64).0, b"x");
    assert_eq!(read(&mut engine, sockets[0].0, 64).0, b"y");
    assert_eq!(engine.next_late(), Some(readable(sockets[1].0)));
    assert_eq!(engine.next_late(), None);
}

#[test]
fn a_socket_that_its_caller_does_not_serve_now_is_late_unread() {
    let (mut engine, fake) = engine();
    let sockets = ready_sockets(&mut engine, &fake, 1);
    engine.poll().unwrap();
    let ready = engine.next_ready().unwrap();
    fake.kernel().take_log();
    engine.postpone(ready);
    assert_eq!(batch(&mut engine), []);
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
    assert_eq!(engine.next_late(), Some(ready));
    assert_eq!(read(&mut engine, sockets[0].0, 64).0, b"x");
}

#[test]
fn late_sockets_that_are_closed_or_paused_are_skipped() {
    let (mut engine, fake) = engine();
    let sockets = ready_sockets(&mut engine, &fake, 3);
    engine.poll().unwrap();
    engine.postpone_rest();
    assert!(engine.close(sockets[0].0));
    engine.pause(sockets[1].0);
    assert_eq!(engine.next_late(), Some(readable(sockets[2].0)));
    assert_eq!(engine.next_late(), None);
    engine.resume(sockets[1].0).unwrap();
    assert!(batch(&mut engine).contains(&readable(sockets[1].0)), "what it has is not forgotten");
}

#[test]
fn a_late_socket_reports_the_end_that_came_with_its_bytes() {
    let (mut engine, fake) = engine();
    let sockets = ready_sockets(&mut engine, &fake, 1);
    fake.kernel().arrive(sockets[0].1, b"");
    fake.kernel().set(sockets[0].1, |state| state.ended = true);
    engine.poll().unwrap();
    engine.postpone_rest();
    assert_eq!(engine.next_late(), Some(readable(sockets[0].0)));
    let (bytes, outcome) = read(&mut engine, sockets[0].0, 64);
    assert_eq!(bytes, b"x");
    assert!(matches!(outcome, Read::Data { drained: false, .. }), "an end follows");
}

#[test]
fn a_listener_is_not_late_because_the_poller_reports_it_again() {
    let (mut engine, fake) = engine();
    let fd = fake.kernel().open();
    let number = fd.0;
    let listener = engine.listen(fd).unwrap();
    fake.kernel().set(number, |state| state.readable = true);
    assert_eq!(engine.poll().unwrap(), 1);
    engine.postpone_rest();
    assert_eq!(engine.late_len(), 0);
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
}

#[test]
fn the_end_that_was_reported_with_the_last_bytes_is_read_after_them() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"bye");
    fake.kernel().arrive(fd, b"");
    fake.kernel().set(fd, |state| state.ended = true);
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert!(matches!(read(&mut engine, token, 64).1, Read::Data { n: 3, drained: false }));
    assert!(matches!(read(&mut engine, token, 64).1, Read::Eof));
    assert_eq!(batch(&mut engine), []);
}

#[test]
fn a_signal_does_not_disturb_a_poll_and_a_broken_poller_is_an_error() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().set(fd, |state| state.readable = true);
    fake.kernel().wait_errors.extend([Errno::INTR, Errno::INTR]);
    assert_eq!(batch(&mut engine), [readable(token)]);
    fake.kernel().wait_errors.push_back(Errno::BADF);
    assert!(engine.poll().is_err());
    assert_eq!(engine.next_ready(), None);
}

#[test]
fn a_batch_has_at_most_512_events() {
    let (mut engine, fake) = engine();
    for _ in 0..600 {
        let fd = fake.kernel().open();
        let number = fd.0;
        engine.adopt(fd).unwrap();
        fake.kernel().set(number, |state| state.readable = true);
    }
    assert_eq!(batch(&mut engine).len(), MAX_EVENTS);
}

#[test]
fn sockets_closed_within_a_batch_are_skipped_even_when_their_slot_is_reused() {
    let (mut engine, fake) = engine();
    let tokens: Vec<_> = (0..3)
        .map(|_| {
            let fd = fake.kernel().open();
            let number = fd.0;
            let token = engine.adopt(fd).unwrap();
            fake.kernel().set(number, |state| state.readable = true);
            token
        })
        .collect();
    assert_eq!(engine.poll().unwrap(), 3);
    assert_eq!(engine.next_ready(), Some(readable(tokens[0])));
    assert!(engine.close(tokens[1]));
    let fresh = fake.kernel().open();
    let newcomer = engine.adopt(fresh).unwrap();
    assert_ne!(newcomer, tokens[1]);
    assert_eq!(newcomer.raw() as u32, tokens[1].raw() as u32, "the same slot");
    assert_eq!(engine.next_ready(), Some(readable(tokens[2])));
    assert_eq!(engine.next_ready(), None);
}

#[test]
fn a_stale_token_does_nothing() {
    let (mut engine, fake, token, _) = one_socket();
    assert!(engine.mark_dirty(token));
    assert!(engine.close(token));
    fake.kernel().take_log();
    let fresh = fake.kernel().open();
    let other = engine.adopt(fresh).unwrap();
    fake.kernel().take_log();
    assert!(!engine.close(token) && !engine.reset(token) && !engine.shutdown_write(token));
    assert!(!engine.pause(token) && !engine.is_paused(token));
    assert!(!engine.resume(token).unwrap());
    assert!(!engine.mark_dirty(token));
    assert_eq!(engine.take_dirty(), None);
    assert!(engine.out(token).is_none() && engine.out_ref(token).is_none());
    assert!(matches!(engine.flush(token), Flush::Lost(_)));
    assert!(matches!(super::fake::read(&mut engine, token, 8).1, Read::Lost(_)));
    assert_eq!(engine.raw_fd(token), None);
    assert!(engine.dup(token).is_err());
    assert!(engine.local_addr(token).is_err() && engine.peer_addr(token).is_err());
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
    assert!(!engine.is_paused(other));
}

#[test]
fn a_pause_without_traffic_costs_no_call() {
    let (mut engine, fake, token, fd) = one_socket();
    assert!(engine.pause(token) && engine.is_paused(token));
    assert_eq!(batch(&mut engine), []);
    assert!(engine.resume(token).unwrap() && !engine.is_paused(token));
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
    fake.kernel().set(fd, |state| state.readable = true);
    assert_eq!(batch(&mut engine), [readable(token)]);
}

#[test]
fn a_paused_socket_leaves_the_poller_at_its_first_event_and_returns_on_resume() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.pause(token);
    fake.kernel().set(fd, |state| state.readable = true);
    assert_eq!(engine.poll().unwrap(), 1);
    assert_eq!(engine.next_ready(), None);
    assert_eq!(engine.poll().unwrap(), 0, "it does not spin");
    assert_eq!(fake.kernel().interest(fd), None);
    engine.resume(token).unwrap();
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert_eq!(fake.kernel().take_log()[..2], [format!("delete {fd}"), format!("add {fd}")]);
}

#[test]
fn a_hangup_while_paused_does_not_spin_and_is_reported_on_resume() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.pause(token);
    fake.kernel().set(fd, |state| state.hangup = true);
    assert_eq!(batch(&mut engine), []);
    assert_eq!(engine.poll().unwrap(), 0, "it does not spin");
    engine.resume(token).unwrap();
    let ready = Ready::Socket { token, readable: true, writable: false, hangup: true };
    assert_eq!(batch(&mut engine), [ready]);
}

#[test]
fn a_pause_within_the_batch_holds_for_the_rest_of_it() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().set(fd, |state| state.readable = true);
    assert_eq!(engine.poll().unwrap(), 1);
    engine.pause(token);
    assert_eq!(engine.next_ready(), None);
}

#[test]
fn a_paused_socket_that_waits_for_room_still_writes() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().room.entry(fd).or_default().push_back(Ok(2));
    engine.out(token).unwrap().push(b"hello");
    assert!(matches!(engine.flush(token), Flush::Pending(3)));
    engine.pause(token);
    fake.kernel().set(fd, |state| state.readable = true);
    assert_eq!(batch(&mut engine), []);
    assert_eq!(fake.kernel().interest(fd), Some(Interest { read: false, write: true, edge: true }));
    fake.kernel().set(fd, |state| state.writable = true);
    assert_eq!(batch(&mut engine), [writable(token)]);
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().interest(fd), None);
    assert_eq!(fake.kernel().sent[&fd], b"hello");
}

#[test]
fn a_resume_that_fails_leaves_the_socket_paused() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.pause(token);
    fake.kernel().set(fd, |state| state.readable = true);
    batch(&mut engine);
    fake.kernel().add_errors.push_back(Errno::NOMEM);
    assert!(engine.resume(token).is_err());
    assert!(engine.is_paused(token));
    assert!(engine.resume(token).unwrap());
    assert_eq!(batch(&mut engine), [readable(token)]);
}

#[test]
fn closing_leaves_the_poller_first_and_a_reset_does_not_linger() {
    let (mut engine, fake, token, fd) = one_socket();
    assert!(engine.close(token));
    assert_eq!(fake.kernel().take_log(), [format!("delete {fd}"), format!("close {fd}")]);
    let fresh = fake.kernel().open();
    let (token, fd) = (engine.adopt(fresh).unwrap(), fd + 1);
    fake.kernel().take_log();
    assert!(engine.reset(token));
    let calls = ["linger", "delete", "close"].map(|call| format!("{call} {fd}"));
    assert_eq!(fake.kernel().take_log(), calls);
}

/// After a fork the child drops the engine, whose poller is the parent's too.
#[test]
fn dropping_the_engine_leaves_the_poller_and_the_connections_alone() {
    let (engine, fake, _, fd) = one_socket();
    drop(engine);
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
    assert_eq!(fake.kernel().interest(fd), Some(Interest::READ));
}

#[test]
fn addresses_descriptors_and_duplicates_come_from_the_kernel() {
    use crate::engine::Address;
    let (mut engine, _, token, fd) = one_socket();
    assert_eq!(engine.local_addr(token).unwrap(), Address::Unix(b"/local".to_vec()));
    assert_eq!(engine.peer_addr(token).unwrap(), Address::Unix(b"/peer".to_vec()));
    assert_eq!(engine.raw_fd(token), Some(fd));
    assert_eq!(engine.dup(token).unwrap().0, fd + 1);
}

#[test]
fn the_engine_may_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) -> bool {
        true
    }
    assert!(is_send(&Engine::<Os, Vec<u8>>::new(Os).unwrap()));
}

#[test]
fn an_idle_slot_is_small() {
    type Slot = crate::engine::slots::Slot<std::os::fd::OwnedFd, *const u8>;
    assert!(size_of::<Slot>() <= 136, "{} bytes", size_of::<Slot>());
}
