//! New inputs out of old ones, the same in each run with the same seed.

/// xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `end` - 1; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { ((self.next() >> 16) % end as u64) as usize }
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }
}

/// Bytes that stand at some border of a format.
const BYTES: [u8; 32] = [
    0, 1, 2, 8, 9, 10, 0x0d, 0x20, b'"', b',', b';', b'=', b'\\', b':', 0x40, 0x7d, 0x7e, 0x7f,
    0x80, 0x81, 0x82, 0x88, 0x89, 0xbf, 0xc0, 0xc1, 0xed, 0xf0, 0xf4, 0xfd, 0xfe, 0xff,
];

const NUMBERS: [u64; 12] = [
    0,
    1,
    125,
    126,
    0xffff,
    0x1_0000,
    (1 << 31) - 1,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    1 << 63,
    u64::MAX,
];

/// Changes `input` in one to eight ways; `other` is one to take pieces from.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8], max_len: usize) {
    for _ in 0..=random.below(8) {
        change(random, input, other);
    }
    input.truncate(max_len);
}

fn change(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(input.len() + 1);
    let run = 1 + random.below(16);
    let end = (at + run).min(input.len());
    match random.below(11) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = BYTES[random.below(BYTES.len())],
        2 if at < input.len() => input[at] = random.byte(),
        3 if at < input.len() => {
            input[at] = input[at].wrapping_add(random.byte() % 9).wrapping_sub(4)
        }
        4 => input.insert(at, BYTES[random.below(BYTES.len())]),
        5 => drop(input.drain(at..end)),
        6 => {
            // A stretch of it again, perhaps often.
            let piece = input[at..end].repeat(1 + random.below(20));
            input.splice(at..at, piece);
        }
        7 => {
            let number = NUMBERS[random.below(NUMBERS.len())].to_be_bytes();
            let width = [2, 4, 8][random.below(3)];
            let end = (at + width).min(input.len());
            input.splice(at..end, number[8 - width..].iter().copied());
        }
        8 => {
            let from = random.below(other.len());
            let to = (from + 1 + random.below(64)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
        9 => {
            // The front of one, the back of the other.
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        _ => {
            let piece: Vec<u8> = (0..run).map(|_| random.byte()).collect();
            input.splice(at..end, piece);
        }
    }
}
