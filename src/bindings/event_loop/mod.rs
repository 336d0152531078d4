//! Everything that the connections of one event loop share.

pub mod home;
pub mod owner;
#[cfg(unix)]
pub mod prefetch;
pub mod reactor;
pub mod shared;
pub mod slices;
#[cfg(unix)]
pub mod sockets;
pub mod table;
#[cfg(unix)]
pub mod transport;
