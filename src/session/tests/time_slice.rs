use std::time::{Duration, Instant};

use super::host::{SETTINGS, Seen, TestHost, frame};
use super::listen;
use super::session::{EVENTS, Host, TimeSlice, Verdict, delivery};

const LENGTH: Duration = Duration::from_millis(8);

fn check(slice: &mut TimeSlice, now: Instant) -> Verdict {
    slice.check(now, LENGTH, true)
}

#[test]
fn the_clock_is_due_once_in_some_events() {
    let mut slice = TimeSlice::default();
    let due: Vec<u32> = (1..=3 * EVENTS).filter(|_| slice.count(70)).collect();
    assert_eq!(due, [EVENTS, 2 * EVENTS, 3 * EVENTS]);
    assert!(slice.count(64 * 1024), "a read with many messages");
    assert!(!slice.count(1024));
    assert!(slice.count(1024));
}

#[test]
fn a_slice_begins_at_the_first_look_at_the_clock_and_stays_over() {
    let (mut slice, now) = (TimeSlice::default(), Instant::now());
    assert_eq!(check(&mut slice, now), Verdict::GoOn);
    assert_eq!(check(&mut slice, now + LENGTH / 8 * 7), Verdict::GoOn);
    assert_eq!(check(&mut slice, now + LENGTH), Verdict::Over);
    assert_eq!(check(&mut slice, now), Verdict::Over);
    assert!(slice.count(0), "others need not wait for their next look");
    slice.begin(false);
    assert_eq!(check(&mut slice, now + LENGTH), Verdict::GoOn);
}

#[test]
fn the_first_half_ends_where_others_wait_and_shares_follow() {
    let (mut slice, now) = (TimeSlice::default(), Instant::now());
    slice.begin(true);
    assert_eq!(check(&mut slice, now), Verdict::GoOn);
    assert_eq!(check(&mut slice, now + LENGTH / 2), Verdict::Over);
    assert!(slice.count(0), "it stays over until a share begins");
    slice.begin_share(now + LENGTH / 2, LENGTH, true);
    assert!(!slice.count(0));
    assert_eq!(check(&mut slice, now + LENGTH / 2), Verdict::GoOn);
    assert_eq!(check(&mut slice, now + LENGTH / 4 * 3), Verdict::Over);
    slice.begin_share(now + LENGTH / 4 * 3, LENGTH, false);
    assert_eq!(check(&mut slice, now + LENGTH / 8 * 7), Verdict::GoOn, "the last one has the rest");
    assert_eq!(check(&mut slice, now + LENGTH), Verdict::Over);
}

#[test]
fn each_slice_and_each_share_has_its_own_count_of_events() {
    let mut slice = TimeSlice::default();
    let all_but_one = |slice: &mut TimeSlice| (1..EVENTS).any(|_| slice.count(0));
    assert!(!all_but_one(&mut slice));
    slice.begin(true);
    assert!(!all_but_one(&mut slice));
    slice.begin_share(Instant::now(), LENGTH, true);
    assert!(!all_but_one(&mut slice));
    assert!(slice.count(0));
}

#[test]
fn a_slice_whose_end_nothing_brings_is_never_over() {
    let (mut slice, now) = (TimeSlice::default(), Instant::now());
    assert_eq!(slice.check(now, LENGTH, false), Verdict::GoOn);
    assert_eq!(slice.check(now + LENGTH, LENGTH, false), Verdict::Unbounded);
    assert_eq!(slice.check(now + LENGTH, LENGTH, true), Verdict::GoOn, "another one has begun");
    assert_eq!(slice.check(now + 2 * LENGTH, LENGTH, true), Verdict::Over);
}

fn pings(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| frame(0x89, &number.to_be_bytes())).collect()
}

fn heard_pings(log: &[Seen]) -> Vec<u32> {
    log.iter()
        .filter_map(|seen| match seen {
            Seen::Ping(data) => Some(u32::from_be_bytes(data.as_slice().try_into().unwrap())),
            _ => None,
        })
        .collect()
}

