//! The bounds of what is queued: when a sender waits or is refused, whom to tell of what is written, and how
//! many automatic pongs may be under way.

use std::collections::VecDeque;

/// The end was asked for.
const ENDS: u8 = 1;
/// A thread compresses a message that was sent before.
const BEHIND: u8 = 2;

/// A frame of whose writing somebody wants to hear.
#[derive(Debug)]
struct Mark<C> {
    /// The place in the outgoing stream where the frame ends.
    at: u64,
    callback: Option<C>,
    /// It is a pong of ours, which counts against `max_pending_auto_pongs`.
    auto_pong: bool,
}

/// What a connection knows of its queue, beside the bytes in it.
#[derive(Debug)]
pub struct Outbox<C> {
    marks: VecDeque<Mark<C>>,
    /// How far in the outgoing stream a call of the program's has written.
    written: u64,
    /// Automatic pongs that are not written out.
    pongs: usize,
    /// Why a frame is not queued at once, in one byte because every frame asks: `ENDS`, `BEHIND`.
    gate: u8,
    /// The next tick tells of `written`.
    telling: bool,
    /// The message was refused whose further fragments are to come.
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
    /// Whether a frame may be queued now: the end was not asked for, and none waits for a thread.
    #[inline]
    pub const fn takes_frames_now(&self) -> bool {
        self.gate == 0
    }

    /// Nothing is queued any more but what waits for a thread.
    pub const fn close_gate(&mut self) {
        self.gate |= ENDS;
    }

    /// Nothing waits for a thread any more, or frames do.
    pub const fn set_behind(&mut self, behind: bool) {
        self.gate = self.gate & !BEHIND | if behind { BEHIND } else { 0 };
    }

    /// Whether frames wait for a thread.
    #[inline]
    pub const fn is_behind(&self) -> bool {
        self.gate & BEHIND != 0
    }

    /// As made: what waited for a thread is given up.
    pub const fn open_gate(&mut self) {
        self.gate = 0;
    }

    /// Notes that the frame that ends at `at` has a callback, or is an automatic pong.
    #[inline]
    pub fn mark(&mut self, at: u64, callback: Option<C>, auto_pong: bool) {
        self.marks.push_back(Mark { at, callback, auto_pong });
    }

    /// Whether anybody must hear of what is written.
    #[inline]
    pub fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Whether a frame that ends at `total` or before is among them.
    pub fn is_due(&self, total: u64) -> bool {
        self.marks.front().is_some_and(|mark| mark.at <= total)
    }

    /// Takes the next frame that ends at `total` or before: its callback, if it has one.
    pub fn take_written(&mut self, total: u64) -> Option<Option<C>> {
        if !self.is_due(total) {
            return None;
        }
        let mark = self.marks.pop_front()?;
        self.pongs -= usize::from(mark.auto_pong);
        Some(mark.callback)
    }

    /// The transport is gone: the callbacks of what was not written.
    pub fn lose(&mut self) -> impl Iterator<Item = C> + use<C> {
        self.pongs = 0;
        std::mem::take(&mut self.marks).into_iter().filter_map(|mark| mark.callback)
    }

    /// Notes that a call of the program's has written up to `total`. Whether a tick has to be asked for, to
    /// tell of it: somebody is to be told (`due`), and none was asked for yet.
    pub const fn write(&mut self, total: u64, due: bool) -> bool {
        self.written = total;
        due && !std::mem::replace(&mut self.telling, true)
    }

    /// Up to where the tick tells what was written; None where it was told.
    pub fn take_told(&mut self) -> Option<u64> {
        std::mem::take(&mut self.telling).then_some(self.written)
    }

    /// An automatic pong was queued, or waits for a thread.
    pub const fn count_pong(&mut self) {
        self.pongs += 1;
    }

    /// Whether another automatic pong may be queued where `most` may be; 0: any number.
    #[inline]
    pub const fn has_room_for_pong(&self, most: usize) -> bool {
        most == 0 || self.pongs < most
    }

    /// Whether the rest of a message is refused, because its beginning was.
    pub const fn is_refusing(&self) -> bool {
        self.refusing
    }

    /// A message or fragment is refused, or not; `fin`: its message ends with it.
    pub const fn refuse(&mut self, refused: bool, fin: bool) {
        self.refusing = refused && !fin;
    }

    /// The callbacks that wait.
    pub fn callbacks(&self) -> impl Iterator<Item = &C> {
        self.marks.iter().filter_map(|mark| mark.callback.as_ref())
    }

    /// Where in the outbox its marks begin: read before each write.
    #[must_use]
    pub const fn marks_offset() -> usize {
        std::mem::offset_of!(Self, marks)
    }
}
