//! From bytes to listeners and to tasks that wait for messages.

pub mod delivery;
#[cfg(unix)]
pub mod direct_read;
pub mod inbox;
pub mod inflate;
