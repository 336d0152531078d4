//! The payloads of the benches.

/// Lengths of the payloads: a tick, a document, a long message, and one that no first-level cache holds.
pub const SIZES: [usize; 4] = [64, 2 << 10, 64 << 10, 1 << 20];

/// `size` bytes of ASCII in the shape of a market-data feed, which differ for each `seed`.
pub fn json(size: usize, seed: u64) -> Vec<u8> {
    let mut text = String::with_capacity(size + 128);
    let mut number = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < size {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        let (price, amount, time) = (number % 90_000, number / 7 % 1000, number / 11 % 1_000_000);
        text.push_str(&format!(
            "{{\"symbol\":\"BTCUSD\",\"price\":{price}.{:02},\"size\":{amount},\"time\":{time:06}}},",
            amount % 100
        ));
    }
    text.truncate(size);
    text.into_bytes()
}

/// `size` bytes of Greek, with two bytes for each letter: `size` must be even.
pub fn greek(size: usize) -> Vec<u8> {
    "μῆνιν ἄειδε θεὰ"
        .chars()
        .filter(|letter| letter.len_utf8() == 2)
        .collect::<String>()
        .into_bytes()
        .into_iter()
        .cycle()
        .take(size)
        .collect()
}
