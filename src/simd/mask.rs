//! Masking, which is its own inverse (RFC 6455 section 5.3): "transformed-octet-i = original-octet-i
//! XOR masking-key-octet-j" with j = i MOD 4.
//!
//! A frame may be masked or unmasked in pieces: `phase` is always the index of the first given byte within the frame's
//! payload.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// From this many bytes on, choosing the instruction set at run time pays for itself.
const WIDE: usize = 512;

/// Masks byte by byte, as the RFC defines it. Every fast path is compared with this.
pub fn mask_plain(buf: &mut [u8], mask: [u8; 4], phase: usize) {
    for (index, byte) in buf.iter_mut().enumerate() {
        *byte ^= mask[(phase + index) % 4];
    }
}

/// Masks or unmasks `buf` in place.
#[inline]
pub fn mask_in_place(buf: &mut [u8], mask: [u8; 4], phase: usize) {
    mask_in_place_is_ascii(buf, mask, phase);
}

/// Masks or unmasks `buf` in place, and returns whether the result is all ASCII.
#[inline]
pub fn mask_in_place_is_ascii(buf: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
    let key = rotated(mask, phase);
    if buf.len() < WIDE { short(buf, key) } else { long(buf, key) }
}

/// Writes `src`, masked or unmasked, to `dst`, as many bytes as the shorter of the two has, and returns what was
/// written.
pub fn mask_copy<'dst>(
    dst: &'dst mut [MaybeUninit<u8>],
    src: &[u8],
    mask: [u8; 4],
    phase: usize,
) -> &'dst mut [u8] {
    let len = dst.len().min(src.len());
    let (dst, src) = (&mut dst[..len], &src[..len]);
    let key = rotated(mask, phase);
    copy(dst, src, key);
    // SAFETY: `copy` has written every byte of `dst`, which is exactly as long as `src`;
    // `MaybeUninit<u8>` has the layout of `u8`.
    unsafe { &mut *(std::ptr::from_mut(dst) as *mut [u8]) }
}

/// Appends `src`, masked or unmasked, to `dst`, in one pass.
pub fn extend_masked(dst: &mut Vec<u8>, src: &[u8], mask: [u8; 4], phase: usize) {
    dst.reserve(src.len());
    let written = mask_copy(dst.spare_capacity_mut(), src, mask, phase).len();
    // SAFETY: `mask_copy` has initialised the first `written` bytes of the spare capacity.
    unsafe { dst.set_len(dst.len() + written) }
}

/// The mask, rotated so that it begins with the byte for index `phase` of the payload.
#[inline]
fn rotated(mask: [u8; 4], phase: usize) -> [u8; 4] {
    let turn = (phase % 4) as u32 * 8;
    u32::from_le_bytes(mask).rotate_right(turn).to_le_bytes()
}

/// The mask, repeated to fill a machine word.
#[inline]
fn word(key: [u8; 4]) -> u64 {
    let half = u64::from(u32::from_ne_bytes(key));
    half << 32 | half
}

/// The high bit of every byte of a word. A byte is ASCII if its high bit is clear.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Masks eight bytes at a time, which is fastest for short payloads.
#[inline(always)] // on the way of every message
fn short(buf: &mut [u8], key: [u8; 4]) -> bool {
    let wide_key = word(key);
    let mut seen = 0;
    let (words, rest) = buf.as_chunks_mut::<8>();
    for chunk in words {
        let plain = u64::from_ne_bytes(*chunk) ^ wide_key;
        seen |= plain;
        *chunk = plain.to_ne_bytes();
    }
    let mut seen_rest = 0;
    for (byte, key) in rest.iter_mut().zip(wide_key.to_ne_bytes()) {
        *byte ^= key;
        seen_rest |= *byte;
    }
    (seen & HIGH_BITS) == 0 && seen_rest.is_ascii()
}

/// Bytes per iteration of the loop for long payloads: four AVX2 vectors.
const STRIDE: usize = 128;

/// The loop for long payloads. The compiler turns it into vector code, for the instruction set that the function it is
/// inlined into may use.
#[inline(always)]
fn strides(buf: &mut [u8], key: [u8; 4]) -> bool {
    let wide_key = word(key);
    let mut seen = [0_u64; STRIDE / 8];
    let (chunks, rest) = buf.as_chunks_mut::<STRIDE>();
    for chunk in chunks {
        let (words, _) = chunk.as_chunks_mut::<8>();
        for (bytes, seen) in words.iter_mut().zip(&mut seen) {
            let plain = u64::from_ne_bytes(*bytes) ^ wide_key;
            *seen |= plain;
            *bytes = plain.to_ne_bytes();
        }
    }
    let seen = seen.iter().fold(0, |all, part| all | part);
    short(rest, key) && (seen & HIGH_BITS) == 0
}

/// Does the same as [`strides`], from one place to another.
#[inline(always)]
fn copy_strides(dst: &mut [MaybeUninit<u8>], src: &[u8], key: [u8; 4]) {
    let wide_key = word(key);
    let (to, to_rest) = dst.as_chunks_mut::<8>();
    let (from, from_rest) = src.as_chunks::<8>();
    for (to, from) in to.iter_mut().zip(from) {
        let plain = u64::from_ne_bytes(*from) ^ wide_key;
        *to = plain.to_ne_bytes().map(MaybeUninit::new);
    }
    for ((to, from), key) in to_rest.iter_mut().zip(from_rest).zip(key.iter().cycle()) {
        to.write(from ^ key);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn strides_avx2(buf: &mut [u8], key: [u8; 4]) -> bool {
    strides(buf, key)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn copy_strides_avx2(dst: &mut [MaybeUninit<u8>], src: &[u8], key: [u8; 4]) {
    copy_strides(dst, src, key);
}

#[inline(never)]
fn long(buf: &mut [u8], key: [u8; 4]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, which is all that the function asks for.
        return unsafe { strides_avx2(buf, key) };
    }
    strides(buf, key)
}

/// Writes every byte of `dst`, which is as long as `src`.
fn copy(dst: &mut [MaybeUninit<u8>], src: &[u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if src.len() >= WIDE && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, which is all that the function asks for.
        return unsafe { copy_strides_avx2(dst, src, key) };
    }
    copy_strides(dst, src, key);
}

/// Each path by itself, to be compared with [`mask_plain`] no matter which one the length or the CPU would choose.
#[cfg(test)]
pub(super) mod paths {
    use super::{rotated, short, strides};

    pub fn short_path(buf: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
        short(buf, rotated(mask, phase))
    }

    pub fn portable_path(buf: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
        strides(buf, rotated(mask, phase))
    }

    /// The AVX2 path if the CPU has AVX2, otherwise the portable one.
    pub fn long_path(buf: &mut [u8], mask: [u8; 4], phase: usize) -> bool {
        super::long(buf, rotated(mask, phase))
    }
}
