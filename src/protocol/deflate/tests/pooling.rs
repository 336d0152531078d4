//! The pool itself, and handles that go to another thread.

use super::pool::Pool;
use super::*;

#[test]
fn the_least_recently_used_goes_first() {
    let mut pool = Pool::new(3);
    let mut tickets: Vec<_> = (0..3).map(|n| pool.put(n).unwrap()).collect();
    assert_eq!(pool.take(tickets[0]), Some(0));
    tickets[0] = pool.put(0).unwrap();
    let newcomer = (3..100).find_map(|n| Some((n, pool.put(n)?)));
    let (admitted, ticket) = newcomer.unwrap();
    assert_eq!(pool.len(), 4, "three with owners, and a spare one");
    assert_eq!(pool.take(tickets[1]), None, "1 was the oldest");
    assert_eq!(pool.take(tickets[2]), Some(2));
    assert_eq!(pool.take(tickets[0]), Some(0));
    assert_eq!(pool.take(ticket), Some(admitted));
    assert_eq!(pool.take(ticket), None, "once only");
}

#[test]
fn the_last_used_spare_state_is_the_first_to_be_taken() {
    let mut pool = Pool::new(3);
    let owned = pool.put(1).unwrap();
    assert_eq!(pool.take_spare(|_| true), None, "1 has an owner");
    for spare in 2..9 {
        pool.put_spare(spare);
    }
    assert_eq!(pool.len(), 4);
    assert_eq!(pool.take_spare(|_| true), Some(8));
    assert_eq!(pool.take_spare(|&state| state == 6), Some(6), "one that fits");
    assert_eq!(pool.take_spare(|&state| state == 6), None);
    assert_eq!(pool.take(owned), Some(1));
    assert_eq!(pool.take_spare(|_| true), Some(7));
    assert_eq!(pool.len(), 0);
}

/// Even a pool for no owners keeps one state to work with.
#[test]
fn a_pool_for_no_owner_keeps_one() {
    let mut pool = Pool::new(0);
    assert_eq!(pool.put("a"), None);
    pool.put_spare("b");
    assert_eq!((pool.len(), pool.take_spare(|_| true)), (1, Some("b")));
}

/// A ticket is valid only in its own pool, and only for the state that was put in for it.
#[test]
fn a_ticket_is_valid_for_its_own_state_alone() {
    let (mut one, mut other) = (Pool::new(2), Pool::new(2));
    let ticket = one.put("one").unwrap();
    let others = other.put("other").unwrap();
    assert_eq!((other.take(ticket), one.take(others)), (None, None));
    assert_eq!(one.take(ticket), Some("one"));
    one.put("next");
    assert_eq!(one.take(ticket), None);
}

/// In any order of owners, no state goes to two of them, none gets lost below the limit, and the limit holds.
#[test]
fn random_use() {
    let mut random = Random(17);
    for limit in 0..6 {
        let mut pool = Pool::new(limit);
        let mut tickets = [None; 10];
        let mut made = 0;
        for _ in 0..4000 {
            let who = random.below(10);
            let own = tickets[who].take().and_then(|ticket| pool.take(ticket));
            if let Some((owner, _)) = own {
                assert_eq!(owner, who, "another's state");
            }
            let spare = own.or_else(|| pool.take_spare(|_| true));
            let (_, number) = spare.unwrap_or_else(|| {
                made += 1;
                (who, made)
            });
            match random.below(3) {
                0 => pool.put_spare((who, number)),
                _ => tickets[who] = pool.put((who, number)),
            }
            assert!(pool.len() <= limit + 1);
        }
        assert!(made <= limit + 2, "{made} states made for a limit of {limit}");
    }
}

/// Parameters with a level of their own, with which zlib compresses short messages too.
fn zlibs() -> DeflateParams {
    DeflateParams { level: 1, ..DeflateParams::default() }
}

/// A connection without a state reuses a spare one, unless that has another shape.
#[test]
fn states_are_reused() {
    let mut codec = codec(3);
    let params = DeflateParams { no_context_takeover: true, ..zlibs() };
    for _ in 0..10 {
        deflate(&mut Deflater::new(params), &mut codec, b"Hello");
        let forgetting = InflateParams { window_bits: 15, no_context_takeover: true };
        inflate(&mut Inflater::new(forgetting), &mut codec, &flate2_message(&json(400, 1), 6));
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 1, decompressors: 1, tables: 0 });
    let other = DeflateParams { mem_level: 1, ..params };
    deflate(&mut Deflater::new(other), &mut codec, b"Hello");
    assert_eq!(codec.usage().compressors, 2);
}

