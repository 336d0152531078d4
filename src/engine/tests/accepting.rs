//! Accepting connections, failing to accept, and recovering.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use super::fake::{Fake, FakeEngine, batch, engine, one_socket, readable};
use crate::engine::{Accepted, Errno, Ready, Token};

fn listening() -> (FakeEngine, Fake, Token, RawFd) {
    let (mut engine, fake) = engine();
    let fd = fake.kernel().open();
    let number = fd.0;
    let token = engine.listen(fd).unwrap();
    fake.kernel().take_log();
    fake.kernel().set(number, |state| state.readable = true);
    (engine, fake, token, number)
}

fn socket(accepted: Accepted) -> Token {
    match accepted {
        Accepted::Socket { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_costs_one_accept_and_one_registration() {
    let (mut engine, fake, listener, fd) = listening();
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    fake.kernel().arrivals.push_back(Ok(Some(peer)));
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
    match engine.accept(listener) {
        Accepted::Socket { token, peer: Some(address) } => {
            assert_eq!(address, peer);
            let number = engine.raw_fd(token).unwrap();
            assert_eq!(fake.kernel().take_log(), [format!("accept {fd}"), format!("add {number}")]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(engine.accept(listener), Accepted::WouldBlock));
}

#[test]
fn connections_that_ended_in_the_backlog_are_skipped() {
    let (mut engine, fake, listener, _) = listening();
    for error in [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::PERM,
        Errno::NETDOWN,
        Errno::HOSTUNREACH,
    ] {
        fake.kernel().arrivals.push_back(Err(error));
    }
    fake.kernel().arrivals.push_back(Ok(None));
    assert!(matches!(engine.accept(listener), Accepted::Socket { peer: None, .. }));
}

#[test]
fn a_flood_of_ended_connections_is_bounded() {
    let (mut engine, fake, listener, _) = listening();
    fake.kernel().arrivals.extend(std::iter::repeat_n(Err(Errno::CONNABORTED), 1000));
    assert!(matches!(engine.accept(listener), Accepted::WouldBlock));
    assert_eq!(fake.kernel().arrivals.len(), 1000 - 64);
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)], "and reported again");
}

#[test]
fn without_descriptors_the_listener_is_silent_until_told() {
    for error in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        let (mut engine, fake, listener, fd) = listening();
        fake.kernel().arrivals.extend([Err(error), Ok(None)]);
        assert!(matches!(engine.accept(listener), Accepted::Exhausted));
        assert_eq!(batch(&mut engine), [], "the backlog is still full");
        assert_eq!(fake.kernel().interest(fd), None);
        engine.resume_accepting().unwrap();
        assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
        socket(engine.accept(listener));
    }
}

#[test]
fn a_close_makes_an_exhausted_listener_accept_again() {
    let (mut engine, fake, listener, _) = listening();
    fake.kernel().arrivals.extend([Ok(None), Err(Errno::MFILE), Ok(None)]);
    let first = socket(engine.accept(listener));
    assert!(matches!(engine.accept(listener), Accepted::Exhausted));
    assert_eq!(batch(&mut engine), []);
    assert!(engine.close(first));
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
    socket(engine.accept(listener));
}

#[test]
fn exhaustion_is_survived_over_and_over() {
    let (mut engine, fake, listener, _) = listening();
    fake.kernel().arrivals.push_back(Ok(None));
    let mut last = socket(engine.accept(listener));
    for _ in 0..100 {
        fake.kernel().arrivals.extend([Err(Errno::MFILE), Ok(None)]);
        assert!(matches!(engine.accept(listener), Accepted::Exhausted));
        engine.close(last);
        last = socket(engine.accept(listener));
    }
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
}

#[test]
fn a_listener_that_cannot_be_resumed_stays_to_be_resumed() {
    let (mut engine, fake, listener, _) = listening();
    fake.kernel().arrivals.push_back(Err(Errno::NOMEM));
    assert!(matches!(engine.accept(listener), Accepted::Exhausted));
    fake.kernel().add_errors.push_back(Errno::NOMEM);
    assert_eq!(
        engine.resume_accepting().unwrap_err().raw_os_error(),
        Some(Errno::NOMEM.raw_os_error())
    );
    assert_eq!(batch(&mut engine), []);
    engine.resume_accepting().unwrap();
    assert_eq!(batch(&mut engine), [Ready::Accept(listener)]);
}

#[test]
fn a_connection_that_cannot_be_watched_is_closed_and_the_listener_waits() {
    let (mut engine, fake, listener, fd) = listening();
    fake.kernel().arrivals.push_back(Ok(None));
    fake.kernel().add_errors.push_back(Errno::NOSPC);
    assert!(matches!(engine.accept(listener), Accepted::Exhausted));
    assert_eq!(fake.kernel().states.keys().copied().collect::<Vec<_>>(), [fd], "nothing leaks");
}

#[test]
fn a_broken_listener_is_reported_once() {
    let (mut engine, fake, listener, fd) = listening();
    fake.kernel().arrivals.push_back(Err(Errno::INVAL));
    match engine.accept(listener) {
        Accepted::Failed(error) => {
            assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(batch(&mut engine), []);
    assert!(engine.unlisten(listener));
    assert_eq!(fake.kernel().take_log().last(), Some(&format!("close {fd}")));
}

#[test]
fn a_closed_listener_accepts_nothing_and_its_sockets_go_on() {
    let (mut engine, fake, listener, _) = listening();
    fake.kernel().arrivals.extend([Ok(None), Err(Errno::MFILE)]);
    let token = socket(engine.accept(listener));
    assert!(matches!(engine.accept(listener), Accepted::Exhausted));
    assert!(engine.unlisten(listener));
    assert!(!engine.unlisten(listener));
    engine.resume_accepting().unwrap();
    assert!(matches!(engine.accept(listener), Accepted::WouldBlock));
    let number = engine.raw_fd(token).unwrap();
    fake.kernel().arrive(number, b"x");
    assert_eq!(batch(&mut engine), [readable(token)]);
}

#[test]
fn a_socket_is_no_listener_and_a_listener_no_socket() {
    let (mut engine, _, token, _) = one_socket();
    assert!(matches!(engine.accept(token), Accepted::WouldBlock));
    let (mut engine, _, listener, _) = listening();
    assert!(engine.out(listener).is_none());
    assert!(!engine.mark_dirty(listener));
    assert!(!engine.pause(listener));
}

#[test]
fn a_socket_that_cannot_be_made_non_blocking_is_refused_and_closed() {
    let (mut engine, fake) = engine();
    fake.kernel().prepare_errors.extend([Errno::BADF, Errno::BADF]);
    let [first, second, third, fourth] = std::array::from_fn(|_| fake.kernel().open());
    assert!(engine.listen(first).is_err());
    assert!(engine.adopt(second).is_err());
    fake.kernel().add_errors.extend([Errno::NOSPC, Errno::NOSPC]);
    assert!(engine.listen(third).is_err());
    assert!(engine.adopt(fourth).is_err());
    assert!(fake.kernel().states.is_empty(), "nothing leaks");
}
