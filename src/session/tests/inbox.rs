use super::super::inbox::Inbox;
use super::host::{SETTINGS, Seen, TestHost};
use super::session::{Host, delivery};
use super::{BINARY, TEXT, heard, host, listen, texts};

const KIB_64: usize = 64 * 1024;

fn filled(messages: usize, size: usize, claimed: bool) -> Inbox<usize> {
    let mut inbox = Inbox::default();
    if claimed {
        inbox.claim();
    }
    (0..messages).for_each(|at| inbox.push(at, size, at % 2 == 1));
    inbox
}

#[test]
fn an_inbox_is_full_at_its_bound_of_messages_or_bytes() {
    let table = [
        (15, 1, false, false),
        (16, 1, false, true),
        (17, 1, false, true),
        (1023, 1, true, false),
        (1024, 1, true, true),
        (1, KIB_64 - 1, false, false),
        (1, KIB_64, false, true),
        (1, KIB_64 + 1, false, true),
        (1, KIB_64 - 1, true, false),
        (1, KIB_64, true, true),
        (16, 4096, true, true),
        (16, 4095, true, false),
    ];
    for (messages, size, claimed, full) in table {
        let inbox = filled(messages, size, claimed);
        assert_eq!(inbox.is_full(), full, "{messages} of {size}, {claimed}");
    }
}

#[test]
fn messages_come_out_in_order_and_make_room() {
    let mut inbox = filled(16, 5000, false);
    for at in 0..16 {
        assert_eq!(inbox.messages().count(), 16 - at);
        assert_eq!(inbox.is_full(), at == 0 || 16 - at > KIB_64 / 5000);
        assert_eq!(inbox.pop(), Some((at, at % 2 == 1)));
    }
    assert_eq!(inbox.pop(), None);
    assert!(inbox.is_empty());
}

#[test]
fn unwanted_messages_are_dropped_except_the_first_if_it_belongs_to_a_task() {
    for (is_awaited, is_owed, left) in [(false, false, 0), (true, false, 1), (false, true, 1)] {
        for size in [KIB_64 - 1, KIB_64] {
            let mut inbox = filled(3, size, false);
            inbox.owe(is_owed);
            inbox.drop_unwanted(is_awaited, true);
            assert_eq!(inbox.messages().count(), left);
            // The next message is taken once, even beside a long one that still fills the inbox.
            let fills = left * size == KIB_64;
            assert_eq!(inbox.is_full(), fills, "dropped bytes no longer count");
            assert_eq!(inbox.take_dropped(), fills);
            assert!(!inbox.take_dropped());
            inbox.drop_unwanted(is_awaited, false);
            assert!(!inbox.take_dropped(), "no message is about to come");
        }
    }
}

#[test]
fn the_permission_to_exceed_the_bound_ends_once_a_message_is_taken() {
    let mut inbox = filled(2, KIB_64, false);
    inbox.drop_unwanted(true, true);
    // The task takes its message before the next one arrives.
    assert_eq!(inbox.pop(), Some((0, false)));
    assert!(!inbox.take_dropped());
}

#[test]
fn a_session_keeps_sixteen_messages_or_64_kib() {
    for (count, each, kept, is_full) in [
        (15, 1, 15, false),
        (16, 1, 16, true),
        (17, 1, 16, true),
        (5, 20_000, 4, true),
        (3, KIB_64, 1, true),
        (1, KIB_64 - 1, 1, false),
        (3, KIB_64 - 1, 2, true),
    ] {
        let host = TestHost::started(SETTINGS);
        let message = host::frame(BINARY, &vec![b'x'; each]);
        host.feed(&message.repeat(count));
        assert_eq!(host.waiting_messages(), kept, "{count} of {each}");
        assert_eq!(host.log().contains(&Seen::Reading(false)), is_full);
        // Once the last one is taken, the others are delivered.
        let mut taken = 0;
        while taken < count {
            assert!(host.recv().is_some(), "{taken} of {count}");
            taken += 1;
            host.tick();
        }
        assert_eq!(host.recv(), None);
    }
}

#[test]
fn a_session_keeps_1024_messages_for_a_program_that_iterates() {
    let host = TestHost::started(SETTINGS);
    assert_eq!(host.recv(), None);
    host.feed(&texts(&["x"; 1025]));
    assert!(host.is_woken());
    assert_eq!(host.waiting_messages(), 1024);
    for _ in 0..1024 {
        host.recv().unwrap();
    }
    assert_eq!(host.recv(), None);
    host.tick();
    assert!(host.is_woken());
    host.recv().unwrap();
}