#[test]
fn the_rest_of_a_read_waits_for_the_next_slice_and_reading_stops_meanwhile() {
    let host = TestHost::started(SETTINGS);
    host.is_slice_over.set(true);
    host.feed(&pings(3 * EVENTS));
    assert_eq!(heard_pings(&host.log()), (0..EVENTS).collect::<Vec<_>>());
    assert!(!host.is_reading.get());
    host.feed(&pings(1));
    assert!(heard_pings(&host.log()).is_empty(), "what arrives later does not overtake");
    assert_eq!(host.slice(), 1, "it waits in the list once");
    assert_eq!(heard_pings(&host.log()), (EVENTS..2 * EVENTS).collect::<Vec<_>>());
    host.is_slice_over.set(false);
    assert_eq!(host.slice(), 1);
    let rest: Vec<u32> = (2 * EVENTS..3 * EVENTS).chain([0]).collect();
    assert_eq!(heard_pings(&host.log()), rest);
    assert!(host.is_reading.get());
    assert_eq!(host.slice(), 0);
}

#[test]
fn the_end_is_told_after_what_waits_for_a_slice() {
    let host = TestHost::started(SETTINGS);
    host.is_slice_over.set(true);
    host.feed(&pings(2 * EVENTS));
    host.receive_eof();
    host.lose();
    let log = host.log();
    assert!(!log.contains(&Seen::End) && !log.contains(&Seen::Lost));
    host.is_slice_over.set(false);
    host.slice();
    let log = host.log();
    assert_eq!(heard_pings(&log).len() as u32, EVENTS);
    assert_eq!(log[log.len() - 1], Seen::Lost);
}

#[test]
fn abort_drops_what_waits_for_a_slice() {
    let host = TestHost::started(SETTINGS);
    host.is_slice_over.set(true);
    host.feed(&pings(2 * EVENTS));
    host.abort();
    host.lose();
    host.log();
    host.is_slice_over.set(false);
    assert_eq!(host.slice(), 1);
    assert_eq!(host.log(), []);
}

#[test]
fn messages_of_the_inbox_and_what_waits_behind_them_keep_their_order() {
    let host = TestHost::started(SETTINGS);
    host.is_slice_over.set(true);
    host.feed(&(0..2 * EVENTS).flat_map(|_| frame(0x82, b"x")).collect::<Vec<_>>());
    assert_eq!(host.waiting_messages() as u32, EVENTS, "no task and no listener");
    listen(&host);
    host.is_slice_over.set(false);
    host.tick();
    assert_eq!(
        host.log().iter().filter(|one| matches!(one, Seen::Heard(..))).count() as u32,
        EVENTS
    );
    host.slice();
    assert_eq!(
        host.log().iter().filter(|one| matches!(one, Seen::Heard(..))).count() as u32,
        EVENTS
    );
}

#[test]
fn a_task_that_took_too_long_is_woken_in_the_next_slice() {
    let host = TestHost::started(SETTINGS);
    assert_eq!(host.recv(), None);
    host.feed(&[frame(0x82, b"1"), frame(0x82, b"2")].concat());
    assert!(host.is_woken());
    assert_eq!(host.recv().map(|message| message.bytes()), Some(b"1".to_vec()));
    host.feed(&frame(0x82, b"3"));
    assert!(host.with(|session| session.may_let_task_wait()));
    host.wait();
    delivery::wait_for_slice(&host);
    host.feed(&frame(0x82, b"4"));
    assert!(!host.is_woken(), "nothing is delivered, and nobody is woken");
    host.slice();
    assert!(host.is_woken());
    assert!(!host.with(|session| session.may_let_task_wait()), "it was woken for this one");
    assert_eq!(host.recv().map(|message| message.bytes()), Some(b"2".to_vec()));
    assert_eq!(host.recv().map(|message| message.bytes()), Some(b"3".to_vec()));
    assert_eq!(host.recv().map(|message| message.bytes()), Some(b"4".to_vec()));
}
