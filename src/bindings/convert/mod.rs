//! Conversions between Python's objects and bytes.

pub mod bytes_buffer;
pub mod integers;
pub mod owned_payload;
pub mod payload;
pub mod send_args;
pub mod text;
