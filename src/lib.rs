//! wsrs: RFC 6455 and RFC 7692 (`protocol`), masking and UTF-8 (`simd`), sockets (`engine`) and
//! the Python module `wsrs._core` (`bindings`).
//!
//! Arrows point one way: bindings → engine, protocol → simd.

pub mod protocol;
pub mod simd;

#[cfg(all(feature = "engine", unix))]
pub mod engine;

#[cfg(feature = "python")]
mod bindings;
