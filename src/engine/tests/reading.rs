//! The results of reads.

use super::fake::{batch, one_socket, read, readable};
use crate::engine::{Errno, Flush, Read, Ready};

#[test]
fn a_short_read_means_drained_and_a_full_one_does_not() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"hello, world");
    let (bytes, result) = read(&mut engine, token, 5);
    assert_eq!(bytes, b"hello");
    assert!(matches!(result, Read::Data { n: 5, drained: false }));
    let (bytes, result) = read(&mut engine, token, 64);
    assert_eq!(bytes, b", world");
    assert!(matches!(result, Read::Data { n: 7, drained: true }));
}

#[test]
fn a_spurious_wake_up_reads_nothing() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().set(fd, |state| state.readable = true);
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert!(matches!(read(&mut engine, token, 64).1, Read::WouldBlock));
    fake.kernel().arrive(fd, b"later");
    assert_eq!(read(&mut engine, token, 64).0, b"later");
}

#[test]
fn a_signal_does_not_disturb_a_read() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().inbound.entry(fd).or_default().extend([Err(Errno::INTR), Err(Errno::INTR)]);
    fake.kernel().arrive(fd, b"x");
    assert_eq!(read(&mut engine, token, 64).0, b"x");
}

#[test]
fn reading_into_nothing_is_not_the_end() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"x");
    assert!(matches!(read(&mut engine, token, 0).1, Read::Data { n: 0, .. }));
    assert_eq!(read(&mut engine, token, 1).0, b"x");
}

#[test]
fn the_end_does_not_spin_and_writing_goes_on() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"");
    assert_eq!(batch(&mut engine), [readable(token)]);
    assert!(matches!(read(&mut engine, token, 64).1, Read::Eof));
    assert_eq!(batch(&mut engine), []);
    assert_eq!(engine.poll().unwrap(), 0);
    engine.out(token).unwrap().push(b"late answer");
    assert!(matches!(engine.flush(token), Flush::Drained));
    assert_eq!(fake.kernel().sent[&fd], b"late answer");
    engine.resume(token).unwrap();
    assert_eq!(batch(&mut engine), [], "nothing is left to be resumed");
}

#[test]
fn a_reset_is_a_loss_and_does_not_spin() {
    for error in [Errno::CONNRESET, Errno::TIMEDOUT, Errno::HOSTUNREACH] {
        let (mut engine, fake, token, fd) = one_socket();
        fake.kernel().inbound.entry(fd).or_default().push_back(Err(error));
        fake.kernel().set(fd, |state| state.hangup = true);
        let ready = Ready::Socket { token, readable: true, writable: false, hangup: true };
        assert_eq!(batch(&mut engine), [ready]);
        match read(&mut engine, token, 64).1 {
            Read::Lost(lost) => assert_eq!(lost.raw_os_error(), Some(error.raw_os_error())),
            other => panic!("{other:?}"),
        }
        assert_eq!(batch(&mut engine), []);
        assert_eq!(engine.poll().unwrap(), 0);
        assert!(engine.close(token));
        assert!(fake.kernel().states.is_empty());
    }
}

#[test]
fn bytes_that_came_before_a_reset_are_read_first() {
    let (mut engine, fake, token, fd) = one_socket();
    fake.kernel().arrive(fd, b"last words");
    fake.kernel().inbound.entry(fd).or_default().push_back(Err(Errno::CONNRESET));
    fake.kernel().set(fd, |state| state.hangup = true);
    assert_eq!(batch(&mut engine).len(), 1);
    assert_eq!(read(&mut engine, token, 64).0, b"last words");
    assert_eq!(batch(&mut engine).len(), 1);
    assert!(matches!(read(&mut engine, token, 64).1, Read::Lost(_)));
}
