use super::host::{LIMITS, Message, SETTINGS, Seen, TestHost, frame};
use super::protocol::error::ProtocolError;
use super::session::{Form, Host, Settings, Soon, delivery};
use super::{BINARY, CLOSE, PING, PONG, TEXT, bytes, heard, listen, texts};

#[test]
fn bytes_received_before_the_start_wait_behind_the_head() {
    let host = TestHost::new(SETTINGS, LIMITS, None);
    listen(&host);
    host.feed(&texts(&["b"]));
    assert_eq!(host.log(), []);
    delivery::start(&host, &texts(&["a"]));
    assert_eq!(host.log(), [heard("a"), heard("b")]);
    assert_eq!(host.with(|session| session.counters().totals(0)[5]), 6);
}

#[test]
fn reading_stops_beyond_64_kib_before_the_start() {
    let host = TestHost::new(SETTINGS, LIMITS, None);
    listen(&host);
    let message = frame(BINARY, &[0; 64 * 1024 - 4]);
    host.feed(&message);
    assert_eq!(host.log(), []);
    host.feed(b"\x89");
    assert_eq!(host.log(), [Seen::Reading(false)]);
    delivery::start(&host, b"");
    assert_eq!(host.log().last(), Some(&Seen::Reading(true)));
}

#[test]
fn bytes_are_read_ahead_while_the_program_has_paused() {
    for read_ahead in [0, 100] {
        let host = TestHost::started(Settings { read_ahead, auto_pong: false, ..SETTINGS });
        assert_eq!(host.with(|session| session.room_to_read()), usize::MAX);
        delivery::pause(&host);
        let room = |host: &TestHost| host.with(|session| session.room_to_read());
        if read_ahead == 0 {
            assert_eq!((host.log(), room(&host)), (vec![Seen::Reading(false)], usize::MAX));
            continue;
        }
        assert_eq!((host.log(), room(&host)), (vec![], 100));
        host.feed(&[0x89; 99]);
        assert_eq!((host.log(), room(&host)), (vec![], 1));
        host.feed(&[0x89]);
        assert_eq!((host.log(), room(&host)), (vec![Seen::Reading(false)], 1));
    }
}

#[test]
fn received_bytes_and_stopped_reading_count_as_activity() {
    let host = TestHost::started(SETTINGS);
    let active = || host.with(|session| session.take_activity());
    assert!(!active());
    host.feed(&texts(&["a"]));
    assert!(active() && !active());
    delivery::pause(&host);
    assert!(active() && active());
    delivery::resume(&host);
    host.tick();
    assert!(active() && !active());
}

#[test]
fn the_owner_is_notified_of_pings_and_pongs_if_it_wants_to_be() {
    for wanted in [false, true] {
        let host = TestHost::started(SETTINGS);
        host.with(|session| {
            session.set_wants_ping(wanted);
            session.set_wants_pong(wanted);
            assert_eq!((session.wants_ping(), session.wants_pong()), (wanted, wanted));
        });
        host.feed(&[frame(PING, b"i"), frame(PONG, b"o")].concat());
        let mut log = vec![Seen::Answered(b"i".into())];
        if wanted {
            log.extend([Seen::Ping(b"i".into()), Seen::Pong(b"o".into())]);
        }
        assert_eq!(host.log(), log);
        assert_eq!(host.wire.borrow().bytes(), frame(PONG, b"i"));
    }
}

#[test]
fn a_pong_answers_our_ping() {
    let host = TestHost::started(SETTINGS);
    host.ping(b"here?");
    host.feed(&frame(PONG, b"here?"));
    assert!(host.with(|session| session.counters().round_trip()).is_some());
}

#[test]
fn pings_are_not_answered_without_auto_pong_beyond_the_limit_or_after_the_end() {
    let pings = [frame(PING, b"1"), frame(PING, b"2"), frame(PING, b"3")].concat();
    let answered = |settings, before: fn(&TestHost)| {
        let host = TestHost::started(settings);
        before(&host);
        host.feed(&pings);
        host.log().iter().filter(|seen| matches!(seen, Seen::Answered(_))).count()
    };
    assert_eq!(answered(SETTINGS, |_| {}), 3);
    assert_eq!(answered(Settings { auto_pong: false, ..SETTINGS }, |_| {}), 0);
    assert_eq!(answered(Settings { max_pending_auto_pongs: 2, ..SETTINGS }, |_| {}), 2);
    assert_eq!(answered(SETTINGS, |host| host.end(super::session::Ending::Half)), 0);
}

