use super::super::outbox::Outbox;

#[test]
fn marks_are_taken_in_order_once_their_frame_is_written() {
    let mut outbox = Outbox::default();
    assert!(!outbox.has_marks());
    for (at, callback) in [(10, Some('a')), (20, None), (20, Some('b')), (30, Some('c'))] {
        outbox.mark(at, callback, false);
    }
    assert_eq!(outbox.callbacks().collect::<String>(), "abc");
    let taken = |outbox: &mut Outbox<char>, total| {
        std::iter::from_fn(|| outbox.take_written(total)).collect::<Vec<_>>()
    };
    assert!(!outbox.is_due(9));
    assert_eq!(taken(&mut outbox, 9), []);
    assert!(outbox.is_due(10));
    assert_eq!(taken(&mut outbox, 10), [Some('a')]);
    assert_eq!(taken(&mut outbox, 29), [None, Some('b')]);
    assert!(outbox.has_marks());
    assert_eq!(outbox.lose().collect::<String>(), "c");
    assert!(!outbox.has_marks());
}

#[test]
fn writes_by_calls_of_the_program_are_reported_by_one_tick() {
    let mut outbox = Outbox::<()>::default();
    assert!(!outbox.write(5, false), "nothing has to be reported");
    assert_eq!(outbox.take_told(), None);
    assert!(outbox.write(10, true));
    assert!(!outbox.write(15, true), "the tick is already scheduled");
    assert!(!outbox.write(20, false));
    assert_eq!(outbox.take_told(), Some(20));
    assert_eq!(outbox.take_told(), None);
    assert!(outbox.write(25, true));
}

#[test]
fn the_rest_of_a_refused_message_is_refused() {
    let mut outbox = Outbox::<()>::default();
    // (this fragment is refused, it is the last, the next one is refused because of it)
    for (refused, fin, refusing) in
        [(true, true, false), (true, false, true), (true, false, true), (true, true, false)]
    {
        outbox.refuse(refused, fin);
        assert_eq!(outbox.is_refusing(), refusing);
    }
    outbox.refuse(false, false);
    assert!(!outbox.is_refusing());
}

#[test]
fn automatic_pongs_have_a_limit_unless_it_is_0() {
    for (most, queued, room) in [
        (0, 0, true),
        (0, 1000, true),
        (1, 0, true),
        (1, 1, false),
        (60, 59, true),
        (60, 60, false),
        (60, 61, false),
    ] {
        let mut outbox = Outbox::<()>::default();
        (0..queued).for_each(|_| outbox.count_pong());
        assert_eq!(outbox.has_room_for_pong(most), room, "{queued} of {most}");
    }
    // A pong that is written makes room, and so does the loss of the transport.
    let mut outbox = Outbox::<()>::default();
    outbox.count_pong();
    outbox.mark(10, None, true);
    assert_eq!(outbox.take_written(10), Some(None));
    assert!(outbox.has_room_for_pong(1));
    outbox.count_pong();
    assert_eq!(outbox.lose().count(), 0);
    assert!(outbox.has_room_for_pong(1));
}

#[test]
fn frames_are_queued_at_once_unless_the_end_was_asked_for_or_frames_wait_for_a_thread() {
    let mut outbox = Outbox::<()>::default();
    assert!(outbox.takes_frames_now());
    outbox.set_behind(true);
    assert!(!outbox.takes_frames_now() && outbox.is_behind());
    outbox.close_gate();
    outbox.set_behind(false);
    assert!(!outbox.takes_frames_now() && !outbox.is_behind());
    outbox.open_gate();
    assert!(outbox.takes_frames_now());
}
