//! Everything that `wsrs._core` offers besides `Connection`.

pub mod handshake;
pub mod messages;
pub mod per_message_deflate;
pub mod send_method;
pub mod url;
