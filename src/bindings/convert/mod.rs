//! From Python's objects to bytes, and back.

pub mod bytes_buffer;
pub mod owned_payload;
pub mod payload;
pub mod send_args;
pub mod text;
