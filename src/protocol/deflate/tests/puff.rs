//! A plain DEFLATE decoder (RFC 1951), slow and checked at every step: the second opinion of the tests.

/// Lengths of RFC 1951 section 3.2.5: base and extra bits of the codes 257 to 285.
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The order of code length codes (section 3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a stream was found to be.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// The longest distance that a match referred back.
    pub(super) max_distance: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl Bits<'_> {
    fn one(&mut self) -> Option<usize> {
        let byte = *self.bytes.get(self.bit / 8)?;
        let bit = byte >> (self.bit % 8) & 1;
        self.bit += 1;
        Some(usize::from(bit))
    }

    fn take(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            value |= self.one()? << place;
        }
        Some(value)
    }

    fn symbol(&mut self, table: &Table) -> Option<usize> {
        let (mut code, mut first, mut skipped) = (0, 0, 0);
        for &count in &table.counts[1..] {
            code |= self.one()?;
            if code < first + count {
                return Some(table.symbols[skipped + code - first]);
            }
            skipped += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// A Huffman code (section 3.2.2).
struct Table {
    /// Codes of each length.
    counts: [usize; 16],
    /// In the order of their codes.
    symbols: Vec<usize>,
}

impl Table {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        for &length in lengths.iter().filter(|&&length| length > 0) {
            counts[length] += 1;
        }
        let mut symbols: Vec<_> =
            (0..lengths.len()).filter(|&symbol| lengths[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[symbol]);
        Self { counts, symbols }
    }
}

/// Decodes all blocks of `stream`; `history` is what its matches may refer to.
pub(super) fn decode(stream: &[u8], history: &[u8]) -> Option<Decoded> {
    let mut bits = Bits { bytes: stream, bit: 0 };
    let mut decoded = Decoded { bytes: history.to_vec(), max_distance: 0 };
    while bits.bit < stream.len() * 8 {
        let last = bits.one()? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut decoded)?,
            1 => {
                let literals: Vec<usize> = (0..288)
                    .map(|s| match s {
                        0..=143 => 8,
                        144..=255 => 9,
                        256..=279 => 7,
                        _ => 8,
                    })
                    .collect();
                codes(&mut bits, &mut decoded, &Table::new(&literals), &Table::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = tables(&mut bits)?;
                codes(&mut bits, &mut decoded, &literals, &distances)?;
            }
            _ => return None,
        }
        if last {
            bits.bit = bits.bit.next_multiple_of(8);
        }
        // Padding of the last byte.
        if stream.len() * 8 - bits.bit < 3 {
            break;
        }
    }
    decoded.bytes.drain(..history.len());
    Some(decoded)
}

fn stored(bits: &mut Bits<'_>, decoded: &mut Decoded) -> Option<()> {
    bits.bit = bits.bit.next_multiple_of(8);
    let (len, complement) = (bits.take(16)?, bits.take(16)?);
    if len != complement ^ 0xffff {
        return None;
    }
    for _ in 0..len {
        decoded.bytes.push(bits.take(8)? as u8);
    }
    Some(())
}

fn tables(bits: &mut Bits<'_>) -> Option<(Table, Table)> {
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut of_lengths = [0; 19];
    for &place in &ORDER[..count] {
        of_lengths[place] = bits.take(3)?;
    }
    let of_lengths = Table::new(&of_lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match bits.symbol(&of_lengths)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    let distances = lengths.split_off(literals);
    Some((Table::new(&lengths), Table::new(&distances)))
}

fn codes(
    bits: &mut Bits<'_>,
    decoded: &mut Decoded,
    literals: &Table,
    distances: &Table,
) -> Option<()> {
    loop {
        let symbol = bits.symbol(literals)?;
        if symbol == 256 {
            return Some(());
        }
        if symbol < 256 {
            decoded.bytes.push(symbol as u8);
            continue;
        }
        let (base, extra) = *LENGTHS.get(symbol - 257)?;
        let length = base + bits.take(extra)?;
        let symbol = bits.symbol(distances)?;
        let distance = if symbol < 4 {
            symbol + 1
        } else {
            let extra = symbol as u32 / 2 - 1;
            ((2 + symbol % 2) << extra) + 1 + bits.take(extra)?
        };
        decoded.max_distance = decoded.max_distance.max(distance);
        let from = decoded.bytes.len().checked_sub(distance)?;
        for place in from..from + length {
            decoded.bytes.push(decoded.bytes[place]);
        }
    }
}

/// The example of RFC 7692 section 7.2.3.1, with the 4 bytes, and the match of 7.2.3.2.
#[test]
fn reads_the_examples_of_the_rfc() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff];
    assert_eq!(decode(&hello, b"").unwrap().bytes, b"Hello");
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff];
    let decoded = decode(&again, b"Hello").unwrap();
    assert_eq!((decoded.bytes, decoded.max_distance), (b"Hello".to_vec(), 5));
}
