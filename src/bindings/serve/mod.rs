//! What one wake-up of the loop does: accept, read, deliver, write.

pub mod poll;
pub mod read;
pub mod read_group;
pub mod write;
