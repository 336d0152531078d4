//! Microbenches of the Rust core, without Python and without sockets: `make microbench`.
//!
//! Each group has a `memcpy` of the same bytes beside it, which shows what the machine can do at that moment.
//! The mask is zero where the bytes must be the same after a run: masking with it is the same work.

mod deflate;
mod frames;
mod payload;
mod simd;

fn main() -> std::process::ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("micro: this is a debug build: run it with `cargo run --release`");
        return std::process::ExitCode::FAILURE;
    }
    divan::main();
    std::process::ExitCode::SUCCESS
}
