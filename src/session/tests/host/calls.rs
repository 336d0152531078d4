//! The calls that a session makes to the connection of a test.

use super::super::protocol::deflate::Codec;
use super::super::protocol::receiver::{Data, Work};
use super::super::session::{Ending, Form, Host, News, Session, Soon};
use super::{Message, Plain, Seen, TestHost, run};

impl Host for TestHost {
    type Objects = Plain;

    fn with<R>(&self, act: impl FnOnce(&mut Session<Plain>) -> R) -> R {
        act(&mut self.session.borrow_mut())
    }

    fn with_codec<R>(&self, act: impl FnOnce(&mut Session<Plain>, &mut Codec) -> R) -> R {
        act(&mut self.session.borrow_mut(), &mut self.codec.borrow_mut())
    }

    fn make_listener(&self, kept: &u32) -> u32 {
        *kept
    }

    fn make_bytes(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    fn make_message(&self, data: Data<'_, Vec<u8>>, form: Form) -> Result<Message, &'static str> {
        assert_ne!(form, Form::Fragments);
        let parts = self.make_pieces(data)?;
        Ok(Message { form, parts: vec![parts.concat()] })
    }

    fn make_pieces(&self, data: Data<'_, Vec<u8>>) -> Result<Vec<Vec<u8>>, &'static str> {
        if self.is_out_of_memory.take() {
            return Err("no memory");
        }
        Ok(match data {
            Data::Slice(slice) => vec![slice.to_vec()],
            Data::Buffer(buffer) => vec![buffer],
            Data::Fragments(parts) => parts,
        })
    }

    fn make_listener_form(&self, message: &Message) -> Message {
        let form = if message.form == Form::Text { Form::Bytes } else { message.form };
        Message { form, parts: message.parts.clone() }
    }

    fn join_pieces(&self, parts: Vec<Vec<u8>>) -> Result<Message, &'static str> {
        if self.is_out_of_memory_to_join.take() {
            return Err("no memory for the list");
        }
        Ok(Message { form: Form::Fragments, parts })
    }

    fn as_slice<'a>(&'a self, bytes: &'a Vec<u8>) -> &'a [u8] {
        bytes
    }

    fn call_listener(&self, listener: u32, message: Message, binary: bool) {
        self.call(Seen::Heard(listener, message, binary));
    }

    fn tell(&self, news: News<Plain>) {
        self.call(match news {
            News::Ping(data) => Seen::Ping(data),
            News::Pong(data) => Seen::Pong(data),
            News::Close(code, reason) => Seen::Close(code, reason),
            News::Fail(error) => Seen::Fail(error),
            News::Stalled => return self.note(Seen::Stalled),
            News::End => Seen::End,
            News::Lost => Seen::Lost,
        });
    }

    fn report(&self, error: &'static str) {
        self.note(Seen::Reported(error));
    }

    fn is_slice_over(&self) -> bool {
        self.is_slice_over.get()
    }

    fn wait_for_slice(&self) {
        self.waiting_for_slice.set(self.waiting_for_slice.get() + 1);
    }

    fn send_pong(&self, data: &[u8]) {
        self.note(Seen::Answered(data.to_vec()));
        self.send_auto_pong(data);
    }

    fn wake_receiver(&self) {
        if self.is_awaited.get() {
            self.is_awaited.set(false);
            self.is_woken.set(true);
            self.with(|session| session.owe(true));
        }
    }

    fn is_awaited(&self) -> bool {
        self.is_awaited.get()
    }

    fn soon(&self, what: Soon) {
        self.ticks.borrow_mut().push_back(what);
    }

    fn switch_reading(&self, off: bool) {
        assert_eq!(self.is_reading.replace(!off), off, "reading was switched to what it was");
        self.note(Seen::Reading(!off));
    }

    fn inflate(&self, mut work: Box<Work<Vec<u8>>>) -> bool {
        let _ = self.with(|session| session.begin_inflating());
        if self.has_threads.get() {
            self.received_before.set(self.received());
            *self.inflating.borrow_mut() = Some(work);
            return false;
        }
        run(&mut work);
        self.with_codec(|session, codec| session.end_inflating(work, codec));
        true
    }

    fn flush_answers(&self) {}

    fn close_wire(&self) {
        self.note(Seen::Closing);
        self.end(Ending::Whole);
    }
}
