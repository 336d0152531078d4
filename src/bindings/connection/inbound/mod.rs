//! From bytes to listeners.

pub mod delivery;
#[cfg(unix)]
pub mod direct_read;
pub mod hold;
pub mod inbox;
pub mod inflate;
pub mod step;
