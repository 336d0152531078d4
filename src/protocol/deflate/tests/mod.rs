//! Messages through a pair of handles, compared with zlib itself (flate2) and with another author's decoder.

mod apart;
mod eviction;
mod hostile;
mod inside;
mod pooling;
mod ratio;
mod round_trip;
mod second_opinion;
mod short_deflate;
mod short_inflate;

use super::params::TAIL;
use super::*;
use crate::protocol::error::ProtocolError;

/// A small generator of repeatable pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// JSON as services send it: the keys are always the same, and the values differ.
fn json(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed | 1);
    let mut text = String::from("[");
    while text.len() < len {
        let (id, price) = (random.below(100_000), random.below(1_000_000));
        text += &format!(
            r#"{{"id":{id},"user":"user-{}","price":{}.{:02},"active":{}}},"#,
            id % 997,
            price / 100,
            price % 100,
            id % 2 == 0
        );
    }
    text.truncate(len);
    text.into_bytes()
}

/// Messages of many sizes: empty, tiny, incompressible, repetitive, and longer than a window and a chunk.
fn messages() -> Vec<Vec<u8>> {
    let mut random = Random(7);
    vec![
        b"Hello".to_vec(),
        Vec::new(),
        json(64, 1),
        json(64, 1),
        vec![b'a'; 600],
        random.bytes(300),
        json(2048, 2),
        Vec::new(),
        random.bytes(40_000),
        json(70_000, 3),
        vec![0; 100_000],
        json(2048, 2),
        b"x".to_vec(),
    ]
}

/// Messages for tables that try many parameters: still longer than the smaller windows.
fn short_messages() -> Vec<Vec<u8>> {
    let mut messages = messages();
    messages.retain(|message| message.len() <= 3000);
    messages.push(json(9000, 4));
    messages
}

fn codec(states: usize) -> Codec {
    Codec::new(CodecLimits {
        max_compressors: states,
        max_decompressors: states,
        max_tables: states,
    })
}

fn deflate(deflater: &mut Deflater, codec: &mut Codec, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    deflater.deflate(codec, message, true, &mut out).unwrap();
    out
}

fn inflate(inflater: &mut Inflater, codec: &mut Codec, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    inflater.inflate(codec, payload, true, None, &mut out).unwrap();
    out
}

/// Inflates a message in pieces; `cut` gives the length of each.
fn inflate_cut(
    inflater: &mut Inflater,
    codec: &mut Codec,
    payload: &[u8],
    mut cut: impl FnMut() -> usize,
) -> Result<Vec<u8>, ProtocolError> {
    let mut out = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut().clamp(1, rest.len()));
        inflater.inflate(codec, piece, false, None, &mut out)?;
        rest = behind;
    }
    inflater.inflate(codec, &[], true, None, &mut out)?;
    Ok(out)
}

fn plain_inflater() -> Inflater {
    Inflater::new(InflateParams::default())
}

/// flate2's output for one message from scratch, without the 4 bytes at its end.
fn flate2_message(message: &[u8], level: u32) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::new(level), false);
    flate2_next(&mut compress, message)
}

fn flate2_next(compress: &mut flate2::Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() * 2 + 1024);
    compress.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    assert!(out.ends_with(&TAIL), "flate2 had room enough");
    out.truncate(out.len() - 4);
    out
}

/// Inflates the payload of a message by flate2.
fn flate2_inflate(decompress: &mut flate2::Decompress, payload: &[u8], room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(room + 64);
    let whole = [payload, &TAIL[..]].concat();
    decompress.decompress_vec(&whole, &mut out, flate2::FlushDecompress::Sync).unwrap();
    out
}
