//! Decompresses short messages without zlib, if they come whole and consist of stored blocks and blocks of fixed
//! Huffman codes, which is how short messages are best compressed. zlib reads everything else, from the beginning:
//! nothing is changed before a message has been read to its end, and zlib alone says what is wrong with one.
//!
//! zlib's decompressor is called three times for a message and its tail, decodes symbol by symbol when so few are
//! left, and keeps 44 KiB per connection. The code here reads only the window, which the connection keeps anyway,
//! and tables that all connections share.

use super::history::History;

/// The longest payload, in bytes.
const MAX_INPUT: usize = 128;

/// The longest message, in bytes.
pub(super) const MAX_OUTPUT: usize = 1024;

/// Whether the whole payload of a message is short, and its first block is of a type that is read here.
#[inline]
pub(super) fn may_be(payload: &[u8]) -> bool {
    payload.len() <= MAX_INPUT
        && payload.first().is_some_and(|first| matches!(first & 0b111, 0b000 | 0b010))
}

/// Decompresses the whole payload of a message, which may refer to `history`, into `out`. Returns the length of the
/// message, or `None` if zlib must read it.
pub(super) fn inflate(history: &History, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut bits = Bits { input: payload, held: 0, count: 0 };
    let mut output = Output { history, out, len: 0 };
    loop {
        match bits.take(3)? {
            // "BTYPE … 00 - no compression", not the final block (RFC 1951 section 3.2.3).
            0b000 => {
                // "Any bits of input up to the next byte boundary are ignored" (section 3.2.4).
                bits.align();
                if bits.is_empty() {
                    // "Append 4 octets of 0x00 0x00 0xff 0xff" (RFC 7692 section 7.2.2): LEN is 0.
                    return Some(output.len);
                }
                let len = bits.take(16)?;
                if bits.take(16)? != len ^ 0xffff {
                    return None;
                }
                for _ in 0..len {
                    output.literal(bits.take(8)? as u8)?;
                }
            }
            // "01 - compressed with fixed Huffman codes".
            0b010 => block(&mut bits, &mut output)?,
            _ => return None,
        }
    }
}

fn block(bits: &mut Bits<'_>, output: &mut Output<'_>) -> Option<()> {
    loop {
        bits.fill();
        let symbol = &SYMBOLS[(bits.held & 0x1ff) as usize];
        match symbol.kind {
            Kind::Literal => {
                bits.drop(symbol.bits)?;
                output.literal(symbol.base as u8)?;
            }
            Kind::End => return bits.drop(symbol.bits),
            Kind::Length => {
                // A length and a distance are 7 + 1 + 5 + 5 + 13 bits at most.
                bits.drop(symbol.bits)?;
                let len = symbol.base + bits.take(symbol.extra)? as u16;
                let (base, extra) = DISTANCES[bits.take(5)? as usize]?;
                let distance = usize::from(base) + bits.take(extra)? as usize;
                output.copy(distance, usize::from(len))?;
            }
            Kind::None => return None,
        }
    }
}

/// The input, "packed … starting with the least-significant bit" (section 3.1.1).
struct Bits<'a> {
    /// The bytes that are not in `held` yet.
    input: &'a [u8],
    held: u64,
    count: u8,
}

impl Bits<'_> {
    /// Fills `held` up to 56 bits or more while there are so many. Zeros follow the end of the input.
    #[inline]
    fn fill(&mut self) {
        if self.count >= 48 {
            return;
        }
        if let Some((eight, _)) = self.input.split_first_chunk::<8>() {
            let bytes = (63 - self.count) / 8;
            self.held |= u64::from_le_bytes(*eight) << self.count;
            self.input = &self.input[usize::from(bytes)..];
            self.count += 8 * bytes;
            // Bits of the byte after them are removed again: they come with the next call.
            self.held &= u64::MAX >> (64 - self.count);
            return;
        }
        while self.count <= 56
            && let [byte, rest @ ..] = self.input
        {
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
            self.input = rest;
        }
    }

    #[inline]
    fn drop(&mut self, count: u8) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.held >>= count;
        Some(())
    }

    /// Takes the next `count` bits, at most 16.
    #[inline]
    fn take(&mut self, count: u8) -> Option<u32> {
        if self.count < count {
            self.fill();
        }
        let bits = self.held & ((1 << count) - 1);
        self.drop(count)?;
        Some(bits as u32)
    }

    fn align(&mut self) {
        self.held >>= self.count % 8;
        self.count -= self.count % 8;
    }

    const fn is_empty(&self) -> bool {
        self.count == 0 && self.input.is_empty()
    }
}

