//! The pool itself, and handles that leave it for another thread.

use super::pool::Pool;
use super::*;

#[test]
fn the_least_recently_used_goes_first() {
    let mut pool = Pool::new(3);
    let mut tickets: Vec<_> = (0..3).map(|n| pool.put(n).unwrap()).collect();
    assert_eq!(pool.take(tickets[0]), Some(0));
    tickets[0] = pool.put(0).unwrap();
    let three = pool.put(3).unwrap();
    assert_eq!(pool.len(), 3);
    assert_eq!(pool.take(tickets[1]), None, "1 was the oldest");
    assert_eq!(pool.take(tickets[2]), Some(2));
    assert_eq!(pool.take(tickets[0]), Some(0));
    assert_eq!(pool.take(three), Some(3));
    assert_eq!(pool.take(three), None, "once only");
    assert_eq!(pool.len(), 0);
}

#[test]
fn a_spare_state_is_the_first_to_be_taken() {
    let mut pool = Pool::new(3);
    let owned = pool.put(1).unwrap();
    pool.put_spare(2);
    assert_eq!(pool.take_any(|_| true), Some(2));
    assert_eq!(pool.take_any(|_| true), None, "1 has an owner, and there is room for another");
    pool.put_spare(2);
    pool.put_spare(3);
    pool.put_spare(4);
    assert_eq!(pool.len(), 3);
    assert_eq!(pool.take_any(|&state| state == 2), Some(2), "one that fits");
    pool.put_spare(5);
    assert_eq!(pool.take_any(|&state| state == 1), None, "full: the oldest goes, and does not fit");
    assert_eq!(pool.len(), 2);
    assert_eq!(pool.take(owned), Some(1));
}

#[test]
fn a_pool_of_nothing_keeps_nothing() {
    let mut pool = Pool::new(0);
    assert_eq!(pool.put("state"), None);
    pool.put_spare("state");
    assert_eq!((pool.len(), pool.take_any(|_| true)), (0, None));
}

/// A ticket is good in its own pool only, and for what was put in for it only.
#[test]
fn a_ticket_opens_nothing_else() {
    let (mut one, mut other) = (Pool::new(2), Pool::new(2));
    let ticket = one.put("one").unwrap();
    let others = other.put("other").unwrap();
    assert_eq!((other.take(ticket), one.take(others)), (None, None));
    assert_eq!(one.take(ticket), Some("one"));
    one.put("next");
    assert_eq!(one.take(ticket), None);
}

/// Against a plain model: a list in order of use.
#[test]
fn random_use_agrees_with_a_list() {
    let mut random = Random(17);
    for limit in 0..6 {
        let mut pool = Pool::new(limit);
        let mut model: Vec<(usize, bool)> = Vec::new();
        let mut tickets = vec![None; 10];
        for step in 0..4000 {
            let who = random.below(10);
            match random.below(4) {
                0 | 1 => {
                    let state = tickets[who].take().and_then(|ticket| pool.take(ticket));
                    let place = model.iter().position(|&entry| entry == (who, true));
                    assert_eq!(state, place.map(|place| model.remove(place).0), "step {step}");
                    if model.len() == limit && limit > 0 {
                        model.remove(0);
                    }
                    if limit > 0 {
                        model.push((who, true));
                    }
                    tickets[who] = pool.put(who);
                }
                2 => {
                    pool.put_spare(100 + who);
                    if model.len() < limit {
                        model.insert(0, (100 + who, false));
                    }
                }
                _ => {
                    let spare = model.first().is_some_and(|&(_, owned)| !owned);
                    let gone = (spare || model.len() >= limit) && !model.is_empty();
                    let expected = gone.then(|| model.remove(0).0);
                    assert_eq!(pool.take_any(|_| true), expected, "step {step}");
                }
            }
            assert_eq!(pool.len(), model.len());
        }
    }
}

/// A state is reused by whoever has none, one of another shape is not.
#[test]
fn states_are_reused() {
    let mut codec = codec(3);
    let params = DeflateParams { no_context_takeover: true, ..DeflateParams::default() };
    for _ in 0..10 {
        deflate(&mut Deflater::new(params), &mut codec, b"Hello");
        let forgetting = InflateParams { window_bits: 15, no_context_takeover: true };
        inflate(&mut Inflater::new(forgetting), &mut codec, &[0x00]);
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 1, decompressors: 1 });
    let other = DeflateParams { mem_level: 1, ..params };
    deflate(&mut Deflater::new(other), &mut codec, b"Hello");
    assert_eq!(codec.usage().compressors, 2);
}

#[test]
fn release_frees_at_once() {
    let mut codec = codec(8);
    let mut handles: Vec<_> =
        (0..4).map(|_| (Deflater::new(DeflateParams::default()), plain_inflater())).collect();
    for (deflater, inflater) in &mut handles {
        let payload = deflate(deflater, &mut codec, b"Hello");
        inflate(inflater, &mut codec, &payload);
    }
    assert_eq!(codec.usage(), CodecUsage { compressors: 4, decompressors: 4 });
    for (deflater, inflater) in &mut handles {
        deflater.release(&mut codec);
        inflater.release(&mut codec);
    }
    // Another connection takes one of theirs, not a fifth.
    let mut fifth = Deflater::new(DeflateParams::default());
    assert_eq!(deflate(&mut fifth, &mut codec, b"Hello").len(), 7);
    assert_eq!(codec.usage().compressors, 4);
}

/// Off the loop: detached, used with another thread's codec, attached again, with the context kept.
#[test]
fn a_detached_handle_works_elsewhere() {
    let mut home = codec(2);
    let (mut deflater, mut inflater) = (Deflater::new(DeflateParams::default()), plain_inflater());
    let hello = deflate(&mut deflater, &mut home, b"Hello");
    assert_eq!(inflate(&mut inflater, &mut home, &hello), b"Hello");
    deflater.detach(&mut home);
    inflater.detach(&mut home);
    assert_eq!(home.usage(), CodecUsage { compressors: 0, decompressors: 0 });
    let (mut deflater, mut inflater) = std::thread::spawn(move || {
        let mut away = codec(2);
        let again = deflate(&mut deflater, &mut away, b"Hello");
        assert_eq!(again.len(), 5, "the history came along");
        assert_eq!(inflate(&mut inflater, &mut away, &again), b"Hello");
        assert_eq!(away.usage(), CodecUsage { compressors: 0, decompressors: 0 });
        (deflater, inflater)
    })
    .join()
    .unwrap();
    deflater.attach(&mut home);
    inflater.attach(&mut home);
    assert_eq!(home.usage(), CodecUsage { compressors: 1, decompressors: 1 });
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

/// 100,000 connections hold two of these each.
#[test]
fn handles_are_small() {
    assert!(size_of::<Deflater>() <= 64, "{}", size_of::<Deflater>());
    assert!(size_of::<Inflater>() <= 80, "{}", size_of::<Inflater>());
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
