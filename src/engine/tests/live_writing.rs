//! Real sockets: long writes, slow readers, and the end of the writing half.

use std::io::{ErrorKind, Read as _, Write as _};
use std::thread;

use super::fake::read;
use super::live::{LiveEngine, engine, next, tcp_pair, unix_pair};
use crate::engine::{Flush, Read, Ready, Token};

/// Queues some megabytes, pushed and held by turns: more than any socket buffer takes.
fn queue_much(engine: &mut LiveEngine, token: Token) -> Vec<u8> {
    let mut all = Vec::new();
    for index in 0..400_u32 {
        let piece: Vec<u8> = (0..40_000_u32).map(|at| (at * 7 + index) as u8).collect();
        let header = index.to_be_bytes();
        all.extend_from_slice(&header);
        all.extend_from_slice(&piece);
        let out = engine.out(token).unwrap();
        out.push(&header);
        if index % 3 == 0 {
            out.push(&piece);
        } else {
            out.hold(piece);
        }
    }
    all
}

/// Flushes as the events say until everything is written; returns how often it had to wait.
fn flush_all(engine: &mut LiveEngine, token: Token) -> usize {
    let mut waits = 0;
    loop {
        match engine.flush(token) {
            Flush::Drained => return waits,
            Flush::Pending(left) => {
                assert!(left > 0);
                assert_eq!(engine.out_ref(token).unwrap().len(), left);
                assert!(matches!(next(engine), Ready::Socket { writable: true, .. }));
                waits += 1;
            }
            Flush::Lost(error) => panic!("{error}"),
        }
    }
}

#[test]
fn megabytes_reach_a_slow_reader_whole_and_before_the_end() {
    let mut engine = engine();
    let (tcp, mut tcp_peer) = tcp_pair(&mut engine);
    let (unix, mut unix_peer) = unix_pair(&mut engine);
    let mut check = |token, peer: &mut (dyn std::io::Read + Send)| {
        let all = queue_much(&mut engine, token);
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut received = Vec::new();
                peer.read_to_end(&mut received).map(|_| received)
            });
            engine.shutdown_write(token);
            let waits = flush_all(&mut engine, token);
            assert!(waits > 0, "no socket buffer holds 16 MB");
            assert!(reader.join().unwrap().unwrap() == all);
        });
        let out = engine.out_ref(token).unwrap();
        assert_eq!((out.total_written(), out.total_queued()), (all.len() as u64, all.len() as u64));
    };
    check(tcp, &mut tcp_peer);
    check(unix, &mut unix_peer);
}

#[test]
fn after_our_end_the_peers_bytes_are_still_read() {
    let mut engine = engine();
    let (token, mut peer) = tcp_pair(&mut engine);
    engine.out(token).unwrap().push(b"question");
    engine.shutdown_write(token);
    assert!(matches!(engine.flush(token), Flush::Drained));
    let mut question = Vec::new();
    peer.read_to_end(&mut question).unwrap();
    assert_eq!(question, b"question");
    peer.write_all(b"answer").unwrap();
    drop(peer);
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert_eq!(read(&mut engine, token, 64).0, b"answer");
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, .. }));
    assert!(matches!(read(&mut engine, token, 64).1, Read::Eof));
}

#[test]
fn writing_to_a_peer_that_has_gone_is_an_error_and_no_signal() {
    let mut engine = engine();
    let (token, peer) = unix_pair(&mut engine);
    drop(peer);
    engine.out(token).unwrap().push(b"anyone?");
    match engine.flush(token) {
        Flush::Lost(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
    assert!(matches!(next(&mut engine), Ready::Socket { readable: true, hangup: true, .. }));
    assert!(matches!(read(&mut engine, token, 64).1, Read::Eof));
}

#[test]
fn a_reset_while_we_wait_for_room_is_noticed_although_reading_is_paused() {
    let mut engine = engine();
    let (token, peer) = tcp_pair(&mut engine);
    engine.pause(token);
    queue_much(&mut engine, token);
    assert!(matches!(engine.flush(token), Flush::Pending(_)));
    rustix::net::sockopt::set_socket_linger(&peer, Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    assert!(matches!(next(&mut engine), Ready::Socket { writable: true, .. }));
    assert!(matches!(engine.flush(token), Flush::Lost(_)));
    assert!(engine.out_ref(token).unwrap().is_empty());
}

#[test]
fn a_full_pipeline_both_ways_does_not_lock_up() {
    let mut engine = engine();
    let (token, peer) = tcp_pair(&mut engine);
    let sent: Vec<u8> = (0..4_000_000_u32).map(|at| (at / 251) as u8).collect();
    let (mut writer, mut reader) = (peer.try_clone().unwrap(), peer);
    thread::scope(|scope| {
        let expected = sent.clone();
        scope.spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let received = scope.spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).map(|_| received)
        });
        let mut ended = false;
        while !ended || !engine.out_ref(token).unwrap().is_empty() {
            let Ready::Socket { readable, .. } = next(&mut engine) else { panic!() };
            if readable {
                let (bytes, result) = read(&mut engine, token, 50_000);
                engine.out(token).unwrap().push(&bytes);
                ended = matches!(result, Read::Eof);
            }
            assert!(!matches!(engine.flush(token), Flush::Lost(_)));
        }
        engine.close(token);
        assert!(received.join().unwrap().unwrap() == expected);
    });
}
