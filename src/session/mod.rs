//! What a connection decides, without Python, without a socket and without `unsafe`.
//!
//! - [`Hold`]: why nothing is delivered now.
//! - [`Inbox`]: the messages that wait for `recv`, and its bounds.
//! - [`Backlog`]: the bytes that wait while nothing is delivered, and the pings among them.
//! - [`Outbox`]: the bounds of the queue, refusals, the frames whose writing must be reported, automatic
//!   pongs. [`CompressQueue`]: the frames that wait for a thread.
//! - [`End`]: how the incoming half ends, and what of it the owner was notified of; how the outgoing half
//!   ends.
//! - [`Counters`]: what was sent and received.
//! - [`TimeSlice`]: for how long a loop is kept at a stretch.
//!
//! [`Session`] puts them together: `inbound.rs` handles what is received, `program.rs` what the program asks
//! of the incoming half, and `outbound.rs` what is sent. The walk itself, from bytes to listeners, is in
//! [`delivery`]. Objects of the language that runs a session are passed on and never looked into: [`Objects`]
//! names their types, and [`Host`] makes and calls them.
#![forbid(unsafe_code)]

mod backlog;
mod compress_queue;
mod counters;
pub mod delivery;
mod end;
mod hold;
mod host;
mod inbound;
mod inbox;
mod outbound;
mod outbox;
mod program;
mod step;
#[cfg(test)]
mod tests;
mod time_slice;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backlog::Backlog;
use compress_queue::CompressQueue;
pub use compress_queue::{LONG, Turn, Waiting};
pub use counters::Counters;
use end::End;
pub use end::Ending;
use hold::Hold;
pub use host::{Form, Host, News, Objects, Soon};
use inbox::Inbox;
pub use outbound::BroadcastTo;
use outbox::Outbox;
use step::Step;
pub use time_slice::{EVENTS, TimeSlice, Verdict};

use crate::protocol::Role;
use crate::protocol::deflate::{DeflateParams, InflateParams};
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Receiver, ReceiverOptions};
use crate::protocol::sender::Sender;

/// The options of a session. They never change.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which side of the connection this is.
    pub role: Role,
    /// True if pings are answered automatically.
    pub auto_pong: bool,
    /// True if the messages of one read are delivered in one tick; otherwise each event has a tick of its
    /// own, as in ws.
    pub allow_synchronous_events: bool,
    /// True if text is not validated.
    pub skip_utf8_validation: bool,
    /// The most automatic pongs that may be queued at once; 0 means any number.
    pub max_pending_auto_pongs: usize,
    /// The most bytes that may be queued before a sender has to wait.
    pub high_water_mark: usize,
    /// True if a message is refused while the queue is above the high-water mark.
    pub refuse_above_mark: bool,
    /// The most bytes that are read while nothing is delivered, so that pings among them are answered.
    pub read_ahead: usize,
    /// The most messages that threads may compress or inflate at once.
    pub concurrency_limit: usize,
}

/// The limits on the peer's messages; 0 switches a limit off, as in ws.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes of a message, both as sent and as inflated.
    pub max_payload: u64,
    /// The most frames of a message.
    pub max_fragments: u32,
    /// The most separately held pieces of a message.
    pub max_buffered_chunks: u32,
}

/// The decisions of one connection.
pub struct Session<O: Objects> {
    receiver: Receiver<O::Buffer>,
    sender: Sender,
    settings: Settings,
    hold: Hold,
    end: End,
    /// True if bytes were received since this was last asked.
    active: bool,
    /// True if the transport's reading is off.
    reading_off: bool,
    wants_ping: bool,
    wants_pong: bool,
    form: Form,
    listener: Option<O::Listener>,
    inbox: Inbox<O::Message>,
    backlog: Backlog,
    /// A fault found in a direct read, of which the owner was not notified yet.
    fault: Option<ProtocolError>,
    outbox: Outbox<O::Callback>,
    /// Present only while a thread compresses; nothing overtakes it.
    compress_queue: Option<Box<CompressQueue<O>>>,
    /// Set to true to stop the thread that inflates.
    inflating: Option<Arc<AtomicBool>>,
    counters: Counters,
}

impl<O: Objects> Session<O> {
    /// Makes a session at the start of a connection; `deflate` holds the agreed parameters of
    /// permessage-deflate.
    #[must_use]
    pub fn new(
        settings: Settings,
        limits: Limits,
        deflate: Option<(InflateParams, DeflateParams)>,
    ) -> Self {
        let (inflate, deflate) = deflate.unzip();
        let mut receiver = Receiver::new(ReceiverOptions {
            role: settings.role,
            max_payload: limits.max_payload,
            max_fragments: limits.max_fragments,
            max_buffered_chunks: limits.max_buffered_chunks,
            skip_utf8_validation: settings.skip_utf8_validation,
            inflate,
        });
        receiver.set_mark(LONG);
        Self {
            receiver,
            sender: Sender::new(settings.role, deflate),
            settings,
            hold: Hold::default(),
            end: End::default(),
            active: false,
            reading_off: false,
            wants_ping: false,
            wants_pong: false,
            form: Form::Bytes,
            listener: None,
            inbox: Inbox::default(),
            backlog: Backlog::default(),
            fault: None,
            outbox: Outbox::default(),
            compress_queue: None,
            inflating: None,
            counters: Counters::default(),
        }
    }

    /// Returns the options.
    #[inline]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns true if this is the server, whose frames need no mask (RFC 6455 section 5.1).
    #[inline]
    pub fn is_server(&self) -> bool {
        self.settings.role == Role::Server
    }

    /// Returns the counters.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the counters, to be updated.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Signals the threads that work for this session that their results are no longer needed.
    fn stop_jobs(&self) {
        if let Some(queue) = &self.compress_queue {
            queue.cancel();
        }
        if let Some(cancelled) = &self.inflating {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Returns the offset in the session at which the marks of its outbox begin: it is read before each
    /// write.
    #[must_use]
    pub const fn marks_offset() -> usize {
        std::mem::offset_of!(Self, outbox) + Outbox::<O::Callback>::marks_offset()
    }

    /// Returns the objects that a garbage collector has to know: the listener, messages, callbacks.
    pub fn objects(
        &self,
    ) -> (Option<&O::Listener>, impl Iterator<Item = &O::Message>, impl Iterator<Item = &O::Callback>)
    {
        let waiting = self.compress_queue.iter().flat_map(|queue| queue.callbacks());
        (self.listener.as_ref(), self.inbox.messages(), self.outbox.callbacks().chain(waiting))
    }

    /// Gives up those objects: the caller drops them while nothing is borrowed.
    #[must_use]
    pub fn take_objects(&mut self) -> impl Sized + use<O> {
        self.outbox.open_gate();
        (
            self.listener.take(),
            std::mem::take(&mut self.inbox),
            std::mem::take(&mut self.outbox),
            self.compress_queue.take(),
        )
    }
}