#[test]
fn the_owner_is_notified_of_a_full_inbox_unless_a_task_has_asked_for_messages() {
    for (count, asks, discards, is_told) in [
        (14, false, false, false),
        (15, false, false, true),
        (16, false, false, true),
        (2000, false, false, true),
        (2000, true, false, false),
        (2000, false, true, false),
    ] {
        let host = TestHost::started(SETTINGS);
        delivery::set_discard(&host, discards);
        if asks {
            assert_eq!(host.recv(), None);
        }
        host.feed(&texts(&["x"; 2000][..count]));
        host.feed(&texts(&["y"]));
        host.tick();
        let told = host.log().into_iter().filter(|seen| *seen == Seen::Stalled).count();
        assert_eq!(told, usize::from(is_told), "{count}");
    }
}

#[test]
fn with_discard_a_full_inbox_is_emptied_for_the_next_message() {
    let host = TestHost::started(SETTINGS);
    delivery::set_discard(&host, true);
    assert!(host.with(|session| session.discards()));
    host.feed(&texts(&["old"; 16]));
    host.feed(&texts(&["new"]));
    assert_eq!(host.waiting_messages(), 1);
    assert_eq!(host.recv().unwrap().bytes(), b"new");
    assert!(!host.log().contains(&Seen::Reading(false)));
}

#[test]
fn with_discard_the_first_message_is_kept_for_the_task_that_waits_for_it() {
    let host = TestHost::started(SETTINGS);
    delivery::set_discard(&host, true);
    assert_eq!(host.recv(), None);
    host.feed(&texts(&["1"; 1024]));
    host.feed(&texts(&["2", "3"]));
    assert_eq!([1, 2, 3].map(|_| host.recv().unwrap().bytes()), [b"1", b"2", b"3"]);
    assert_eq!(host.recv(), None);
    // The next message is so long that it fills the inbox alone. Messages beside it are dropped, and nothing loops for
    // ever.
    host.feed(&[host::frame(TEXT, &[b'4'; KIB_64]), texts(&["5", "6"])].concat());
    assert!(host.is_woken());
    host.feed(&texts(&["7"]));
    assert_eq!(host.recv().unwrap().bytes(), [b'4'; KIB_64]);
    assert_eq!(host.recv(), None);
    host.feed(&texts(&["8"]));
    assert_eq!(host.recv().unwrap().bytes(), b"8");
}

#[test]
fn with_discard_the_next_tick_empties_a_full_inbox() {
    let host = TestHost::started(SETTINGS);
    host.feed(&texts(&["x"; 16]));
    delivery::set_discard(&host, true);
    delivery::go_on(&host);
    assert_eq!(host.waiting_messages(), 0);
    host.feed(&texts(&["x"; 17]));
    delivery::set_discard(&host, false);
    assert_eq!(host.waiting_messages(), 1);
}

#[test]
fn unclaimed_messages_go_to_a_listener_that_is_set_later() {
    let host = TestHost::started(SETTINGS);
    host.feed(&texts(&["a", "b"]));
    listen(&host);
    host.feed(&texts(&["c"]));
    assert_eq!(host.log(), [heard("a"), heard("b"), heard("c")]);
    host.tick();
    assert_eq!(host.log(), []);
}

#[test]
fn claimed_messages_stay_for_their_task() {
    let host = TestHost::started(SETTINGS);
    assert_eq!(host.recv(), None);
    // A task waits: the listener gets its message too, and takes nothing away.
    listen(&host);
    host.feed(&texts(&["a"]));
    assert_eq!(host.log(), [heard("a")]);
    assert_eq!(host.recv().unwrap().form, super::Form::Text);
    // No task waits any more: the next listener takes over.
    assert_eq!(delivery::set_listener(&host, None), Some(1));
    listen(&host);
    host.log();
    host.feed(&texts(&["b"]));
    assert_eq!((host.log(), host.waiting_messages()), (vec![heard("b")], 0));
}

#[test]
fn a_cancelled_task_takes_no_message() {
    let host = TestHost::started(SETTINGS);
    assert_eq!(host.recv(), None);
    host.feed(&texts(&["a"]));
    assert!(host.with(|session| session.is_owed()));
    host.cancel_recv();
    assert!(!host.with(|session| session.is_owed()));
    listen(&host);
    host.tick();
    assert_eq!(host.log(), [heard("a")]);
}
