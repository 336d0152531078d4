//! The outgoing half: frames, refusals, senders that wait for room, compression in threads, the end.

use super::Session;
use super::compress_queue::{CompressQueue, Turn, Waiting};
use super::end::Ending;
use super::host::Objects;
use crate::protocol::deflate::{Codec, Deflater};
use crate::protocol::error::ProtocolError;
use crate::protocol::frame::{FrameHeader, append_frame};
use crate::protocol::sender::{DataFrame, SendOptions};

/// How a broadcast reaches a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastTo {
    /// By the frame that all connections share.
    Shared,
    /// By a frame of its own. A client's frame must have one: "the masking key needs to be unpredictable"
    /// (RFC 6455 section 5.3); and nothing overtakes what a thread compresses for this connection.
    Apart,
    /// Not at all. A fragmented message is under way: "the fragments of one message MUST NOT be interleaved
    /// between the fragments of another message" (RFC 6455 section 5.4).
    Busy,
    /// Not at all: the connection is gone, or its end was asked for.
    Gone,
}

impl<O: Objects> Session<O> {
    // Frames -------------------------------------------------------------------------------------

    /// Returns true if a frame may be queued now: no end was asked for, and no frame waits for a thread.
    #[inline]
    pub const fn takes_frames_now(&self) -> bool {
        self.outbox.takes_frames_now()
    }

    /// Returns true if a frame can still be sent after those that wait for a thread. If it is false for a
    /// frame that could not be queued, the end was asked for or the socket is gone, even if the connection is
    /// not notified of that yet.
    pub fn takes_frames_behind(&self) -> bool {
        self.outbox.is_behind() && self.end.is_open() && self.end.is_connected()
    }

    /// Returns true if there is a transport or a socket.
    #[inline]
    pub const fn is_connected(&self) -> bool {
        self.end.is_connected()
    }

    /// A message or fragment of `len` bytes is sent. Returns the fields of its header.
    #[inline]
    pub fn begin_message(&mut self, len: usize, options: &SendOptions) -> DataFrame {
        self.counters.send(len, options.fin);
        self.sender.begin(len, options)
    }

    /// Appends a compressed frame to `queue`.
    ///
    /// # Errors
    /// Fails if there is no memory for a compressor.
    #[inline(never)]
    pub fn append_compressed(
        &mut self,
        codec: &mut Codec,
        (frame, header): (&DataFrame, &FrameHeader),
        data: &[u8],
        queue: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        let mut scratch = codec.take_scratch();
        let outcome = self.sender.compress(codec, frame, data, &mut scratch);
        if outcome.is_ok() {
            let header = FrameHeader { length: scratch.len() as u64, ..*header };
            append_frame(queue, &header, &scratch);
        }
        codec.give_scratch(scratch);
        outcome
    }

    /// Notes what has to happen once the frame that ends at `at` is written out.
    #[inline]
    pub fn mark(&mut self, at: u64, callback: Option<O::Callback>, auto_pong: bool) {
        self.outbox.mark(at, callback, auto_pong);
    }

    /// A control frame was queued, or waits for a thread.
    pub fn count_control(&mut self, auto_pong: bool, ping: Option<&[u8]>) {
        if auto_pong {
            self.outbox.count_pong();
        }
        if let Some(data) = ping {
            self.counters.send_ping(data);
        }
    }

    // Broadcasts ---------------------------------------------------------------------------------

    /// Returns how a broadcast reaches this connection. It is counted if it skips the connection.
    pub fn broadcast_to(&mut self) -> BroadcastTo {
        if !self.end.is_connected() || !self.end.is_open() {
            return BroadcastTo::Gone;
        }
        if self.sender.is_in_message() {
            self.counters.skip();
            return BroadcastTo::Busy;
        }
        if !self.is_server() || self.outbox.is_behind() {
            return BroadcastTo::Apart;
        }
        BroadcastTo::Shared
    }

    /// Returns the compressor whose parameters decide how to compress a whole message of `len` bytes that
    /// other connections share, or None if it is sent uncompressed.
    pub fn shares(&self, len: usize) -> Option<&Deflater> {
        self.sender.shares(len)
    }

    /// The whole message `data` is sent in a frame that other connections share.
    #[inline]
    pub fn send_shared(&mut self, codec: &mut Codec, data: &[u8], compressed: bool) {
        self.counters.send(data.len(), true);
        if compressed {
            self.sender.skip(codec, data);
        }
    }

    // Bounds -------------------------------------------------------------------------------------

    /// Returns true if the next message or fragment may be refused above the high-water mark: a message that
    /// was begun is always completed.
    #[inline]
    pub fn may_refuse(&self) -> bool {
        self.settings.refuse_above_mark && !self.sender.is_in_message() && self.end.is_connected()
    }

    /// Returns true if the rest of a message is refused, because its beginning was.
    pub const fn is_refusing(&self) -> bool {
        self.outbox.is_refusing()
    }

    /// Returns true if a sender has to wait with `queued` bytes queued.
    #[inline]
    pub const fn is_above_mark(&self, queued: usize) -> bool {
        queued > self.settings.high_water_mark
    }

    /// Decides on a message or fragment; `full` says that the queue is above the mark even after all that can
    /// be written now is written. A refusal is counted once for each message.
    pub const fn refuse(&mut self, full: bool, fin: bool) {
        if full && !self.outbox.is_refusing() {
            self.counters.refuse();
        }
        self.outbox.refuse(full, fin);
    }

