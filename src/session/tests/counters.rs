use super::super::counters::Counters;

#[test]
fn messages_and_bytes_are_counted_separately() {
    let mut counters = Counters::default();
    counters.send(3, false);
    counters.send(4, true);
    counters.receive(50);
    counters.receive(0);
    counters.receive_wire(600);
    counters.refuse();
    counters.refuse();
    counters.skip();
    assert_eq!(counters.totals(9000), [1, 7, 9000, 2, 50, 600, 2, 1]);
    assert_eq!(counters.refused(), 2);
}

#[test]
fn written_bytes_count_from_the_handshake_on_even_once_the_wire_is_gone() {
    let wire_sent = |counters: &Counters, written| counters.totals(written)[2];
    let mut counters = Counters::default();
    counters.begin_wire(100);
    assert_eq!(wire_sent(&counters, 100), 0);
    assert_eq!(wire_sent(&counters, 130), 30);
    counters.end_wire(150);
    assert_eq!(wire_sent(&counters, 0), 50);
    // The bytes that the handshake queued may not be written yet.
    let mut counters = Counters::default();
    counters.begin_wire(100);
    assert_eq!(wire_sent(&counters, 40), 0);
    assert_eq!(counters.unsent_before(40), 60);
    assert_eq!(counters.unsent_before(100), 0);
    assert_eq!(counters.unsent_before(130), 0);
}

#[test]
fn a_pong_answers_the_oldest_ping_with_its_data() {
    let mut counters = Counters::default();
    counters.receive_pong(b"unasked");
    assert_eq!(counters.round_trip(), None);
    for data in [b"a", b"b", b"a", b"c"] {
        counters.send_ping(data);
    }
    counters.receive_pong(b"x");
    assert_eq!(counters.round_trip(), None);
    counters.receive_pong(b"b");
    let first = counters.round_trip();
    assert!(first.is_some());
    // The pings before it stay unanswered, so the second of those with "a" is left.
    counters.receive_pong(b"a");
    counters.receive_pong(b"c");
    let last = counters.round_trip();
    counters.receive_pong(b"a");
    assert_eq!(counters.round_trip(), last);
}

#[test]
fn the_oldest_of_more_than_sixteen_pings_are_forgotten() {
    for (count, is_known) in [(16, true), (17, false)] {
        let mut counters = Counters::default();
        (0..count).for_each(|at| counters.send_ping(&[at]));
        counters.receive_pong(&[0]);
        assert_eq!(counters.round_trip().is_some(), is_known, "{count}");
        counters.receive_pong(&[1]);
        assert!(counters.round_trip().is_some());
    }
}
