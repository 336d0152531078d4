//! Sockets for one event loop: a poller, listeners and buffered non-blocking stream sockets.
//!
//! Nothing here knows WebSocket or Python. The caller *pulls*: it registers [`Engine::poller_fd`]
//! in its event loop, and when that descriptor becomes readable it does
//!
//! 1. [`Engine::poll`]: one wait without blocking, at most [`MAX_EVENTS`] events;
//! 2. [`Engine::next_ready`] until `None`, and for each what it says: [`Engine::accept`],
//!    [`Engine::read`], [`Engine::flush`];
//! 3. [`Engine::take_dirty`] as often as [`Engine::dirty_len`] said, flushing what was queued meanwhile.
//!
//! The engine never calls back, so no borrow of it is held while the caller's program runs, and
//! whatever that program does (close a socket within the batch, open others) is safe: a [`Token`]
//! carries a generation, and one of a closed socket names nothing.
//!
//! What one echo costs in system calls is one `recv` and one `send`. Interest in reading is
//! registered once and left alone: it is withdrawn only when an event has come that nobody wants
//! (a paused socket, one at its end), interest in writing only while the kernel's buffer is full.
//! Connections are watched edge-triggered, which saves the kernel a second look at each; what was
//! not read until drained is asked for again, so that the caller sees no difference.
//!
//! After `fork` the child shares the poller with its parent (epoll): there the engine must be
//! dropped, which only closes the child's copies of the descriptors, and nothing else be called.

mod accept;
mod events;
mod os;
mod out_queue;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "poller_epoll.rs"]
mod poller;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "poller_kqueue.rs"]
mod poller;
mod read;
mod slots;
mod sockets;
mod sys;
mod write;

pub use self::accept::Accepted;
pub use self::events::Ready;
pub use self::os::Os;
pub use self::out_queue::{FLUSH_AT, OutQueue};
pub use self::poller::Poller;
pub use self::read::Read;
pub use self::slots::Token;
pub use self::sockets::Engine;
pub use self::sys::{Address, Errno, Interest, MAX_EVENTS, RawEvent, Sys};
pub use self::write::Flush;

#[cfg(test)]
mod tests;
