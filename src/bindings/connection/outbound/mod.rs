//! The way out: from `send` to the wire.

pub mod broadcast;
pub mod compress_queue;
pub mod control;
pub mod flush;
pub mod frame_sink;
pub mod send;
