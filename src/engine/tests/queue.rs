//! The queue by itself: its order, its counts, and the ownership of its memory.

use std::io::IoSlice;

use proptest::prelude::*;

use super::fake::one_socket;
use crate::engine::out_queue::{MAX_PIECES, SpareBuffers};
use crate::engine::{FLUSH_AT, Flush, OutQueue};

/// Writes up to `room` bytes as a kernel would, and returns those that it took.
fn write(queue: &mut OutQueue<Vec<u8>>, room: usize) -> Vec<u8> {
    let taken = match queue.single() {
        Some(bytes) => bytes[..bytes.len().min(room)].to_vec(),
        None => {
            let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
            let (count, length) = queue.gather(&mut pieces);
            let mut bytes = pieces[..count].iter().flat_map(|p| p.to_vec()).collect::<Vec<_>>();
            assert_eq!(bytes.len(), length);
            bytes.truncate(room);
            bytes
        }
    };
    queue.advance(taken.len());
    taken
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Hold(usize),
    Write(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0_usize..20, 4 => 0_usize..5000, 1 => Just(FLUSH_AT + 1)];
    let step = (0..4, size).prop_map(|(kind, size)| match kind {
        0 => Step::Push(size),
        1 => Step::Hold(size),
        _ => Step::Write(size),
    });
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn bytes_that_are_pushed_and_held_come_out_in_order(steps in steps()) {
        let mut queue = OutQueue::new();
        let (mut expected, mut written) = (Vec::new(), Vec::new());
        let mut bytes = (0..=255_u8).cycle();
        for step in steps {
            match step {
                Step::Push(size) => {
                    let piece: Vec<u8> = bytes.by_ref().take(size).collect();
                    expected.extend_from_slice(&piece);
                    queue.push(&piece);
                }
                Step::Hold(size) => {
                    let piece: Vec<u8> = bytes.by_ref().take(size + 1).collect();
                    expected.extend_from_slice(&piece);
                    queue.hold(piece);
                }
                Step::Write(room) => written.extend(write(&mut queue, room)),
            }
            prop_assert_eq!(queue.len(), expected.len() - written.len());
            prop_assert_eq!(queue.is_empty(), expected.len() == written.len());
            prop_assert_eq!(queue.total_queued(), expected.len() as u64);
            prop_assert_eq!(queue.total_written(), written.len() as u64);
        }
        while !queue.is_empty() {
            written.extend(write(&mut queue, usize::MAX));
        }
        prop_assert!(written == expected);
    }
}

#[test]
fn a_queue_that_never_runs_empty_does_not_grow() {
    let mut queue = OutQueue::<Vec<u8>>::new();
    queue.push(&[0; 1000]);
    for _ in 0..10_000 {
        queue.push(&[1; 1000]);
        write(&mut queue, 1000);
    }
    assert_eq!(queue.len(), 1000);
    assert!(queue.tail().capacity() <= 4 * FLUSH_AT, "{}", queue.tail().capacity());
}

#[test]
fn a_burst_is_given_back_while_the_queue_drains() {
    let mut queue = OutQueue::<Vec<u8>>::new();
    queue.push(&vec![0; 8 << 20]);
    while queue.len() > FLUSH_AT {
        write(&mut queue, 50_000);
    }
    assert!(queue.tail().capacity() <= 1 << 20, "{}", queue.tail().capacity());
}

#[test]
fn clearing_drops_all_and_keeps_the_count_of_what_was_written() {
    let mut queue = OutQueue::new();
    queue.push(b"abc");
    queue.hold(b"def".to_vec());
    write(&mut queue, 4);
    queue.clear();
    assert!(queue.is_empty());
    assert_eq!((queue.total_written(), queue.total_queued()), (4, 4));
    queue.push(b"x");
    assert_eq!(write(&mut queue, 10), b"x");
}

#[test]
fn an_idle_socket_owns_no_buffer_and_the_next_one_gets_it() {
    let (mut engine, _, token, _) = one_socket();
    assert_eq!(engine.out(token).unwrap().tail().len(), 0);
    let out = engine.out(token).unwrap();
    out.push(b"hello");
    out.hold(b"world".to_vec());
    let lent = engine.out(token).unwrap().tail().as_ptr();
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(engine.slots.stream_mut(token).unwrap().out.tail().capacity(), 0);
    assert_eq!(engine.spare.total(), 4096);
    assert_eq!(engine.out(token).unwrap().tail().as_ptr(), lent, "the warm one");
    assert_eq!(engine.spare.total(), 0);
    engine.close(token);
    assert_eq!(engine.spare.total(), 4096, "closing gives it back");
}

#[test]
fn a_large_buffer_is_freed_and_the_kept_ones_are_bounded() {
    let (mut engine, _, token, _) = one_socket();
    engine.out(token).unwrap().push(&vec![0; 2 * FLUSH_AT]);
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(engine.spare.total(), 0);
    let mut spare = SpareBuffers::new();
    for _ in 0..1000 {
        spare.give(Vec::with_capacity(FLUSH_AT));
    }
    assert!(spare.total() <= 1 << 20);
    spare.give(Vec::new());
    let mut queue = OutQueue::<Vec<u8>>::new();
    queue.borrow_buffer(&mut spare);
    assert!(queue.tail().capacity() > 0 && queue.tail().is_empty());
}
