//! Flushing: short writes, full buffers, errors, and the end.

use super::fake::{Fake, FakeEngine, batch, engine, one_socket, read, readable, writable};
use crate::engine::{Errno, Flush, Interest, Ready, Token};

/// Queues pieces that are pushed and held by turns, and returns all their bytes in order.
fn mixed(engine: &mut FakeEngine, token: Token) -> Vec<u8> {
    let out = engine.out(token).unwrap();
    out.push(b"ab");
    out.hold(b"HELD".to_vec());
    out.push(b"c");
    out.tail().extend_from_slice(b"def");
    out.hold(b"one".to_vec());
    out.hold(Vec::new());
    out.hold(b"two".to_vec());
    out.push(b"end");
    b"abHELDcdefonetwoend".to_vec()
}

fn limit(fake: &Fake, fd: i32, room: impl IntoIterator<Item = Result<usize, Errno>>) {
    fake.kernel().room.entry(fd).or_default().extend(room);
}

#[test]
fn one_piece_leaves_in_one_send_without_touching_the_poller() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.out(token).unwrap().push(b"hello, ");
    engine.out(token).unwrap().push(b"world");
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().take_log(), [format!("send {fd}")]);
    assert_eq!(fake.kernel().sent[&fd], b"hello, world");
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new(), "never called for nothing");
}

#[test]
fn pushed_and_held_bytes_leave_in_order_in_one_gathered_write() {
    let (mut engine, fake, token, fd) = one_socket();
    let all = mixed(&mut engine, token);
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().take_log(), [format!("sendmsg {fd}")]);
    assert_eq!(fake.kernel().sent[&fd], all);
}

#[test]
fn a_short_write_at_every_cut_loses_nothing() {
    let total = b"abHELDcdefonetwoend".len();
    for first in 0..total {
        for second in 0..total - first {
            let (mut engine, fake, token, fd) = one_socket();
            limit(&fake, fd, [Ok(first), Ok(second)]);
            let all = mixed(&mut engine, token);
            for done in [first, first + second] {
                match engine.flush(token) {
                    Flush::Pending(left) => assert_eq!(left, total - done),
                    other => panic!("{other:?} at {first}+{second}"),
                }
                assert_eq!(engine.out_ref(token).unwrap().total_written(), done as u64);
                fake.kernel().set(fd, |state| state.writable = true);
                assert_eq!(batch(&mut engine), [writable(token)]);
            }
            engine.out(token).unwrap().push(b"!");
            assert!(matches!(engine.flush(token), Flush::Drained));
            assert_eq!(fake.kernel().sent[&fd], [all.as_slice(), b"!"].concat());
            assert_eq!(engine.out_ref(token).unwrap().total_written(), total as u64 + 1);
            assert_eq!(fake.kernel().interest(fd), Some(Interest::READ));
        }
    }
}

#[test]
fn while_a_full_buffer_is_waited_for_no_call_is_made() {
    for full in [Errno::AGAIN, Errno::NOBUFS] {
        let (mut engine, fake, token, fd) = one_socket();
        limit(&fake, fd, [Err(full)]);
        engine.out(token).unwrap().push(b"one");
        assert!(matches!(engine.flush(token), Flush::Pending(3)));
        assert_eq!(fake.kernel().take_log(), [format!("send {fd}"), format!("modify {fd}")]);
        engine.out(token).unwrap().push(b"two");
        assert!(!engine.mark_dirty(token), "it will be reported as writable");
        assert_eq!(engine.take_dirty(), None);
        assert!(matches!(engine.flush(token), Flush::Pending(6)));
        assert_eq!(batch(&mut engine), []);
        assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
        fake.kernel().set(fd, |state| state.writable = true);
        assert_eq!(batch(&mut engine), [writable(token)]);
        assert!(matches!(engine.flush(token), Flush::Drained));
        assert_eq!(fake.kernel().take_log(), [format!("send {fd}"), format!("modify {fd}")]);
        assert_eq!(fake.kernel().sent[&fd], b"onetwo");
        assert_eq!(batch(&mut engine), [], "interest in writing is gone");
    }
}

#[test]
fn a_wake_up_without_room_waits_on() {
    let (mut engine, fake, token, fd) = one_socket();
    limit(&fake, fd, [Ok(1), Err(Errno::AGAIN)]);
    engine.out(token).unwrap().push(b"xyz");
    assert!(matches!(engine.flush(token), Flush::Pending(2)));
    fake.kernel().set(fd, |state| state.writable = true);
    assert_eq!(batch(&mut engine), [writable(token)]);
    assert!(matches!(engine.flush(token), Flush::Pending(2)));
    assert_eq!(batch(&mut engine), []);
    fake.kernel().set(fd, |state| state.writable = true);
    assert_eq!(batch(&mut engine), [writable(token)]);
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().sent[&fd], b"xyz");
}

#[test]
fn a_socket_can_be_readable_and_writable_at_once() {
    let (mut engine, fake, token, fd) = one_socket();
    limit(&fake, fd, [Ok(0)]);
    engine.out(token).unwrap().push(b"x");
    engine.flush(token);
    fake.kernel().set(fd, |state| state.writable = true);
    fake.kernel().arrive(fd, b"y");
    let both = Ready::Socket { token, readable: true, writable: true, hangup: false };
    assert_eq!(batch(&mut engine), [both]);
}

#[test]
fn a_signal_does_not_disturb_a_write() {
    let (mut engine, fake, token, fd) = one_socket();
    limit(&fake, fd, [Err(Errno::INTR), Err(Errno::INTR)]);
    let all = mixed(&mut engine, token);
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().sent[&fd], all);
}

