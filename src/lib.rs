//! wsrs: masking and UTF-8 (`simd`), RFC 6455 and RFC 7692 (`protocol`), the decisions of a connection
//! (`session`), sockets (`engine`) and the Python module `wsrs._core` (`bindings`).
//!
//! Arrows point one way: bindings → session, engine → protocol → simd.

pub mod protocol;
pub mod session;
pub mod simd;

#[cfg(all(feature = "engine", unix))]
pub mod engine;

#[cfg(feature = "python")]
mod bindings;