#[test]
fn release_frees_at_once() {
    let mut codec = codec(8);
    let mut handles: Vec<_> = (0..4).map(|_| (Deflater::new(zlibs()), plain_inflater())).collect();
    for (deflater, inflater) in &mut handles {
        let payload = deflate(deflater, &mut codec, &json(400, 1));
        inflate(inflater, &mut codec, &payload);
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 4, decompressors: 4, tables: 0 });
    for (deflater, inflater) in &mut handles {
        deflater.release(&mut codec);
        inflater.release(&mut codec);
    }
    // Another connection takes one of theirs, and no fifth state is made.
    let mut fifth = Deflater::new(zlibs());
    assert_eq!(deflate(&mut fifth, &mut codec, b"Hello").len(), 7);
    assert_eq!(codec.usage().compressors, 4);
}

/// The tables for short messages are shared and bounded like the other states.
#[test]
fn tables_are_reused_and_given_back() {
    let mut codec = codec(3);
    let mut deflaters: Vec<_> = (0..8).map(|_| Deflater::new(DeflateParams::default())).collect();
    for _ in 0..20 {
        for (number, deflater) in deflaters.iter_mut().enumerate() {
            let text = format!("words of connection {number}, over and over");
            deflate(deflater, &mut codec, text.as_bytes());
        }
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 0, decompressors: 0, tables: 4 });
    for deflater in &mut deflaters {
        deflater.release(&mut codec);
        assert_eq!(deflater.memory(), 0);
    }
    let again = deflate(&mut deflaters[0], &mut codec, b"words of connection 1, over and over");
    assert!(again.len() > 20, "nothing is left of another connection: {}", again.len());
}

/// A handle is detached, used with another thread's codec and attached again, and its context is kept.
#[test]
fn a_detached_handle_works_in_another_thread() {
    let mut home = codec(2);
    let (mut deflater, mut inflater) = (Deflater::new(zlibs()), plain_inflater());
    let hello = deflate(&mut deflater, &mut home, b"Hello");
    assert_eq!(inflate(&mut inflater, &mut home, &hello), b"Hello");
    deflater.detach(&mut home);
    inflater.detach(&mut home);
    assert_eq!(home.usage(), CodecUsage { compressors: 0, decompressors: 0, tables: 0 });
    let (mut deflater, mut inflater) = std::thread::spawn(move || {
        let mut away = codec(2);
        let again = deflate(&mut deflater, &mut away, b"Hello");
        assert!(again.len() <= 5, "the history came along");
        assert_eq!(inflate(&mut inflater, &mut away, &again), b"Hello");
        assert_eq!(away.usage(), CodecUsage { compressors: 0, decompressors: 0, tables: 0 });
        (deflater, inflater)
    })
    .join()
    .unwrap();
    deflater.attach(&mut home);
    inflater.attach(&mut home);
    assert_eq!(home.usage(), CodecUsage { compressors: 1, decompressors: 1, tables: 0 });
    let again = deflate(&mut deflater, &mut home, b"Hello");
    assert!(again.len() <= 5);
    assert_eq!(inflate(&mut inflater, &mut home, &again), b"Hello");
}

#[test]
fn spare_buffers_are_bounded() {
    let mut codec = codec(0);
    for _ in 0..10 {
        codec.give_scratch(Vec::with_capacity(1000));
    }
    codec.give_scratch(Vec::with_capacity(300 * 1024));
    let capacities: Vec<_> = (0..5).map(|_| codec.take_scratch().capacity()).collect();
    assert!(capacities[..4].iter().all(|&capacity| capacity >= 1000));
    assert_eq!(capacities[4], 0);
    codec.give_scratch(b"words of another connection".to_vec());
    assert!(codec.take_scratch().is_empty());
}

/// Each of 100,000 connections holds two of these handles.
#[test]
fn handles_are_small() {
    assert!(size_of::<Deflater>() <= 72, "{}", size_of::<Deflater>());
    assert!(size_of::<Inflater>() <= 72, "{}", size_of::<Inflater>());
}

#[test]
fn strategies_have_zlibs_numbers() {
    let all = [
        Strategy::Default,
        Strategy::Filtered,
        Strategy::HuffmanOnly,
        Strategy::Rle,
        Strategy::Fixed,
    ];
    for (number, strategy) in all.into_iter().enumerate() {
        assert_eq!(Strategy::from_zlib(number as i32), Some(strategy));
    }
    assert_eq!((Strategy::from_zlib(5), Strategy::from_zlib(-1)), (None, None));
}
