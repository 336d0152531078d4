//! The same bytes give the same events, whether they arrive whole, byte by byte or cut anywhere.

use proptest::prelude::*;

use super::host::{SETTINGS, Seen, TestHost, frame};
use super::session::{Form, Host, Settings, delivery};
use super::{BINARY, CLOSE, PING, PONG, TEXT};

/// The ways in which a program listens.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A listener from the start.
    Listener,
    /// A listener that pauses at each message; delivery is resumed after each read.
    Pausing,
    /// A task that takes all messages after each read.
    Task,
}

fn event(seen: &Seen) -> bool {
    !matches!(seen, Seen::Reading(_) | Seen::Answered(_))
}

/// Returns the events that `pieces` lead to, and the pings that were answered.
fn events(settings: Settings, way: Way, form: Form, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<Seen>) {
    let host = TestHost::started(settings);
    host.with(|session| session.set_form(form));
    match way {
        Way::Listener => super::listen(&host),
        Way::Pausing => {
            super::listen(&host);
            host.set_program(|host, seen| {
                if matches!(seen, Seen::Heard(..)) {
                    delivery::pause(host);
                }
            });
        }
        Way::Task => assert_eq!(host.recv(), None),
    }
    let turn = |host: &TestHost| match way {
        Way::Listener => host.tick(),
        Way::Pausing => {
            delivery::resume(host);
            host.tick();
        }
        Way::Task => {
            while host.recv().is_some() {}
            host.tick();
        }
    };
    for piece in pieces {
        host.feed(piece);
        turn(&host);
    }
    (0..100).for_each(|_| turn(&host));
    host.lose();
    turn(&host);
    let log = host.log();
    let answered = log.iter().filter(|seen| matches!(seen, Seen::Answered(_))).cloned().collect();
    (log.into_iter().filter(event).collect(), answered)
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let data = || prop::collection::vec(b'a'..=b'z', 0..300);
    let short = || prop::collection::vec(any::<u8>(), 0..20);
    let one = prop_oneof![
        4 => data().prop_map(|data| frame(TEXT, &data)),
        4 => data().prop_map(|data| frame(BINARY, &data)),
        2 => (data(), short(), data()).prop_map(|(a, ping, b)| {
            [frame(2, &a), frame(PING, &ping), frame(0, &b), frame(0x80, &a)].concat()
        }),
        2 => short().prop_map(|data| frame(PING, &data)),
        1 => short().prop_map(|data| frame(PONG, &data)),
    ];
    let last = prop_oneof![
        Just(Vec::new()),
        Just(frame(CLOSE, b"\x03\xe8bye")),
        Just(frame(TEXT, b"\xff")),
        Just(frame(0x83, b"")),
    ];
    (prop::collection::vec(one, 1..40), last).prop_map(|(all, last)| [all.concat(), last].concat())
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), prop_oneof![Just(0), Just(64)]).prop_map(|(sync, read_ahead)| Settings {
        allow_synchronous_events: sync,
        read_ahead,
        ..SETTINGS
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_events_do_not_depend_on_where_the_bytes_are_cut(
        stream in frames(),
        settings in settings(),
        way in prop_oneof![Just(Way::Listener), Just(Way::Pausing), Just(Way::Task)],
        form in prop_oneof![Just(Form::Bytes), Just(Form::ByteArray), Just(Form::Fragments)],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let whole = events(settings, way, form, &[&stream]);
        let by_bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts {
            let at = cut.index(rest.len() + 1);
            pieces.push(&rest[..at]);
            rest = &rest[at..];
        }
        pieces.push(rest);
        for pieces in [by_bytes, pieces] {
            let other = events(settings, way, form, &pieces);
            if matches!(way, Way::Task) {
                // A task takes messages when it runs, so pings may be reported before them.
                let taken = |all: &[Seen], is: bool| -> Vec<Seen> {
                    all.iter().filter(|one| matches!(one, Seen::Taken(..)) == is).cloned().collect()
                };
                for is in [false, true] {
                    prop_assert_eq!(taken(&other.0, is), taken(&whole.0, is));
                }
            } else {
                prop_assert_eq!(&other.0, &whole.0);
            }
            prop_assert_eq!(&other.1, &whole.1);
        }
    }
}
