//! The way in: from bytes to listeners, and to tasks that wait for messages.

pub mod delivery;
pub mod inbox;
pub mod inflate;
