//! The outgoing half of a test's connection: a queue that is written as far as the test says, and one thread that
//! compresses.

use std::collections::VecDeque;

use super::super::protocol::deflate::{Codec, Deflater};
use super::super::protocol::frame::{Opcode, append_frame};
use super::super::protocol::sender::{DataFrame, SendOptions};
use super::super::session::{Counters, Ending, Host, LONG, Turn, Waiting};
use super::{Seen, TestHost};

/// What became of a frame that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Queued,
    /// It waits for a thread.
    Behind,
    Refused,
    NotConnected,
}

/// The wire: what was queued for it, and how much of that is written.
#[derive(Default)]
pub struct Wire {
    is_closed: bool,
    /// The number of queued bytes at which the socket dies. The session is not notified of that yet.
    pub dies_at: Option<u64>,
    queue: Vec<u8>,
    written: u64,
    /// The ways in which it was ended, in order.
    pub endings: Vec<Ending>,
    /// The payloads that the thread has to compress.
    deflating: VecDeque<(Deflater, DataFrame, Vec<u8>)>,
}

impl Wire {
    pub fn close(&mut self, counters: &mut Counters) {
        if !self.is_closed {
            counters.end_wire(self.written);
        }
        self.is_closed = true;
    }

    /// Returns all bytes that were queued so far.
    pub fn bytes(&self) -> &[u8] {
        &self.queue
    }

    pub fn total(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Returns how many bytes were written.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Returns true if nothing can be queued any more.
    fn is_gone(&self) -> bool {
        self.is_closed || self.dies_at.is_some_and(|at| self.total() >= at)
    }

    fn left(&self) -> usize {
        self.queue.len() - self.written as usize
    }
}

impl TestHost {
    /// Sends a message or a fragment.
    pub fn send(&self, data: &[u8], options: SendOptions, callback: Option<u32>) -> Sent {
        if self.refuses(options.fin) {
            return Sent::Refused;
        }
        if self.may_queue() {
            let frame = self.with(|session| session.begin_message(data.len(), &options));
            if frame.compress && data.len() > LONG {
                self.compress_in_thread(frame, data.to_vec(), callback);
            } else {
                self.queue(&frame, data);
                if callback.is_some() {
                    let at = self.wire.borrow().total();
                    self.with(|session| session.mark(at, callback, false));
                }
            }
            return Sent::Queued;
        }
        if !self.with(|session| session.takes_frames_behind()) {
            return Sent::NotConnected;
        }
        self.with(|session| {
            let frame = session.begin_message(data.len(), &options);
            let payload = data.to_vec();
            session.wait_behind(Waiting { frame, mask: None, payload, callback, auto_pong: false });
        });
        Sent::Behind
    }

    fn refuses(&self, fin: bool) -> bool {
        if !self.with(|session| session.may_refuse()) {
            return false;
        }
        let left = self.wire.borrow().left();
        self.with(|session| {
            let queued = left + session.bytes_waiting();
            let full = session.is_refusing() || session.is_above_mark(queued);
            session.refuse(full, fin);
            full
        })
    }

    fn may_queue(&self) -> bool {
        self.with(|session| session.takes_frames_now()) && !self.wire.borrow().is_gone()
    }

    fn queue(&self, frame: &DataFrame, data: &[u8]) {
        let header = frame.header(data.len() as u64, None);
        let queue = &mut self.wire.borrow_mut().queue;
        if frame.compress {
            let outcome = self.with_codec(|session, codec| {
                session.append_compressed(codec, (frame, &header), data, queue)
            });
            assert_eq!(outcome, Ok(()));
        } else {
            append_frame(queue, &header, data);
        }
    }

    /// Sends a ping.
    pub fn ping(&self, data: &[u8]) -> Sent {
        self.send_control(Opcode::Ping, data, None, false)
    }

    pub(super) fn send_auto_pong(&self, data: &[u8]) {
        self.send_control(Opcode::Pong, data, None, true);
    }

    fn send_control(
        &self,
        opcode: Opcode,
        data: &[u8],
        callback: Option<u32>,
        auto_pong: bool,
    ) -> Sent {
        let frame = DataFrame { fin: true, rsv1: false, opcode, compress: false };
        let ping = (opcode == Opcode::Ping).then_some(data);
        if self.may_queue() {
            self.queue(&frame, data);
            let at = self.wire.borrow().total();
            self.with(|session| {
                session.count_control(auto_pong, ping);
                if callback.is_some() || auto_pong {
                    session.mark(at, callback, auto_pong);
                }
            });
            return Sent::Queued;
        }
        if !self.with(|session| session.takes_frames_behind()) {
            return Sent::NotConnected;
        }
        self.with(|session| {
            session.count_control(auto_pong, ping);
            let payload = data.to_vec();
            session.wait_behind(Waiting { frame, mask: None, payload, callback, auto_pong });
        });
        Sent::Behind
    }

