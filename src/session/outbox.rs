//! The bounds of the queue: when a sender waits or is refused, whose frames have been written, and how many
//! automatic pongs may be queued.

use std::collections::VecDeque;

/// The end was asked for.
const ENDS: u8 = 1;
/// A thread compresses a message that was sent before.
const BEHIND: u8 = 2;

/// A frame whose writing must be reported.
#[derive(Debug)]
struct Mark<C> {
    /// The position in the outgoing stream at which the frame ends.
    at: u64,
    callback: Option<C>,
    /// True if it is an automatic pong, which counts against `max_pending_auto_pongs`.
    auto_pong: bool,
}

/// What a connection knows of its queue, apart from the bytes in it.
#[derive(Debug)]
pub struct Outbox<C> {
    marks: VecDeque<Mark<C>>,
    /// The position in the outgoing stream up to which a call by the program has written.
    written: u64,
    /// The number of automatic pongs that are not written out.
    pongs: usize,
    /// Why a frame is not queued at once, in one byte because every frame asks: `ENDS`, `BEHIND`.
    gate: u8,
    /// True if the next tick has to report `written`.
    telling: bool,
    /// True if the current message was refused and further fragments of it will come.
    refusing: bool,
}

impl<C> Default for Outbox<C> {
    fn default() -> Self {
        Self {
            marks: VecDeque::new(),
            written: 0,
            pongs: 0,
            gate: 0,
            telling: false,
            refusing: false,
        }
    }
}

impl<C> Outbox<C> {
    /// Returns true if a frame may be queued now: no end was asked for, and no frame waits for a thread.
    #[inline]
    pub const fn takes_frames_now(&self) -> bool {
        self.gate == 0
    }

    /// Stops queueing, except for frames that wait for a thread.
    pub const fn close_gate(&mut self) {
        self.gate |= ENDS;
    }

    /// Sets whether frames wait for a thread.
    pub const fn set_behind(&mut self, behind: bool) {
        self.gate = self.gate & !BEHIND | if behind { BEHIND } else { 0 };
    }

    /// Returns true if frames wait for a thread.
    #[inline]
    pub const fn is_behind(&self) -> bool {
        self.gate & BEHIND != 0
    }

    /// Clears that state, as at first: the frames that waited for a thread are given up.
    pub const fn open_gate(&mut self) {
        self.gate = 0;
    }

    /// Notes that the frame that ends at `at` has a callback, or is an automatic pong.
    #[inline]
    pub fn mark(&mut self, at: u64, callback: Option<C>, auto_pong: bool) {
        self.marks.push_back(Mark { at, callback, auto_pong });
    }

    /// Returns true if the writing of any frame must be reported.
    #[inline]
    pub fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Returns true if one of those frames ends at `total` or before.
    pub fn is_due(&self, total: u64) -> bool {
        self.marks.front().is_some_and(|mark| mark.at <= total)
    }

    /// Takes the next frame that ends at `total` or before, and returns its callback, if it has one.
    pub fn take_written(&mut self, total: u64) -> Option<Option<C>> {
        if !self.is_due(total) {
            return None;
        }
        let mark = self.marks.pop_front()?;
        self.pongs -= usize::from(mark.auto_pong);
        Some(mark.callback)
    }

    /// The transport is gone. Returns the callbacks of the frames that were not written.
    pub fn lose(&mut self) -> impl Iterator<Item = C> + use<C> {
        self.pongs = 0;
        std::mem::take(&mut self.marks).into_iter().filter_map(|mark| mark.callback)
    }

    /// Notes that a call by the program has written up to `total`. Returns true if a tick has to be scheduled
    /// to report it: a report is `due`, and no tick was scheduled yet.
    pub const fn write(&mut self, total: u64, due: bool) -> bool {
        self.written = total;
        due && !std::mem::replace(&mut self.telling, true)
    }

    /// Takes the position up to which the tick has to report writes, or None if they are already reported.
    pub fn take_told(&mut self) -> Option<u64> {
        std::mem::take(&mut self.telling).then_some(self.written)
    }

    /// An automatic pong was queued, or waits for a thread.
    pub const fn count_pong(&mut self) {
        self.pongs += 1;
    }

    /// Returns true if another automatic pong may be queued when at most `most` may be; 0 means any number.
    #[inline]
    pub const fn has_room_for_pong(&self, most: usize) -> bool {
        most == 0 || self.pongs < most
    }

    /// Returns true if the rest of a message is refused, because its beginning was.
    pub const fn is_refusing(&self) -> bool {
        self.refusing
    }

    /// Notes whether a message or fragment is refused; `fin` says that its message ends with it.
    pub const fn refuse(&mut self, refused: bool, fin: bool) {
        self.refusing = refused && !fin;
    }

    /// Returns the callbacks that wait.
    pub fn callbacks(&self) -> impl Iterator<Item = &C> {
        self.marks.iter().filter_map(|mark| mark.callback.as_ref())
    }

    /// Returns the offset in the outbox at which its marks begin: it is read before each write.
    #[must_use]
    pub const fn marks_offset() -> usize {
        std::mem::offset_of!(Self, marks)
    }
}
