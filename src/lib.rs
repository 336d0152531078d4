//! The crate of wsrs: masking and UTF-8 validation (`simd`), RFC 6455 and RFC 7692 (`protocol`), the
//! decisions of a connection (`session`), sockets (`engine`) and the Python module `wsrs._core` (`bindings`).
//!
//! Dependencies point one way: `bindings` uses `session` and `engine`, `session` uses `protocol`, and
//! `protocol` uses `simd`.

pub mod protocol;
pub mod session;
pub mod simd;

#[cfg(all(feature = "engine", unix))]
pub mod engine;

#[cfg(feature = "python")]
mod bindings;
