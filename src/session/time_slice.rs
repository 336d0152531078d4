//! For how long a loop is kept at a stretch, before its other users run.
//!
//! A slice is bounded if it is known what ends it: the end of a batch, or a call that the loop makes in its next
//! iteration. The clock is read only after [`EVENTS`] events, so that a slice without much to do never reads it.

use std::time::{Duration, Instant};

use super::Session;
use super::host::Objects;

/// The number of events between two looks at the clock.
pub const EVENTS: u32 = 16;
/// The number of bytes that count as another event: one or two short messages.
const BYTES: usize = 128;

/// What a look at the clock has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is time left.
    GoOn,
    /// The time may be over, but the slice is not bounded. The caller arranges for its end, and another slice begins.
    Unbounded,
    /// The time of the slice, or of the share, is over.
    Over,
}

/// Which part of a slice its present work may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// The first half: the other is for what waits.
    Half,
    /// What is left until then.
    Until(Instant),
}

/// The slice of time that a loop's connections share.
#[derive(Debug)]
pub struct TimeSlice {
    /// When the clock was first read.
    began: Option<Instant>,
    part: Part,
    events: u32,
    /// The slice, or the present share of it, was found to be over.
    is_over: bool,
}

impl Default for TimeSlice {
    fn default() -> Self {
        Self { began: None, part: Part::Whole, events: EVENTS, is_over: false }
    }
}

impl TimeSlice {
    /// Begins a new slice. If others wait, the work that comes first gets one half of it.
    #[inline]
    pub const fn begin(&mut self, others_wait: bool) {
        self.began = None;
        self.part = if others_wait { Part::Half } else { Part::Whole };
        self.events = EVENTS;
        self.is_over = false;
    }

    /// Begins a share of a quarter of `length`, or of all that is left if no others wait.
    pub fn begin_share(&mut self, now: Instant, length: Duration, others_wait: bool) {
        self.part = if others_wait { Part::Until(now + length / 4) } else { Part::Whole };
        self.events = EVENTS; // or one connection might always be the one at whose first event the clock is read
        self.is_over = false;
    }

    /// Counts the delivery of a read, or of a message that a task takes (0 bytes). Returns true if the clock has to be
    /// read: after [`EVENTS`] of them, or earlier if they are long enough to hold many messages.
    #[inline]
    pub const fn count(&mut self, bytes: usize) -> bool {
        // The share of an event may be any number, because it is less than a read.
        let weight = 1 + (bytes / BYTES) as u32;
        if weight >= self.events {
            self.events = EVENTS;
            return true;
        }
        self.events -= weight;
        self.is_over
    }

    /// Decides whether there is time left at `now`, in a slice of `length`.
    pub fn check(&mut self, now: Instant, length: Duration, is_bounded: bool) -> Verdict {
        if self.is_over {
            return Verdict::Over;
        }
        let began = *self.began.get_or_insert(now);
        let end = began + length;
        let until = match self.part {
            Part::Whole => end,
            Part::Half => began + length / 2,
            Part::Until(share) => share.min(end),
        };
        if now < until {
            return Verdict::GoOn;
        }
        if !is_bounded {
            self.began = Some(now);
            return Verdict::Unbounded;
        }
        self.is_over = true;
        Verdict::Over
    }
}

impl<O: Objects> Session<O> {
    /// The time slice is over: nothing is delivered before the next one. Returns true if the connection has
    /// to be put into the list of those that wait for it.
    #[cold]
    pub fn wait_for_slice(&mut self) -> bool {
        let is_first = !self.hold.waits_for_slice();
        self.hold.wait_for_slice(true);
        is_first
    }

    /// The next slice has come. Returns true if messages wait for a task.
    pub(super) fn end_wait_for_slice(&mut self) -> bool {
        self.hold.wait_for_slice(false);
        !self.inbox.is_empty()
    }
}