/// The message so far, and the history before it.
struct Output<'a> {
    history: &'a History,
    out: &'a mut [u8],
    len: usize,
}

impl Output<'_> {
    #[inline]
    fn literal(&mut self, byte: u8) -> Option<()> {
        *self.out.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    /// Appends a match; "the referenced string may overlap the current position" (section 3.2.3).
    #[inline]
    fn copy(&mut self, distance: usize, len: usize) -> Option<()> {
        let end = self.len + len;
        self.out.get(..end)?;
        if let Some(back @ 1..) = distance.checked_sub(self.len) {
            let (from_history, rest) = (len.min(back), len.saturating_sub(back));
            let old = &mut self.out[self.len..self.len + from_history];
            self.history.copy(back, old)?;
            self.len += from_history;
            return if rest == 0 { Some(()) } else { self.copy(distance, rest) };
        }
        if distance >= len {
            let start = self.len - distance;
            self.out.copy_within(start..start + len, self.len);
        } else {
            for at in self.len..end {
                self.out[at] = self.out[at - distance];
            }
        }
        self.len = end;
        Some(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Literal,
    Length,
    End,
    /// The codes 286 and 287, which "will never actually occur" (section 3.2.6).
    None,
}

#[derive(Clone, Copy)]
struct Symbol {
    kind: Kind,
    bits: u8,
    /// How many extra bits follow the code of a length.
    extra: u8,
    /// The byte, or the shortest length.
    base: u16,
}

/// The symbol with which the next nine bits begin (section 3.2.6).
static SYMBOLS: [Symbol; 512] = {
    let none = Symbol { kind: Kind::None, bits: 0, extra: 0, base: 0 };
    let mut table = [none; 512];
    let mut symbol: u16 = 0;
    while symbol < 288 {
        let (code, bits): (u16, u8) = match symbol {
            0..144 => (0b0011_0000 + symbol, 8),
            144..256 => (0b1_1001_0000 + symbol - 144, 9),
            256..280 => (symbol - 256, 7),
            _ => (0b1100_0000 + symbol - 280, 8),
        };
        let mut at = (code.reverse_bits() >> (16 - bits)) as usize;
        while at < 512 {
            table[at] = match symbol {
                0..256 => Symbol { kind: Kind::Literal, bits, extra: 0, base: symbol },
                256 => Symbol { kind: Kind::End, bits, extra: 0, base: 0 },
                257..286 => {
                    let (base, extra) = length(symbol - 257);
                    Symbol { kind: Kind::Length, bits, extra, base }
                }
                _ => none,
            };
            at += 1 << bits;
        }
        symbol += 1;
    }
    table
};

/// The shortest length that a code stands for, and its extra bits; the first length code is 0 here (section 3.2.5).
const fn length(code: u16) -> (u16, u8) {
    match code {
        0..8 => (3 + code, 0),
        28 => (258, 0),
        _ => {
            let extra = code / 4 - 1;
            (3 + ((4 + code % 4) << extra), extra as u8)
        }
    }
}

/// The shortest distance that a code stands for, and its extra bits. The index is the code in the bit order of the
/// input; "distance codes 30-31 will never actually occur" (section 3.2.6).
static DISTANCES: [Option<(u16, u8)>; 32] = {
    let mut table = [None; 32];
    let mut code: u16 = 0;
    while code < 30 {
        let (base, extra) = match code {
            0..4 => (1 + code, 0),
            _ => (1 + ((2 + code % 2) << (code / 2 - 1)), (code / 2 - 1) as u8),
        };
        table[(code.reverse_bits() >> 11) as usize] = Some((base, extra));
        code += 1;
    }
    table
};
