//! Masking and UTF-8.

use _core::simd::mask::mask_in_place;
use _core::simd::unmask_validate;
use _core::simd::utf8::{Utf8, is_utf8};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use crate::payload::{SIZES, greek, json};

#[divan::bench(args = SIZES)]
fn memcpy(bencher: Bencher<'_, '_>, size: usize) {
    let from = json(size, 1);
    let mut to = vec![0; size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| black_box(&mut to[..]).copy_from_slice(black_box(&from)));
}

#[divan::bench(args = SIZES)]
fn mask(bencher: Bencher<'_, '_>, size: usize) {
    let mut bytes = json(size, 1);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| mask_in_place(black_box(&mut bytes), black_box([1, 2, 3, 4]), 0));
}

#[divan::bench(args = SIZES)]
fn utf8_of_ascii(bencher: Bencher<'_, '_>, size: usize) {
    validated(bencher, &json(size, 1));
}

#[divan::bench(args = SIZES)]
fn utf8_of_greek(bencher: Bencher<'_, '_>, size: usize) {
    validated(bencher, &greek(size));
}

fn validated(bencher: Bencher<'_, '_>, text: &[u8]) {
    assert!(is_utf8(text));
    bencher.counter(BytesCount::new(text.len())).bench_local(|| is_utf8(black_box(text)));
}

#[divan::bench(args = SIZES)]
fn unmask_and_validate_ascii(bencher: Bencher<'_, '_>, size: usize) {
    fused(bencher, json(size, 1));
}

#[divan::bench(args = SIZES)]
fn unmask_and_validate_greek(bencher: Bencher<'_, '_>, size: usize) {
    fused(bencher, greek(size));
}

fn fused(bencher: Bencher<'_, '_>, mut text: Vec<u8>) {
    assert!(unmask_validate(&mut text, [0; 4], 0, &mut Utf8::default()).is_ok());
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let mut utf8 = Utf8::default();
        unmask_validate(black_box(&mut text), black_box([0; 4]), 0, &mut utf8)
    });
}
