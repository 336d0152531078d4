//! A libFuzzer program with all targets in it: the variable `FUZZ_TARGET` names the one to run. See
//! `fuzz/README.md`.

#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;

use targets::{TARGETS, Target};

/// The system's allocator, with a count of the bytes held.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("FUZZ_TARGET is {name:?}; the targets are {}", known.join(", "));
        std::process::exit(2);
    })
});

/// The engine, under the path that its scripted kernel (`targets/engine.rs`) uses.
#[cfg(unix)]
mod engine {
    pub use _core::engine::{
        Address, Engine, Errno, Interest, MAX_EVENTS, RawEvent, Read, Ready, Sys, Token,
    };
}

fuzz_target!(init: LazyLock::force(&TARGET), |input: &[u8]| execute(&TARGET, input));

/// Runs `input`, and panics if more memory was held at one time than the target allows.
fn execute(target: &Target, input: &[u8]) {
    let held = most_held(|| (target.run)(input));
    let allowed = (target.memory)(input.len());
    assert!(held <= allowed, "{held} bytes of memory were held, {allowed} are allowed");
}

/// The most bytes of memory held at one time while `run` runs, beyond those held before.
fn most_held(run: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    run();
    MEMORY.peak_usage().saturating_sub(before)
}