    /// Returns true if a sender that waits may go on with `left` bytes queued for the wire.
    pub fn has_room_after(&self, left: usize) -> bool {
        left + self.bytes_behind() <= self.settings.high_water_mark / 4
    }

    /// Returns the number of bytes of payload that wait for a thread.
    #[inline]
    fn bytes_behind(&self) -> usize {
        self.compress_queue.as_ref().map_or(0, |queue| queue.bytes())
    }

    /// Returns the same number, or 0 without a wire: those bytes only wait to be dropped.
    #[inline]
    pub fn bytes_waiting(&self) -> usize {
        if self.end.is_connected() { self.bytes_behind() } else { 0 }
    }

    // What is written ----------------------------------------------------------------------------

    /// Returns true if the writing of any frame has to be reported.
    #[inline]
    pub fn has_marks(&self) -> bool {
        self.outbox.has_marks()
    }

    /// Takes the next frame that ends at `total` or before, and returns its callback, if it has one.
    pub fn take_written(&mut self, total: u64) -> Option<Option<O::Callback>> {
        self.outbox.take_written(total)
    }

    /// A call by the program has written up to `total`; `room` says that senders that wait may go on. Returns
    /// true if a tick has to be scheduled to report it.
    pub fn write(&mut self, total: u64, room: bool) -> bool {
        let due = room || self.outbox.is_due(total);
        self.outbox.write(total, due)
    }

    /// Takes the position up to which that tick has to report writes, or None if they are already reported.
    pub fn take_told(&mut self) -> Option<u64> {
        self.outbox.take_told()
    }

    // Threads that compress ----------------------------------------------------------------------

    /// Returns true if frames wait for a thread.
    pub const fn is_behind(&self) -> bool {
        self.outbox.is_behind()
    }

    /// Takes the compressor for a payload of `len` bytes that a thread has to compress; frames sent from now
    /// on wait for it. Returns None if no compression was agreed.
    pub fn begin_compressing(
        &mut self,
        codec: &mut Codec,
        len: usize,
        callback: Option<O::Callback>,
    ) -> Option<(Deflater, &CompressQueue<O>)> {
        let deflater = self.sender.take_deflater(codec)?;
        match &mut self.compress_queue {
            Some(queue) => queue.begin(len, callback),
            None => {
                self.compress_queue = Some(Box::new(CompressQueue::new(len, callback)));
                self.outbox.set_behind(true);
            }
        }
        Some((deflater, self.compress_queue.as_deref()?))
    }

    /// The thread is done and gives the compressor back. Returns the callback of its frame, or None if all
    /// frames were given up.
    pub fn end_compressing(
        &mut self,
        codec: &mut Codec,
        deflater: Deflater,
    ) -> Option<Option<O::Callback>> {
        self.sender.give_deflater(deflater, codec);
        self.compress_queue.as_mut().map(|queue| queue.end())
    }

    /// Makes `frame` wait for the thread that compresses an earlier message.
    pub fn wait_behind(&mut self, frame: Waiting<O>) {
        if let Some(queue) = &mut self.compress_queue {
            queue.push(frame);
        }
    }

    /// Returns the frame whose turn it is now that the thread is done.
    pub fn next_behind(&mut self) -> Turn<O> {
        let turn = self.compress_queue.as_mut().map_or(Turn::Over, |queue| queue.next_turn());
        if matches!(turn, Turn::Over) {
            self.outbox.set_behind(false);
            // All its contents were moved out: dropping it runs no code.
            self.compress_queue = None;
        }
        turn
    }

    /// The socket is gone, and the loss is not reported yet: keeps the callback of a frame until then. The
    /// caller drops a returned callback while nothing is borrowed.
    #[must_use]
    pub fn keep_callback(&mut self, callback: Option<O::Callback>) -> Option<O::Callback> {
        match &mut self.compress_queue {
            Some(queue) => queue.keep(callback),
            None => callback,
        }
    }

    // The end ------------------------------------------------------------------------------------

    /// Stops queueing; once all is written, the transport ends as `how` says.
    pub fn end(&mut self, how: Ending) {
        if self.end.is_connected() {
            self.end.ask(how);
            self.outbox.close_gate();
        }
    }

    /// Returns true if the end was asked for.
    pub fn is_ending(&self) -> bool {
        !self.end.is_open()
    }

    /// Returns true if we have not ended the transport: if it ends now, it does so by itself.
    pub fn is_transport_open(&self) -> bool {
        self.end.is_undone()
    }

    /// Takes how to end the transport now, or None if it does not have to end or something has to be written
    /// first.
    pub fn take_ending(&mut self, all_written: bool) -> Option<Ending> {
        if !all_written || self.outbox.is_behind() { None } else { self.end.take_due() }
    }

    /// The transport is gone. Returns the callbacks of the frames that were not written, in order. They come
    /// with the payloads that waited for a thread, so they have to be taken one by one, or dropped, while
    /// nothing is borrowed.
    pub fn lose(&mut self) -> impl Iterator<Item = O::Callback> + use<O> {
        self.hold.lose();
        self.end.lose();
        self.outbox.set_behind(false);
        let waiting = self.compress_queue.take();
        self.outbox.lose().chain(waiting.into_iter().flat_map(|queue| queue.lose()))
    }
}