#[test]
fn a_long_queue_leaves_64_pieces_at_a_time() {
    let (mut engine, fake, token, fd) = one_socket();
    let mut all = Vec::new();
    let out = engine.out(token).unwrap();
    for index in 0..100_u8 {
        out.push(&[index]);
        out.hold(vec![index; 3]);
        all.extend([index; 4]);
    }
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().sent[&fd], all);
    assert_eq!(fake.kernel().take_log(), vec![format!("sendmsg {fd}"); 4], "200 pieces");
}

#[test]
fn a_loss_is_told_once_and_bytes_that_had_come_can_still_be_read() {
    for error in [Errno::PIPE, Errno::CONNRESET] {
        let (mut engine, fake, token, fd) = one_socket();
        fake.kernel().arrive(fd, b"goodbye");
        limit(&fake, fd, [Err(error)]);
        mixed(&mut engine, token);
        match engine.flush(token) {
            Flush::Lost(lost) => assert_eq!(lost.raw_os_error(), Some(error.raw_os_error())),
            other => panic!("{other:?}"),
        }
        assert!(engine.out_ref(token).unwrap().is_empty(), "payloads are released");
        assert!(!engine.mark_dirty(token));
        fake.kernel().take_log();
        engine.out(token).unwrap().push(b"more");
        assert!(matches!(engine.flush(token), Flush::Lost(_)));
        assert_eq!(fake.kernel().take_log(), Vec::<String>::new(), "no second try");
        assert_eq!(batch(&mut engine), [readable(token)]);
        assert_eq!(read(&mut engine, token, 64).0, b"goodbye");
    }
}

#[test]
fn a_hangup_wakes_a_waiting_writer_which_then_learns_of_the_loss() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.pause(token);
    limit(&fake, fd, [Ok(1), Err(Errno::PIPE)]);
    engine.out(token).unwrap().push(b"xyz");
    assert!(matches!(engine.flush(token), Flush::Pending(2)));
    fake.kernel().set(fd, |state| state.hangup = true);
    let ready = Ready::Socket { token, readable: false, writable: true, hangup: true };
    assert_eq!(batch(&mut engine), [ready]);
    assert!(matches!(engine.flush(token), Flush::Lost(_)));
    assert_eq!(batch(&mut engine), []);
    assert_eq!(engine.poll().unwrap(), 0, "it does not spin");
}

#[test]
fn a_socket_that_cannot_be_watched_for_room_is_lost() {
    let (mut engine, fake, token, fd) = one_socket();
    engine.pause(token);
    fake.kernel().set(fd, |state| state.readable = true);
    batch(&mut engine);
    limit(&fake, fd, [Ok(1)]);
    fake.kernel().add_errors.push_back(Errno::NOMEM);
    engine.out(token).unwrap().push(b"xyz");
    assert!(matches!(engine.flush(token), Flush::Lost(_)));
}

#[test]
fn the_first_dirty_socket_asks_for_a_flush_and_all_are_flushed_in_order() {
    let (mut engine, fake) = engine();
    let mut adopt = || {
        let fd = fake.kernel().open();
        engine.adopt(fd).unwrap()
    };
    let (a, b, c) = (adopt(), adopt(), adopt());
    assert!(engine.mark_dirty(b));
    assert!(!engine.mark_dirty(a) && !engine.mark_dirty(b) && !engine.mark_dirty(c));
    assert!(engine.close(a));
    assert_eq!(engine.dirty_len(), 3, "a is passed over");
    assert_eq!(engine.take_dirty(), Some(b));
    assert!(!engine.mark_dirty(b), "c is still listed");
    assert_eq!(engine.take_dirty(), Some(c));
    assert_eq!(engine.take_dirty(), Some(b));
    assert_eq!(engine.take_dirty(), None);
    assert!(engine.mark_dirty(c));
}

#[test]
fn the_end_is_sent_at_once_when_nothing_is_queued() {
    let (mut engine, fake, token, fd) = one_socket();
    assert!(engine.shutdown_write(token) && engine.shutdown_write(token));
    assert_eq!(fake.kernel().take_log(), [format!("shutdown {fd}")]);
    fake.kernel().arrive(fd, b"still listening");
    assert_eq!(batch(&mut engine), [readable(token)]);
}

#[test]
fn the_end_follows_the_queued_bytes() {
    let (mut engine, fake, token, fd) = one_socket();
    limit(&fake, fd, [Ok(1), Ok(1)]);
    engine.out(token).unwrap().push(b"xyz");
    assert!(matches!(engine.flush(token), Flush::Pending(2)));
    engine.shutdown_write(token);
    fake.kernel().take_log();
    fake.kernel().set(fd, |state| state.writable = true);
    assert_eq!(batch(&mut engine), [writable(token)]);
    assert!(matches!(engine.flush(token), Flush::Pending(1)));
    fake.kernel().set(fd, |state| state.writable = true);
    assert_eq!(batch(&mut engine), [writable(token)]);
    assert!(matches!(engine.flush(token), Flush::Drained));
    let calls = ["send", "send", "modify", "shutdown"].map(|call| format!("{call} {fd}"));
    assert_eq!(fake.kernel().take_log(), calls);
    assert_eq!(fake.kernel().sent[&fd], b"xyz");
}

#[test]
fn a_broken_socket_is_not_shut_down() {
    let (mut engine, fake, token, fd) = one_socket();
    limit(&fake, fd, [Err(Errno::PIPE)]);
    engine.out(token).unwrap().push(b"x");
    engine.flush(token);
    fake.kernel().take_log();
    engine.shutdown_write(token);
    assert_eq!(fake.kernel().take_log(), Vec::<String>::new());
    assert_eq!(fake.kernel().interest(fd), Some(Interest::READ));
}
