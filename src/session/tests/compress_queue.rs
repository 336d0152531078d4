use std::sync::atomic::Ordering;

use super::super::compress_queue::{CompressQueue, LONG, Turn, Waiting};
use super::host::Plain;
use super::protocol::frame::Opcode;
use super::protocol::sender::DataFrame;

fn waiting(len: usize, compress: bool, callback: Option<u32>) -> Waiting<Plain> {
    let frame = DataFrame { fin: true, rsv1: compress, opcode: Opcode::Binary, compress };
    Waiting { frame, mask: None, payload: vec![0; len], callback, auto_pong: false }
}

#[test]
fn frames_wait_in_order_and_their_bytes_count_until_they_go() {
    let mut queue = CompressQueue::new(100_000, Some(1));
    queue.push(waiting(10, false, Some(2)));
    queue.push(waiting(LONG, true, None));
    queue.push(waiting(LONG + 1, true, Some(3)));
    queue.push(waiting(LONG + 1, false, Some(4)));
    assert_eq!(queue.callbacks().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    let behind = 10 + LONG + 2 * (LONG + 1);
    assert_eq!(queue.bytes(), 100_000 + behind);
    assert_eq!(queue.end(), Some(1));
    assert_eq!(queue.bytes(), behind);
    for (len, left) in [(10, behind - 10), (LONG, 2 * (LONG + 1))] {
        assert!(matches!(queue.next_turn(), Turn::Now(next) if next.payload.len() == len));
        assert_eq!(queue.bytes(), left);
    }
    // The next frame goes to the thread, and its bytes count until the thread is done.
    let Turn::Thread(next) = queue.next_turn() else { panic!("it is long") };
    queue.begin(next.payload.len(), next.callback);
    assert_eq!(queue.bytes(), 2 * (LONG + 1));
    assert_eq!(queue.end(), Some(3));
    assert!(matches!(queue.next_turn(), Turn::Now(next) if next.callback == Some(4)));
    assert_eq!(queue.bytes(), 0);
    assert!(matches!(queue.next_turn(), Turn::Over));
}

#[test]
fn a_lost_queue_gives_all_callbacks_back_in_order() {
    let mut queue = CompressQueue::new(1, Some(1));
    queue.push(waiting(1, false, Some(2)));
    queue.push(waiting(1, false, None));
    queue.push(waiting(1, true, Some(3)));
    assert_eq!(queue.lose(), [1, 2, 3]);
    // The callback of a frame that was taken and could not be queued comes first again.
    let mut queue = CompressQueue::new(1, None);
    queue.push(waiting(1, false, Some(1)));
    queue.push(waiting(1, false, Some(2)));
    assert_eq!(queue.end(), None);
    let Turn::Now(first) = queue.next_turn() else { panic!("it is short") };
    assert_eq!(queue.keep(first.callback), None);
    assert_eq!(queue.lose(), [1, 2]);
}

#[test]
fn a_thread_is_stopped_once_its_result_is_no_longer_needed() {
    let queue = CompressQueue::<Plain>::new(1, None);
    let first = queue.cancelled();
    assert!(!first.load(Ordering::Relaxed));
    queue.cancel();
    assert!(first.load(Ordering::Relaxed));
    let mut queue = CompressQueue::<Plain>::new(1, None);
    let before = queue.cancelled();
    queue.begin(1, None);
    let now = queue.cancelled();
    drop(queue);
    assert!(!before.load(Ordering::Relaxed), "that thread was done");
    assert!(now.load(Ordering::Relaxed));
}
