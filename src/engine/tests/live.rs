//! Real sockets on the loopback interface: accepting, reading, closing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::fake::read;
use crate::engine::{Accepted, Address, Engine, Os, Read, Ready, Token};

pub type LiveEngine = Engine<Os, Vec<u8>>;

/// How long a step may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn engine() -> LiveEngine {
    Engine::new(Os).unwrap()
}

/// True if the poller's descriptor becomes readable, as an event loop would see it.
pub fn poller_is_readable(engine: &LiveEngine, within: Duration) -> bool {
    // SAFETY: the engine outlives the borrow and keeps its poller open.
    #[allow(unsafe_code)]
    let fd = unsafe { BorrowedFd::borrow_raw(engine.poller_fd()) };
    let timeout = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

/// Waits, as an event loop does, until something is ready.
pub fn next(engine: &mut LiveEngine) -> Ready {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(ready) = engine.next_ready() {
            return ready;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(poller_is_readable(engine, left), "nothing happened");
        engine.poll().unwrap();
    }
}

/// A connected pair: the engine's end and the peer's end.
pub fn tcp_pair(engine: &mut LiveEngine) -> (Token, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    (engine.adopt(OwnedFd::from(listener.accept().unwrap().0)).unwrap(), peer)
}

/// A connected pair over a Unix socket.
pub fn unix_pair(engine: &mut LiveEngine) -> (Token, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    (engine.adopt(OwnedFd::from(ours)).unwrap(), peer)
}

#[test]
fn a_tcp_echo_from_listening_to_the_end() {
    let mut engine = engine();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = engine.listen(OwnedFd::from(listener)).unwrap();
    assert_eq!(engine.local_addr(listener).unwrap(), Address::Inet(address));
    assert!(!poller_is_readable(&engine, Duration::ZERO));

    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(next(&mut engine), Ready::Accept(listener));
    let (token, peer) = match engine.accept(listener) {
        Accepted::Socket { token, peer } => (token, peer),
        other => panic!("{other:?}"),
    };
    assert!(matches!(engine.accept(listener), Accepted::WouldBlock));
    assert_eq!(peer, Some(client.local_addr().unwrap()));
    assert_eq!(engine.peer_addr(token).unwrap(), Address::Inet(client.local_addr().unwrap()));
    assert_eq!(engine.local_addr(token).unwrap(), Address::Inet(address));
    let same = TcpStream::from(engine.dup(token).unwrap());
    assert!(same.nodelay().unwrap(), "inherited from the listener");

    assert!(matches!(read(&mut engine, token, 16).1, Read::WouldBlock));
    client.write_all(b"hello").unwrap();
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    let (bytes, result) = read(&mut engine, token, 16);
    assert!(matches!(result, Read::Data { n: 5, drained: true }));
    engine.out(token).unwrap().push(&bytes);
    assert!(engine.mark_dirty(token));
    let dirty = engine.take_dirty().unwrap();
    engine.flush(dirty);
    let mut echo = [0; 5];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");

    drop(client);
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert!(matches!(read(&mut engine, token, 16).1, Read::Eof));
    assert_eq!((engine.poll().unwrap(), engine.next_ready()), (0, None));
    assert!(!poller_is_readable(&engine, Duration::ZERO), "the end does not spin");
    assert!(engine.close(token) && engine.unlisten(listener));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_adopted_tcp_socket_has_nodelay_and_keeps_an_ipv6_address() {
    let mut engine = engine();
    let (token, peer) = tcp_pair(&mut engine);
    assert!(TcpStream::from(engine.dup(token).unwrap()).nodelay().unwrap());
    assert_eq!(engine.peer_addr(token).unwrap(), Address::Inet(peer.local_addr().unwrap()));
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        let address = listener.local_addr().unwrap();
        let listener = engine.listen(OwnedFd::from(listener)).unwrap();
        assert_eq!(engine.local_addr(listener).unwrap(), Address::Inet(address));
    }
}

#[test]
fn a_unix_listener_gives_sockets_without_an_address() {
    let directory = std::env::temp_dir().join(format!("wsrs-engine-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut engine = engine();
    let listener = engine.listen(OwnedFd::from(listener)).unwrap();
    let named = Address::Unix(path.to_str().unwrap().as_bytes().to_vec());
    assert_eq!(engine.local_addr(listener).unwrap(), named);
    let mut client = UnixStream::connect(&path).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(next(&mut engine), Ready::Accept(listener));
    let token = match engine.accept(listener) {
        Accepted::Socket { token, peer: None } => token,
        other => panic!("{other:?}"),
    };
    assert_eq!(engine.peer_addr(token).unwrap(), Address::Unix(Vec::new()));
    client.write_all(b"hi").unwrap();
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert_eq!(read(&mut engine, token, 16).0, b"hi");
}

#[test]
fn a_reset_by_the_peer_is_a_loss() {
    let mut engine = engine();
    let (token, peer) = tcp_pair(&mut engine);
    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    match read(&mut engine, token, 16).1 {
        Read::Lost(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert_eq!((engine.poll().unwrap(), engine.next_ready()), (0, None));
    assert!(!poller_is_readable(&engine, Duration::ZERO), "the error does not spin");
}

#[test]
fn the_peer_of_a_reset_reads_an_error_and_that_of_a_close_the_end() {
    let mut engine = engine();
    let (token, mut peer) = tcp_pair(&mut engine);
    assert!(engine.reset(token));
    assert_eq!(peer.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let (token, mut peer) = tcp_pair(&mut engine);
    assert!(engine.close(token));
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    let (token, mut peer) = unix_pair(&mut engine);
    assert!(engine.reset(token), "a Unix socket knows no reset; it is closed");
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_paused_socket_that_is_hung_up_is_silent_until_it_is_resumed() {
    let mut engine = engine();
    let (token, mut peer) = unix_pair(&mut engine);
    engine.pause(token);
    peer.write_all(b"last words").unwrap();
    drop(peer);
    engine.poll().unwrap();
    assert_eq!(engine.next_ready(), None);
    assert!(!poller_is_readable(&engine, Duration::ZERO), "it does not spin");
    engine.resume(token).unwrap();
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert_eq!(read(&mut engine, token, 64).0, b"last words");
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert!(matches!(read(&mut engine, token, 64).1, Read::Eof));
}

#[test]
fn a_closed_socket_is_silent_even_when_a_duplicate_keeps_it_open() {
    let mut engine = engine();
    let (token, mut peer) = unix_pair(&mut engine);
    let duplicate = engine.dup(token).unwrap();
    assert!(engine.close(token));
    peer.write_all(b"for the duplicate").unwrap();
    assert!(!poller_is_readable(&engine, Duration::ZERO));
    let mut bytes = [0; 64];
    assert_eq!(UnixStream::from(duplicate).read(&mut bytes).unwrap(), 17);
}

#[test]
fn many_sockets_share_a_batch() {
    let mut engine = engine();
    let mut pairs: Vec<_> = (0..50).map(|_| unix_pair(&mut engine)).collect();
    for (index, (_, peer)) in pairs.iter_mut().enumerate() {
        peer.write_all(&[index as u8; 100]).unwrap();
    }
    assert_eq!(engine.poll().unwrap(), 50);
    let mut seen = Vec::new();
    while let Some(Ready::Socket { token, .. }) = engine.next_ready() {
        let index = pairs.iter().position(|(known, _)| *known == token).unwrap();
        assert_eq!(read(&mut engine, token, 1000).0, [index as u8; 100]);
        seen.push(index);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert_eq!(engine.poll().unwrap(), 0);
}
