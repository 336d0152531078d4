//! permessage-deflate: one connection, context takeover, wsrs's own level. Bytes are counted before compression.

use _core::protocol::deflate::{Codec, DeflateParams, Deflater, InflateParams, Inflater};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use crate::payload::json;

const SIZES: [usize; 3] = [64, 2 << 10, 64 << 10];
/// Documents that follow each other, so many that none is found again in the window.
const DOCUMENTS: u64 = 1024;

/// A ring of documents, which together are at least two windows long.
fn documents(size: usize) -> Vec<Vec<u8>> {
    let count = DOCUMENTS.min((128 << 10) / size as u64).max(4);
    (1..=count).map(|seed| json(size, seed)).collect()
}

#[divan::bench(args = SIZES)]
fn deflate(bencher: Bencher<'_, '_>, size: usize) {
    let (mut codec, mut deflater) = (Codec::default(), Deflater::new(DeflateParams::default()));
    let documents = documents(size);
    let (mut next, mut out) = (documents.iter().cycle(), Vec::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        let document = next.next().map_or(&[][..], Vec::as_slice);
        deflater.deflate(&mut codec, black_box(document), true, &mut out).is_ok()
    });
}

#[divan::bench(args = SIZES)]
fn inflate(bencher: Bencher<'_, '_>, size: usize) {
    let (mut codec, mut inflater) = (Codec::default(), Inflater::new(InflateParams::default()));
    // Each message is compressed by itself, so they can be read in any order, over and over.
    let alone = DeflateParams { no_context_takeover: true, ..DeflateParams::default() };
    let mut deflater = Deflater::new(alone);
    let mut packed = Vec::new();
    for document in documents(size) {
        let mut out = Vec::new();
        assert!(deflater.deflate(&mut codec, &document, true, &mut out).is_ok());
        packed.push(out);
    }
    let (mut next, mut out) = (packed.iter().cycle(), Vec::<u8>::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        let message = next.next().map_or(&[][..], Vec::as_slice);
        inflater.inflate(&mut codec, black_box(message), true, None, &mut out).is_ok()
    });
}
