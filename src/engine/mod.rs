//! Sockets for one event loop: a poller, listeners and buffered non-blocking stream sockets.
//!
//! Nothing here knows about WebSocket or Python. The caller *pulls*: it registers [`Engine::poller_fd`] in its event
//! loop, and when that descriptor becomes readable it calls
//!
//! 1. [`Engine::poll`], which asks for at most [`MAX_EVENTS`] events without blocking;
//! 2. [`Engine::next_ready`] until it returns `None`, and for each event what it names: [`Engine::accept`],
//!    [`Engine::read`] or [`Engine::flush`]. A caller that has no time for all of them leaves the rest for later
//!    ([`Engine::postpone_rest`]) and takes them up with [`Engine::next_late`], in the order of their arrival;
//! 3. [`Engine::take_dirty`] as often as [`Engine::dirty_len`] said, to flush what was queued meanwhile.
//!
//! The engine never calls back, so no borrow of it is held while the caller's program runs. Whatever that program does
//! (close a socket within the batch, open others) is safe: a [`Token`] has a generation, and the token of a closed
//! socket names nothing.
//!
//! One echo costs two system calls: a `recv` and a `send`. Interest in reading is registered once and left alone. It is
//! withdrawn only after an event for a socket that is paused or at its end. Interest in writing is registered only
//! while the kernel's buffer is full. Connections are watched edge-triggered, which saves the kernel from examining
//! each one again. The engine asks again for a socket that was not drained, so the caller sees no difference.
//!
//! After a `fork`, the child shares the poller with its parent (epoll). The child must drop the engine, which only
//! closes its own copies of the descriptors, and must call nothing else.

mod accept;
mod events;
mod late;
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
