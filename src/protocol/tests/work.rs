//! Inflating in a thread: a receiver with a mark gives the same events as one without.

use super::super::deflate::DeflateParams;
use super::super::frame::{Role, append_frame};
use super::super::receiver::{Event, Input, Receiver};
use super::super::sender::{SendOptions, Sender};
use super::{Codec, Got, INFLATE, KEY, Numbers, ReceiverOptions, SERVER, codec, received_with};

const OPTIONS: ReceiverOptions = ReceiverOptions { inflate: INFLATE, ..SERVER };

/// The events of `bytes`, fed in pieces of `each` bytes to a receiver that leaves everything beyond `mark` as work.
fn received_with_work(
    options: ReceiverOptions,
    bytes: &[u8],
    mark: usize,
    each: usize,
) -> Vec<Got> {
    let (mut receiver, mut here, mut there) = (Receiver::<Vec<u8>>::new(options), codec(), codec());
    receiver.set_mark(mark);
    let mut got = Vec::new();
    for piece in bytes.chunks(each) {
        let mut piece = piece.to_vec();
        let mut input = Input::new(&mut piece);
        loop {
            match receiver.next(&mut input, &mut here) {
                Ok(Some(event)) => got.push(Got::of::<Vec<u8>>(event)),
                Err(fault) => {
                    got.push(Got::Fault(fault));
                    return got;
                }
                Ok(None) => {
                    if !receiver.is_working() {
                        break;
                    }
                    work(&mut receiver, &mut here, &mut there);
                }
            }
        }
        assert_eq!(input.remaining(), 0);
    }
    got
}

/// Does the work as a thread would, within the room that there is.
fn work(receiver: &mut Receiver<Vec<u8>>, here: &mut Codec, there: &mut Codec) {
    let mut work = receiver.take_work(here).expect("there is work");
    assert!(receiver.take_work(here).is_none());
    assert!(matches!(receiver.next(&mut Input::new(&mut []), here), Ok(None::<Event<'_, _>>)));
    while !work.is_done() {
        let mut storage = work.take_storage().expect("memory");
        let room = storage.capacity();
        while !work.run(there, 100_000, &mut storage) && storage.len() + 64 * 1024 < room {}
        assert_eq!(storage.capacity(), room, "it grew");
        work.give_storage(storage);
    }
    receiver.give_work(work, here);
}

/// Three messages that differ in length and in how well they compress, in fragments of `each`.
fn wire(no_context_takeover: bool, each: usize) -> Vec<u8> {
    let params = DeflateParams { no_context_takeover, ..DeflateParams::default() };
    let (mut sender, mut codec, mut wire) =
        (Sender::new(Role::Client, Some(params)), codec(), Vec::new());
    let mut numbers = Numbers::new();
    let noise: Vec<u8> = (0..300_000).map(|_| b'a' + numbers.up_to(15) as u8).collect();
    let messages: [&[u8]; 4] = [&noise, b"short", &[b'x'; 1_500_000], &noise[100_000..]];
    for data in messages {
        let mut rest = data;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(each.min(rest.len()));
            let options = SendOptions { binary: false, compress: true, fin: behind.is_empty() };
            let frame = sender.begin(part.len(), &options);
            let mut payload = Vec::new();
            sender.compress(&mut codec, &frame, part, &mut payload).expect("memory");
            append_frame(&mut wire, &frame.header(0, Some(KEY)), &payload);
            rest = behind;
        }
        append_frame(
            &mut wire,
            &super::super::sender::DataFrame {
                fin: true,
                rsv1: false,
                opcode: super::super::frame::Opcode::Ping,
                compress: false,
            }
            .header(0, Some(KEY)),
            b"between",
        );
    }
    wire
}

#[test]
fn messages_inflated_as_work_are_the_same() {
    for no_context_takeover in [false, true] {
        for fragment in [usize::MAX, 70_000] {
            let wire = wire(no_context_takeover, fragment);
            let wanted = received_with(OPTIONS, false, &wire);
            assert_eq!(wanted.len(), 8);
            for mark in [0, 64 * 1024] {
                for each in [usize::MAX, 5003] {
                    let got = received_with_work(OPTIONS, &wire, mark, each);
                    assert!(got == wanted, "{no_context_takeover} {fragment} {mark} {each}");
                }
            }
        }
    }
}

#[test]
fn limits_and_faults_are_the_same_with_work() {
    let wire = wire(false, usize::MAX);
    for max_payload in [299_999, 1_499_999] {
        let options = ReceiverOptions { max_payload, ..OPTIONS };
        let wanted = received_with(options, false, &wire);
        assert!(matches!(wanted.last(), Some(Got::Fault(_))));
        assert!(received_with_work(options, &wire, 64 * 1024, 256 * 1024) == wanted);
    }
}
