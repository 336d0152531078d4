//! Why nothing is delivered now. All reasons are in one byte, since every message asks for them.
//!
//! | reason | set by | cleared by |
//! | --- | --- | --- |
//! | `NOT_STARTED` | the beginning | `start` |
//! | `PAUSED` | `pause` | `resume`; the loss of the transport |
//! | `STALLED` | a full inbox | the last message being taken; `discard` |
//! | `NEXT_TICK` | an event, without `allow_synchronous_events`; `resume`, with `read_ahead` | the next tick |
//! | `INFLATING` | a message that a thread inflates | its end |
//! | `NEXT_SLICE` | the end of the time slice, while more could be delivered | the next slice |
//! | `CONCLUDED` | a close frame, a fault, `abort` | nothing |

const NOT_STARTED: u8 = 1;
const PAUSED: u8 = 2;
const STALLED: u8 = 4;
const NEXT_TICK: u8 = 8;
const INFLATING: u8 = 16;
const CONCLUDED: u8 = 32;
const NEXT_SLICE: u8 = 128;
const REASONS: u8 = NOT_STARTED | PAUSED | STALLED | NEXT_TICK | INFLATING | CONCLUDED | NEXT_SLICE;
/// Not a hold, but kept in the same byte: something can be delivered without more bytes from the peer. A
/// thread has inflated it, or it was received by a direct read.
const READY: u8 = 64;

/// What follows a call of `resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: there was no pause.
    Nothing,
    /// Delivery goes on in the next tick.
    GoOn,
    /// Nothing may be delivered before the next tick, in which delivery goes on.
    NextTick,
}

/// Why nothing is delivered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    bits: u8,
    /// True if the program called `pause` and has not called `resume` since, even if the transport is gone.
    is_paused: bool,
    /// True while events are delivered: a nested call leaves the rest to the outer one.
    is_delivering: bool,
}

impl Default for Hold {
    fn default() -> Self {
        Self { bits: NOT_STARTED, is_paused: false, is_delivering: false }
    }
}

impl Hold {
    #[inline]
    const fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    #[inline]
    const fn set(&mut self, bits: u8, value: bool) {
        self.bits = if value { self.bits | bits } else { self.bits & !bits };
    }

    /// Returns true if the next event may be delivered.
    #[inline]
    pub const fn allows_delivery(&self) -> bool {
        !self.has(REASONS)
    }

    /// Returns true if there is no hold and nothing is ready.
    #[inline]
    pub const fn is_free(&self) -> bool {
        self.bits == 0
    }

    /// Allows delivery to begin, as `start` does.
    pub const fn start(&mut self) {
        self.set(NOT_STARTED, false);
    }

    /// Returns true if delivery was allowed to begin.
    #[inline]
    pub const fn is_started(&self) -> bool {
        !self.has(NOT_STARTED)
    }

    /// The program pauses. After the loss of the transport this is only recorded: received bytes are still
    /// delivered.
    pub const fn pause(&mut self, is_lost: bool) {
        self.is_paused = true;
        self.set(PAUSED, !is_lost);
    }

    /// The program resumes. Where bytes are read ahead, nothing that is received before the next tick may
    /// overtake the bytes that wait.
    pub const fn resume(&mut self, reads_ahead: bool) -> Resume {
        self.is_paused = false;
        if !self.has(PAUSED) {
            return Resume::Nothing;
        }
        self.set(PAUSED, false);
        if reads_ahead && !self.has(NEXT_TICK) {
            self.set(NEXT_TICK, true);
            return Resume::NextTick;
        }
        Resume::GoOn
    }

    /// Returns true if the program called `pause` and has not called `resume` since.
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// The transport is gone: what was received before is delivered even if the program has paused.
    pub const fn lose(&mut self) {
        self.set(PAUSED, false);
    }

    /// Sets whether the inbox is full.
    pub const fn stall(&mut self, is_full: bool) {
        self.set(STALLED, is_full);
    }

    /// Returns true if delivery is stalled because the inbox is full.
    #[inline]
    pub const fn is_stalled(&self) -> bool {
        self.has(STALLED)
    }

    /// Returns true if the program accepts nothing now.
    #[inline]
    pub const fn is_held(&self) -> bool {
        self.has(PAUSED | STALLED)
    }

    /// Returns true if a pause or the next tick keeps messages of the inbox from a listener.
    #[inline]
    pub const fn keeps_inbox(&self) -> bool {
        self.has(PAUSED | NEXT_TICK)
    }

    /// Returns true if the program has paused and the transport is not gone.
    pub const fn holds_paused(&self) -> bool {
        self.has(PAUSED)
    }

    /// Sets whether the next event waits for the next tick.
    #[inline]
    pub const fn wait_for_tick(&mut self, wait: bool) {
        self.set(NEXT_TICK, wait);
    }

    /// Returns true if the next event waits for the next tick.
    #[inline]
    pub const fn waits_for_tick(&self) -> bool {
        self.has(NEXT_TICK)
    }

    /// Sets whether the next event waits for the next time slice.
    pub const fn wait_for_slice(&mut self, wait: bool) {
        self.set(NEXT_SLICE, wait);
    }

    /// Returns true if the next event waits for the next time slice.
    #[inline]
    pub const fn waits_for_slice(&self) -> bool {
        self.has(NEXT_SLICE)
    }

    /// A thread begins to inflate.
    pub const fn begin_inflating(&mut self) {
        self.set(READY, false);
        self.set(INFLATING, true);
    }

    /// The thread is done, so there is something to deliver.
    pub const fn end_inflating(&mut self) {
        self.set(INFLATING, false);
        self.set(READY, true);
    }

    /// Notes that something can be delivered without more bytes.
    pub const fn keep_ready(&mut self) {
        self.set(READY, true);
    }

    /// Clears that note: what was ready is delivered now, or never will be.
    pub const fn forget_ready(&mut self) {
        self.set(READY | INFLATING, false);
    }

    /// Returns true if something can be delivered without more bytes.
    #[inline]
    pub const fn has_ready(&self) -> bool {
        self.has(READY)
    }

    /// Returns true if the next tick or slice, a thread or something that is ready will bring an event to
    /// deliver.
    #[inline]
    pub const fn awaits_delivery(&self) -> bool {
        self.has(NEXT_TICK | INFLATING | READY | NEXT_SLICE)
    }

    /// Returns true if the next event waits for `start`, for the next tick or for a thread.
    #[inline]
    pub const fn must_wait(&self) -> bool {
        self.has(NOT_STARTED | NEXT_TICK | INFLATING)
    }

    /// Concludes the connection: no more frames are delivered.
    pub const fn conclude(&mut self) {
        self.set(CONCLUDED, true);
    }

    /// Returns true if the connection is concluded.
    #[inline]
    pub const fn is_concluded(&self) -> bool {
        self.has(CONCLUDED)
    }

    /// Notes that a delivery begins or has ended.
    #[inline]
    pub const fn deliver(&mut self, begins: bool) {
        self.is_delivering = begins;
    }

    /// Returns true if a delivery is under way.
    #[inline]
    pub const fn is_delivering(&self) -> bool {
        self.is_delivering
    }
}
