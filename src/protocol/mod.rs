//! RFC 6455 and RFC 7692, sans I/O: no socket, no Python, no clock. Bytes in, events out.
//!
//! Rules of this folder:
//! - nothing here waits, reads a clock or draws random numbers: masks and keys are arguments
//!   ([`random`], which makes them, is for the caller);
//! - a fault of the peer is an [`error::ProtocolError`], which owns its `WS_ERR_…` name and its close
//!   code; misuse by our own caller is another error;
//! - memory follows what has arrived, never what a header claims.

#![forbid(unsafe_code)]

pub mod buffer;
pub mod close;
pub mod deflate;
pub mod error;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod per_message_deflate;
pub mod random;
pub mod receiver;
pub mod sender;
pub mod subprotocol;
pub mod url;

pub use frame::Role;

#[cfg(test)]
mod tests;