    /// The transport writes up to `count` of the queued bytes; the callbacks of frames that are now written are called.
    pub fn write(&self, count: usize) {
        let total = self.write_quietly(count);
        self.call_back(total);
        self.end_if_written();
    }

    /// Writes within a call by the program: the next tick reports it. Returns true if that tick has to be scheduled.
    pub fn write_within_call(&self, count: usize) -> bool {
        let total = self.write_quietly(count);
        self.with(|session| session.write(total, false))
    }

    fn write_quietly(&self, count: usize) -> u64 {
        let mut wire = self.wire.borrow_mut();
        if !wire.is_gone() {
            wire.written += count.min(wire.left()) as u64;
        }
        wire.written()
    }

    /// Reports what was written by [`TestHost::write_within_call`].
    pub fn tell_written(&self) {
        if let Some(total) = self.with(|session| session.take_told()) {
            self.call_back(total);
        }
    }

    fn call_back(&self, total: u64) {
        while let Some(callback) = self.with(|session| session.take_written(total)) {
            if let Some(callback) = callback {
                self.call(Seen::Called(callback, true));
            }
        }
    }

    /// Stops queueing; once all is written, the transport ends as `how` says.
    pub fn end(&self, how: Ending) {
        self.with(|session| session.end(how));
        self.end_if_written();
    }

    fn end_if_written(&self) {
        let all_written = self.wire.borrow().left() == 0;
        if let Some(how) = self.with(|session| session.take_ending(all_written)) {
            self.wire.borrow_mut().endings.push(how);
        }
    }

    // The thread ---------------------------------------------------------------------------------

    fn compress_in_thread(&self, frame: DataFrame, data: Vec<u8>, callback: Option<u32>) {
        let deflater = self.with_codec(|session, codec| {
            let (deflater, _) = session.begin_compressing(codec, data.len(), callback)?;
            Some(deflater)
        });
        let deflater = deflater.expect("a frame is compressed only where that was agreed");
        self.wire.borrow_mut().deflating.push_back((deflater, frame, data));
    }

    /// Returns true while the thread has something to do.
    pub fn is_compressing(&self) -> bool {
        !self.wire.borrow().deflating.is_empty()
    }

    /// The thread is done with a payload.
    pub fn end_compressing(&self) {
        let next = self.wire.borrow_mut().deflating.pop_front();
        let Some((mut deflater, frame, data)) = next else { return };
        assert!(!self.is_compressing(), "one thread works for a connection at a time");
        let mut made = Vec::new();
        let outcome = deflater.deflate(&mut Codec::default(), &data, frame.fin, &mut made);
        assert_eq!(outcome, Ok(()));
        if self.wire.borrow().is_gone() {
            return;
        }
        let ended = self.with_codec(|session, codec| session.end_compressing(codec, deflater));
        let Some(callback) = ended else { return };
        let at = {
            let queue = &mut self.wire.borrow_mut().queue;
            append_frame(queue, &frame.header(made.len() as u64, None), &made);
            queue.len() as u64
        };
        if callback.is_some() {
            self.with(|session| session.mark(at, callback, false));
        }
        self.send_waiting();
        self.end_if_written();
    }

    fn send_waiting(&self) {
        loop {
            match self.with(|session| session.next_behind()) {
                Turn::Over => return,
                Turn::Thread(waiting) => {
                    return self.compress_in_thread(
                        waiting.frame,
                        waiting.payload,
                        waiting.callback,
                    );
                }
                Turn::Now(waiting) => {
                    let Waiting { frame, payload, callback, auto_pong, .. } = waiting;
                    if self.wire.borrow().is_gone() {
                        assert_eq!(self.with(|session| session.keep_callback(callback)), None);
                        return;
                    }
                    self.queue(&frame, &payload);
                    if callback.is_some() || auto_pong {
                        let at = self.wire.borrow().total();
                        self.with(|session| session.mark(at, callback, auto_pong));
                    }
                }
            }
        }
    }
}
