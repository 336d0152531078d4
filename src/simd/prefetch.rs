//! Fetching memory into the processor's cache before it is needed.

#![allow(unsafe_code)]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks the processor to fetch the `bytes` bytes from `at` on. Nothing is read, so any address is allowed, and one that
/// is not mapped is ignored. This does nothing on processors for which Rust knows no such instruction.
#[inline]
pub fn prefetch<T>(at: *const T, bytes: usize) {
    let at = at.cast::<u8>();
    // Start at the beginning of the first line. Otherwise unaligned data would miss its last line.
    let mut offset = 0_usize.wrapping_sub(at.addr() % LINE);
    while (offset as isize) < bytes as isize {
        line(at.wrapping_add(offset));
        offset = offset.wrapping_add(LINE);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE is part of x86-64; the instruction does not fault and changes no memory.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn line(at: *const u8) {
    // SAFETY: PRFM is a hint: it does not fault and changes neither memory nor flags.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn line(_at: *const u8) {}
