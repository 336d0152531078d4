//! What `wsrs._core` offers beside `Connection`.

pub mod handshake;
pub mod messages;
pub mod per_message_deflate;
pub mod send_method;
pub mod url;
