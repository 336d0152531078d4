use super::super::hold::{Hold, Resume};
use super::host::{SETTINGS, Seen, TestHost};
use super::session::{Settings, delivery};
use super::{CLOSE, heard, host, listen, texts};

/// A reason, the call that sets it, and the calls that clear it.
struct Row {
    reason: &'static str,
    is_set: fn(Hold) -> bool,
    set: fn(&mut Hold),
    clear: &'static [fn(&mut Hold)],
    /// The predicates that it makes true, of those that ask for several reasons at once.
    means: &'static [&'static str],
}

const ROWS: [Row; 7] = [
    Row {
        reason: "NOT_STARTED",
        is_set: |hold| !hold.is_started(),
        set: |hold| *hold = Hold::default(),
        clear: &[Hold::start],
        means: &["must_wait"],
    },
    Row {
        reason: "PAUSED",
        is_set: |hold| hold.holds_paused(),
        set: |hold| hold.pause(false),
        clear: &[
            |hold| assert_eq!(hold.resume(false), Resume::GoOn),
            Hold::lose,
            |hold| hold.pause(true),
        ],
        means: &["is_held", "keeps_inbox"],
    },
    Row {
        reason: "STALLED",
        is_set: |hold| hold.is_stalled(),
        set: |hold| hold.stall(true),
        clear: &[|hold| hold.stall(false)],
        means: &["is_held"],
    },
    Row {
        reason: "NEXT_TICK",
        is_set: |hold| hold.waits_for_tick(),
        set: |hold| hold.wait_for_tick(true),
        clear: &[|hold| hold.wait_for_tick(false)],
        means: &["awaits_delivery", "keeps_inbox", "must_wait"],
    },
    Row {
        reason: "INFLATING",
        is_set: |mut hold| {
            hold.start();
            hold.wait_for_tick(false);
            hold.must_wait()
        },
        set: Hold::begin_inflating,
        clear: &[Hold::end_inflating, Hold::forget_ready],
        means: &["awaits_delivery", "must_wait"],
    },
    Row {
        reason: "NEXT_SLICE",
        is_set: |hold| hold.waits_for_slice(),
        set: |hold| hold.wait_for_slice(true),
        clear: &[|hold| hold.wait_for_slice(false)],
        means: &["awaits_delivery"],
    },
    Row {
        reason: "CONCLUDED",
        is_set: |hold| hold.is_concluded(),
        set: Hold::conclude,
        clear: &[],
        means: &[],
    },
];

fn free() -> Hold {
    let mut hold = Hold::default();
    hold.start();
    hold
}

fn set_in(hold: Hold) -> Vec<&'static str> {
    ROWS.iter().filter(|row| (row.is_set)(hold)).map(|row| row.reason).collect()
}