#[test]
fn without_synchronous_events_each_event_has_a_tick_of_its_own() {
    let host = TestHost::started(Settings { allow_synchronous_events: false, ..SETTINGS });
    listen(&host);
    host.feed(&[texts(&["a"]), frame(PING, b"i"), texts(&["b"]), frame(CLOSE, b"")].concat());
    let events = [
        vec![heard("a")],
        vec![Seen::Answered(b"i".into()), Seen::Ping(b"i".into())],
        vec![heard("b")],
        vec![Seen::Close(1005, vec![])],
        vec![],
    ];
    for event in events {
        assert_eq!(host.log(), event);
        host.tick();
    }
    assert_eq!(host.ticks(), []);
}

#[test]
fn without_synchronous_events_each_message_that_waited_has_a_tick_of_its_own() {
    let host = TestHost::started(Settings { allow_synchronous_events: false, ..SETTINGS });
    host.feed(&texts(&["a", "b"]));
    host.feed(&frame(CLOSE, b""));
    assert_eq!(host.log(), [Seen::Close(1005, vec![])]);
    listen(&host);
    for text in ["a", "b"] {
        assert_eq!(host.log(), []);
        assert!(host.run_soon().is_some());
        assert_eq!(host.log(), [heard(text)]);
    }
}

#[test]
fn with_read_ahead_nothing_is_delivered_between_resume_and_the_next_tick() {
    let host = TestHost::started(Settings { read_ahead: 100, ..SETTINGS });
    listen(&host);
    delivery::pause(&host);
    delivery::resume(&host);
    assert_eq!(host.ticks(), [Soon::NextTick]);
    host.feed(&texts(&["a"]));
    assert_eq!(host.log(), []);
    host.tick();
    assert_eq!(host.log(), [heard("a")]);
}

#[test]
fn binary_messages_have_the_form_that_was_asked_for() {
    let message = |form, parts: &[&str]| Message {
        form,
        parts: parts.iter().map(|part| part.as_bytes().to_vec()).collect(),
    };
    let fragments = [frame(2, b"ab"), frame(0, b""), frame(0x80, b"cd")].concat();
    for (form, wanted) in [
        (Form::Bytes, message(Form::Bytes, &["abcd"])),
        (Form::ByteArray, message(Form::ByteArray, &["abcd"])),
        (Form::Fragments, message(Form::Fragments, &["ab", "cd"])),
    ] {
        let host = TestHost::started(SETTINGS);
        listen(&host);
        host.with(|session| session.set_form(form));
        assert_eq!(host.with(|session| session.form()), form);
        host.feed(&fragments);
        host.feed(&texts(&["text"]));
        assert_eq!(host.log(), [Seen::Heard(1, wanted.clone(), true), heard("text")]);
        // The inbox holds it in the same form.
        delivery::set_listener(&host, None).unwrap();
        host.feed(&fragments);
        assert_eq!(host.recv(), Some(wanted));
        let bytes = host.with(|session| session.counters().totals(0)[4]);
        assert_eq!(bytes, 12);
    }
}

#[test]
fn text_in_the_inbox_is_text_unless_it_was_not_validated() {
    for skip_utf8_validation in [false, true] {
        let host = TestHost::started(Settings { skip_utf8_validation, ..SETTINGS });
        let data: &[u8] = if skip_utf8_validation { b"\xff" } else { b"text" };
        host.feed(&frame(TEXT, data).repeat(2));
        let form = if skip_utf8_validation { Form::Bytes } else { Form::Text };
        assert_eq!(host.recv(), Some(Message { form, parts: vec![data.to_vec()] }));
        // A listener that is set later gets it as bytes.
        host.with(|session| session.owe(false));
        listen(&host);
        host.log();
        host.tick();
        let message = Message { form: Form::Bytes, parts: vec![data.to_vec()] };
        assert_eq!(host.log(), [Seen::Heard(1, message, false)]);
    }
    let host = TestHost::started(SETTINGS);
    host.feed(&frame(TEXT, b"\xff"));
    assert_eq!(host.log(), [Seen::Fail(ProtocolError::InvalidUtf8)]);
}

