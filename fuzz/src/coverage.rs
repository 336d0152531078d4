//! Which branches an execution took: LLVM's inline 8-bit counters, which stable Rust can emit
//! (`-C passes=sancov-module`; the Makefile has the flags). Without them there are no counters, and
//! the driver mutates blindly.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

static START: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LEN: AtomicUsize = AtomicUsize::new(0);

/// Called by each instrumented unit before `main`, with the one range of the whole program.
// SAFETY: LLVM reserves this name for exactly this purpose, and calls it with these two arguments.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    START.store(start, Ordering::Relaxed);
    LEN.store((stop as usize).saturating_sub(start as usize), Ordering::Relaxed);
}

/// The counters, and what was seen of each in all executions so far.
pub struct Coverage {
    seen: Vec<u8>,
}

impl Coverage {
    pub fn new() -> Self {
        Self { seen: vec![0; LEN.load(Ordering::Relaxed)] }
    }

    /// Sets all counters back, before an execution.
    pub fn reset(&self) {
        if !self.seen.is_empty() {
            // SAFETY: the range is a section of this program, writable and mapped while it runs. The
            // instrumented code counts in it without synchronisation, and only this thread runs any
            // (the watchdog's few counts may get lost, which does not matter).
            unsafe { START.load(Ordering::Relaxed).write_bytes(0, self.seen.len()) };
        }
    }

    /// Whether the last execution took a branch, or took it a number of times, as none before it.
    pub fn is_new(&mut self) -> bool {
        let start = START.load(Ordering::Relaxed);
        let mut new = false;
        for (at, seen) in self.seen.iter_mut().enumerate() {
            // SAFETY: as in `reset`; `at` is below the number of counters.
            let count = unsafe { start.add(at).read_volatile() };
            let bucket = bucket(count);
            if *seen | bucket != *seen {
                *seen |= bucket;
                new = true;
            }
        }
        new
    }

    /// Branches taken at all.
    pub fn edges(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }

    pub fn is_on(&self) -> bool {
        !self.seen.is_empty()
    }
}

/// Counts that are told apart: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1..=3 => 1 << (count - 1),
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}
