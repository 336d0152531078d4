//! The long part of inflating a message: it can be done elsewhere, by another thread, while the receiver
//! waits for it.
//!
//! How long a compressed message is shows only when it is inflated. So a receiver with a mark
//! ([`Receiver::set_mark`]) inflates each piece that comes up to it, and leaves the rest as [`Work`]. It
//! gives no event until it has that back, done: what comes after it cannot overtake it.

use super::message::{Message, within};
use super::spill::Spill;
use super::{Expect, Ready, Receiver};
use crate::protocol::buffer::{MessageBuffer, OutOfMemory};
use crate::protocol::deflate::{Codec, Inflater};
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::FrameHeader;
use crate::simd::utf8::Utf8;

/// Bytes of output that a call may give beyond the mark it is given.
const BEYOND: usize = 64 * 1024;
/// Room that work begins with, in bytes; what is not touched costs address space only.
const FIRST_ROOM: usize = 1024 * 1024;

/// What is left to inflate of a piece of a message, and all that it takes.
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
    /// Whether there is nothing left to do: the receiver is to have it back.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    /// Makes room for as much as there is already, 1 MiB at least, and takes the storage out, for
    /// [`Work::run`]; `None` where there is no memory: then the work is done.
    pub fn take_storage(&mut self) -> Option<B> {
        let mut storage = self.storage.take()?;
        let len = storage.len();
        let allowed =
            self.limit.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        // One step past what is allowed shows that it is too long.
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

    /// Fills `out`, the storage or a view of it, as far as it has room, without growing it; at most
    /// `most` bytes, and 64 KiB. False: there is more to do, with as much room, or with more.
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

    /// Ends it: what it was to do failed for a reason of the machine's.
    pub fn fail(&mut self) {
        self.outcome = Some(Err(ProtocolError::OutOfMemory));
    }
}

impl<B: MessageBuffer> Receiver<B> {
    /// The work to do before there can be a further event; once.
    pub fn take_work(&mut self, codec: &mut Codec) -> Option<Box<Work<B>>> {
        let mut work = self.work.take_if(|work| !work.is_done())?;
        work.inflater.detach(codec);
        Some(work)
    }

    /// Takes back work that is done; [`Receiver::next`] gives what comes of it.
    pub fn give_work(&mut self, mut work: Box<Work<B>>, codec: &mut Codec) {
        if self.expect == Expect::Work {
            work.inflater.attach(codec);
            self.work = Some(work);
        }
    }

    /// Whether there is work, here or elsewhere, that is not done.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.expect == Expect::Work && self.work.as_ref().is_none_or(|work| !work.is_done())
    }

    /// Whether [`Receiver::next`] has something to give, or to say, without more bytes: what comes of work
    /// that is done, or of a frame that was received directly to its end.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        match self.expect {
            Expect::Work => !self.is_working(),
            Expect::Payload => self.message.as_ref().is_some_and(|message| message.missing() == 0),
            _ => false,
        }
    }

    /// Leaves `rest`, of a piece of the message that is under way, as work.
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

    /// The same of a message that came whole, and is in `out` as far as it was inflated.
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

    /// Goes on where work that is done has left off.
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