fn meaning(hold: Hold) -> Vec<&'static str> {
    let all = [
        ("awaits_delivery", hold.awaits_delivery()),
        ("is_held", hold.is_held()),
        ("keeps_inbox", hold.keeps_inbox()),
        ("must_wait", hold.must_wait()),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

#[test]
fn the_table_in_the_source_names_these_reasons() {
    let named: Vec<&str> = include_str!("../hold.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
        .collect();
    assert_eq!(named, ROWS.map(|row| row.reason));
}

#[test]
fn each_reason_alone_holds_delivery_and_means_what_its_row_says() {
    assert!(free().allows_delivery());
    assert_eq!(meaning(free()), [""; 0]);
    for row in ROWS {
        let mut hold = free();
        (row.set)(&mut hold);
        assert!(!hold.allows_delivery(), "{}", row.reason);
        assert_eq!(set_in(hold), [row.reason]);
        assert_eq!(meaning(hold), row.means, "{}", row.reason);
    }
}

#[test]
fn each_reason_is_set_and_cleared_without_another() {
    for row in ROWS.iter().skip(1) {
        let mut all = Hold::default();
        ROWS.iter().skip(1).for_each(|other| (other.set)(&mut all));
        assert_eq!(set_in(all), ROWS.map(|row| row.reason));
        for clear in row.clear {
            let mut hold = all;
            clear(&mut hold);
            let rest = ROWS.iter().map(|row| row.reason).filter(|reason| *reason != row.reason);
            assert_eq!(set_in(hold), rest.collect::<Vec<_>>());
            (row.set)(&mut hold);
            assert_eq!(set_in(hold), set_in(all));
        }
    }
}

#[test]
fn an_inflated_message_is_ready_until_it_is_delivered() {
    let mut hold = free();
    hold.begin_inflating();
    assert!(!hold.has_ready());
    hold.end_inflating();
    assert!(hold.has_ready() && hold.allows_delivery() && hold.awaits_delivery());
    hold.forget_ready();
    assert_eq!(hold, free());
    hold.keep_ready();
    assert!(hold.has_ready());
}

#[test]
fn resume_returns_what_follows() {
    let mut hold = free();
    assert_eq!(hold.resume(true), Resume::Nothing);
    hold.pause(false);
    assert!(hold.is_paused());
    assert_eq!(hold.resume(true), Resume::NextTick);
    assert!(!hold.is_paused() && hold.waits_for_tick());
    // That tick is already scheduled.
    hold.pause(false);
    assert_eq!(hold.resume(true), Resume::GoOn);
    assert!(hold.waits_for_tick());
    // A pause after the loss is recorded, and holds nothing back.
    let mut hold = free();
    hold.pause(true);
    assert!(hold.is_paused() && hold.allows_delivery());
    assert_eq!(hold.resume(false), Resume::Nothing);
}

/// A reason on a connection: its settings, the call that sets the reason, and the calls that clear it. After each of
/// these the waiting messages are delivered.
type Story = (Settings, fn(&TestHost), &'static [fn(&TestHost)]);

const PLAIN: Settings = SETTINGS;
const ONE_A_TICK: Settings = Settings { allow_synchronous_events: false, ..SETTINGS };
const READS_AHEAD: Settings = Settings { read_ahead: 100, ..SETTINGS };

fn fill(host: &TestHost) {
    host.feed(&texts(&["full"; 17]));
    host.tick();
}

const STORIES: &[Story] = &[
    (PLAIN, delivery::pause, &[delivery::resume, TestHost::lose]),
    (READS_AHEAD, delivery::pause, &[delivery::resume]),
    (ONE_A_TICK, |host| host.feed(&texts(&["event"])), &[|_| {}]),
    (
        READS_AHEAD,
        |host| {
            delivery::pause(host);
            delivery::resume(host);
        },
        &[|_| {}],
    ),
];

#[test]
fn nothing_is_delivered_while_there_is_a_reason_and_everything_afterwards() {
    for (at, (settings, set, clear)) in STORIES.iter().enumerate() {
        for clear in *clear {
            let host = TestHost::started(*settings);
            listen(&host);
            set(&host);
            host.log();
            host.feed(&texts(&["a", "b"]));
            let messages = |log: Vec<Seen>| -> Vec<Seen> {
                log.into_iter().filter(|seen| matches!(seen, Seen::Heard(..))).collect()
            };
            assert_eq!(messages(host.log()), [], "story {at}");
            clear(&host);
            (0..3).for_each(|_| host.tick());
            assert_eq!(messages(host.log()), [heard("a"), heard("b")], "story {at}");
        }
    }
}

#[test]
fn a_full_inbox_holds_delivery_until_its_last_message_is_taken_or_discard_is_set() {
    let empty = |host: &TestHost| while host.recv().is_some() {};
    let discard = |host: &TestHost| delivery::set_discard(host, true);
    let ways: [fn(&TestHost); 2] = [empty, discard];
    for way in ways {
        let host = TestHost::started(SETTINGS);
        fill(&host);
        assert_eq!(host.waiting_messages(), 16);
        host.feed(&host::frame(CLOSE, b""));
        assert!(!host.log().contains(&Seen::Close(1005, vec![])));
        way(&host);
        host.tick();
        assert!(host.log().contains(&Seen::Close(1005, vec![])));
    }
}

#[test]
fn nothing_clears_a_conclusion() {
    let host = TestHost::started(SETTINGS);
    listen(&host);
    host.feed(&host::frame(CLOSE, b""));
    delivery::pause(&host);
    delivery::resume(&host);
    host.feed(&texts(&["late"]));
    host.tick();
    host.lose();
    assert_eq!(host.log(), [Seen::Close(1005, vec![]), Seen::Lost]);
}