#[test]
fn a_message_that_could_not_be_made_is_reported_and_the_next_one_delivered() {
    for form in [Form::Bytes, Form::Fragments] {
        let host = TestHost::started(SETTINGS);
        listen(&host);
        host.with(|session| session.set_form(form));
        host.is_out_of_memory.set(true);
        host.feed(&[frame(BINARY, b"lost"), texts(&["next"])].concat());
        assert_eq!(host.log(), [Seen::Reported("no memory"), heard("next")]);
        assert_eq!(host.with(|session| session.counters().totals(0)[3]), 1);
    }
}

#[test]
fn a_message_whose_fragments_could_not_be_joined_is_reported() {
    let host = TestHost::started(SETTINGS);
    listen(&host);
    host.with(|session| session.set_form(Form::Fragments));
    host.is_out_of_memory_to_join.set(true);
    host.feed(&[frame(BINARY, b"lost"), texts(&["next"])].concat());
    assert_eq!(host.log(), [Seen::Reported("no memory for the list"), heard("next")]);
}

#[test]
fn nothing_is_delivered_after_a_close_frame_or_a_fault() {
    let close = [&1000_u16.to_be_bytes()[..], b"bye"].concat();
    let ends = [
        (frame(CLOSE, &close), Seen::Close(1000, b"bye".into())),
        (frame(0x83, b""), Seen::Fail(ProtocolError::InvalidOpcode { opcode: 3 })),
    ];
    for (end, seen) in ends {
        let host = TestHost::started(SETTINGS);
        listen(&host);
        host.feed(&[texts(&["a"]), end.clone(), texts(&["late"])].concat());
        host.feed(&end);
        assert_eq!(host.log(), [heard("a"), seen]);
        assert!(host.with(|session| session.direct_receiver().is_none()));
    }
}

/// Makes a connection that has received the header of a long text and `read` bytes of its payload. Also returns the
/// remaining bytes.
fn long_text(read: usize) -> (TestHost, Vec<u8>) {
    let host = TestHost::started(SETTINGS);
    listen(&host);
    let mut message = frame(TEXT, &[b'x'; 40_000]);
    let rest = message.split_off(4 + read);
    host.feed(&message);
    (host, rest)
}

fn feed_all_directly(host: &TestHost, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[host.read_directly(bytes, 1).expect("a frame has arrived in part")..];
        host.feed(&[]);
    }
}

#[test]
fn a_long_frame_is_read_into_its_message() {
    let (host, rest) = long_text(10);
    feed_all_directly(&host, &rest);
    assert_eq!(host.log(), [heard(&"x".repeat(40_000))]);
    assert_eq!(host.with(|session| session.counters().totals(0)[5]), 40_004);
    assert_eq!(host.read_directly(b"\x89", 1), None);
}

#[test]
fn a_fault_in_a_frame_that_is_read_directly_is_reported() {
    let (host, mut rest) = long_text(10);
    rest[100] = 0xff;
    feed_all_directly(&host, &rest[..1000]);
    assert_eq!(host.log(), [Seen::Fail(ProtocolError::InvalidUtf8)]);
}

#[test]
fn directly_read_bytes_wait_if_the_program_pauses_before_they_are_delivered() {
    for spoil in [false, true] {
        let (host, mut rest) = long_text(39_000);
        rest[100] = if spoil { 0xff } else { b'x' };
        assert_eq!(host.read_directly(&rest, 1), Some(rest.len()));
        host.with(|session| session.pause());
        host.feed(&[]);
        host.receive_eof();
        assert_eq!(host.log(), [Seen::Reading(false)]);
        delivery::resume(&host);
        host.tick();
        let event = match spoil {
            true => Seen::Fail(ProtocolError::InvalidUtf8),
            false => Seen::Heard(1, bytes(&"x".repeat(40_000)), false),
        };
        assert_eq!(host.log()[..2], [event, Seen::Reading(true)]);
    }
}
