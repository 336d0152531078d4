//! The long part of inflating a message, which another thread can do while the receiver waits for it.
//!
//! The length of a compressed message shows only as it is inflated. So a receiver with a mark
//! ([`Receiver::set_mark`]) inflates each piece up to the mark and leaves the rest as [`Work`]. It returns no event
//! until it has the finished work back, so that nothing can overtake the message.

use super::message::{Message, within};
use super::spill::Spill;
use super::{Expect, Ready, Receiver};
use crate::protocol::buffer::{MessageBuffer, OutOfMemory};
use crate::protocol::deflate::{Codec, Inflater};
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::FrameHeader;
use crate::simd::utf8::Utf8;

/// Bytes of output that a call may make beyond its mark.
const BEYOND: usize = 64 * 1024;
/// Room with which work begins, in bytes. Untouched memory costs address space only.
const FIRST_ROOM: usize = 1024 * 1024;

/// The rest of a piece of a message that is to be inflated, with everything that this needs.
pub struct Work<B> {
    inflater: Inflater,
    rest: Vec<u8>,
    read: usize,
    /// The message ends with this piece.
    last: bool,
    limit: Option<u64>,
    utf8: Option<Utf8>,
    storage: Option<B>,
    outcome: Option<Result<(), ProtocolError>>,
}

impl<B: MessageBuffer> Work<B> {
    /// Whether the work is done, so that the receiver must get it back.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    /// Doubles the room of the storage, or adds 1 MiB if that is more, and takes the storage out for [`Work::run`]. If
    /// there is no memory, the work is done and the result is `None`.
    pub fn take_storage(&mut self) -> Option<B> {
        let mut storage = self.storage.take()?;
        let len = storage.len();
        let allowed =
            self.limit.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        // One step beyond the limit shows that the message is too long.
        let most = allowed.saturating_sub(len).saturating_add(2 * BEYOND);
        if storage.reserve_exact(len.max(FIRST_ROOM).min(most)).is_err() {
            self.outcome = Some(Err(ProtocolError::OutOfMemory));
            return None;
        }
        Some(storage)
    }

    /// Gives the storage back.
    pub fn give_storage(&mut self, storage: B) {
        self.storage = Some(storage);
    }

    /// Fills `out`, which is the storage or a view of it, as far as it has room, without growing it, and stops at most
    /// 64 KiB after `most` bytes. Returns whether the work is done; otherwise `run` must be called again, possibly
    /// with more room.
    pub fn run<O: MessageBuffer>(&mut self, codec: &mut Codec, most: usize, out: &mut O) -> bool {
        let before = out.len();
        let room = out.capacity().saturating_sub(BEYOND);
        if before >= room {
            return false;
        }
        let mut rest = self.rest.get(self.read..).unwrap_or_default();
        let left = rest.len();
        let mark = before.saturating_add(most).min(room);
        let mut inflated =
            self.inflater.inflate_some(codec, &mut rest, self.last, self.limit, mark, out);
        self.read += left - rest.len();
        let fresh = out.as_slice().get(before..).unwrap_or_default();
        if let Some(utf8) = &mut self.utf8
            && utf8.feed(within(fresh, before, self.limit)).is_err()
        {
            inflated = Err(ProtocolError::InvalidUtf8);
        }
        match inflated {
            Ok(false) => {}
            Ok(true) => self.outcome = Some(Ok(())),
            Err(error) => self.outcome = Some(Err(error)),
        }
        self.is_done()
    }

    /// Ends the work as out of memory, because the machine could not do it.
    pub fn fail(&mut self) {
        self.outcome = Some(Err(ProtocolError::OutOfMemory));
    }
}

impl<B: MessageBuffer> Receiver<B> {
    /// Takes the work that must be done before there can be another event. It can be taken once.
    pub fn take_work(&mut self, codec: &mut Codec) -> Option<Box<Work<B>>> {
        let mut work = self.work.take_if(|work| !work.is_done())?;
        work.inflater.detach(codec);
        Some(work)
    }

    /// Takes back finished work. [`Receiver::next`] then returns its result.
    pub fn give_work(&mut self, mut work: Box<Work<B>>, codec: &mut Codec) {
        if self.expect == Expect::Work {
            work.inflater.attach(codec);
            self.work = Some(work);
        }
    }

    /// Whether there is unfinished work, here or in another thread.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.expect == Expect::Work && self.work.as_ref().is_none_or(|work| !work.is_done())
    }

    /// Whether [`Receiver::next`] has a result even without more bytes: that of finished work, or of a frame that was
    /// received directly to its end.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        match self.expect {
            Expect::Work => !self.is_working(),
            Expect::Payload => self.message.as_ref().is_some_and(|message| message.missing() == 0),
            _ => false,
        }
    }

    /// Leaves `rest`, the end of a piece of the current message, as work.
    #[cold]
    pub(super) fn leave(&mut self, rest: Vec<u8>) {
        self.expect = Expect::Work;
        let (Some(inflater), Some(message)) = (self.inflater.take(), &mut self.message) else {
            return;
        };
        let (storage, utf8, limit, last) = message.work(&self.limits);
        let (read, outcome) = (0, None);
        let work = Work { inflater, rest, read, last, limit, utf8, storage, outcome };
        self.work = Some(Box::new(work));
    }

    /// Does the same for a message that arrived whole, of which `out` has what was inflated so far.
    #[cold]
    pub(super) fn leave_whole(
        &mut self,
        header: &FrameHeader,
        rest: &[u8],
        out: Spill<B>,
        codec: &mut Codec,
    ) -> Result<(), ProtocolError> {
        let (scratch, storage) =
            out.into_buffer().map_err(|OutOfMemory| ProtocolError::OutOfMemory)?;
        codec.give_scratch(scratch);
        let mut message = Message::new(header, self.fragments, self.skip_utf8_validation);
        message.inflated_to(header, storage)?;
        self.message = Some(Box::new(message));
        self.leave(rest.to_vec());
        Ok(())
    }

    /// Continues where finished work has left off.
    #[cold]
    pub(super) fn worked(&mut self) -> Result<Option<Ready<B>>, ProtocolError> {
        let (Some(work), Some(message)) = (self.work.take(), &mut self.message) else {
            return Ok(None);
        };
        let work = *work;
        self.inflater = Some(work.inflater);
        if let Some(storage) = work.storage {
            message.worked(storage, work.utf8);
        }
        work.outcome.unwrap_or(Ok(()))?;
        self.end_of_piece()
    }
}
