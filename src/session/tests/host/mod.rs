//! A connection without Python and without a socket: the loop, the program and the threads around a session. The
//! tests of `session` drive it, and so does the fuzz target, which has this folder by its path.
//!
//! It calls a session as the bindings do; `calls.rs` is what the session calls, `wire.rs` the outgoing half. Calls are noted in [`TestHost::log`]; ticks, threads and the
//! task that waits for a message run when the test says so.

mod calls;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::protocol::deflate::{Codec, DeflateParams, InflateParams};
use super::protocol::error::ProtocolError;
use super::protocol::receiver::Work;
use super::session::{Form, Host, Limits, Objects, Session, Settings, Soon, delivery};
pub use wire::{Sent, Wire};

/// Objects that are plain data.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain;

impl Objects for Plain {
    type Buffer = Vec<u8>;
    type Listener = u32;
    type Message = Message;
    type Bytes = Vec<u8>;
    type Error = &'static str;
    type Callback = u32;
    type Payload = Vec<u8>;
}

/// A message, in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub form: Form,
    /// One part, unless they are fragments.
    pub parts: Vec<Vec<u8>>,
}

impl Message {
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// What the session has called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A listener got a message; true: binary.
    Heard(u32, Message, bool),
    /// A task took a message of the inbox.
    Taken(Message, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    Fail(ProtocolError),
    End,
    Lost,
    /// The inbox was full, and no task had asked for messages. The program has no part in that.
    Stalled,
    /// An automatic pong was to be sent.
    Answered(Vec<u8>),
    /// A callback was called; true: its frame was written.
    Called(u32, bool),
    /// The transport's reading was switched on or off.
    Reading(bool),
    /// The transport was to be closed once all is written.
    Closing,
    /// A message could not be made.
    Reported(&'static str),
}

/// What runs at a call of the program.
type Program = Rc<dyn Fn(&TestHost, &Seen)>;

/// A connection for tests.
pub struct TestHost {
    session: RefCell<Session<Plain>>,
    codec: RefCell<Codec>,
    pub wire: RefCell<Wire>,
    program: RefCell<Option<Program>>,
    log: RefCell<Vec<Seen>>,
    ticks: RefCell<VecDeque<Soon>>,
    /// A task waits for a message.
    is_awaited: Cell<bool>,
    /// The task was woken, and has not come.
    is_woken: Cell<bool>,
    /// Threads inflate, and are done when the test says so; else it is done at once.
    pub has_threads: Cell<bool>,
    inflating: RefCell<Option<Box<Work<Vec<u8>>>>>,
    /// Messages that had come when the thread began.
    pub received_before: Cell<u64>,
    /// There is no memory for the next message.
    pub is_out_of_memory: Cell<bool>,
    /// There is none for a message of the next fragments.
    pub is_out_of_memory_to_join: Cell<bool>,
    /// Calls of the program that are under way.
    depth: Cell<usize>,
    /// The transport reads.
    pub is_reading: Cell<bool>,
}

/// A frame of a server; `first` are FIN, RSV and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The settings of most tests.
pub const SETTINGS: Settings = Settings {
    role: super::protocol::Role::Client,
    auto_pong: true,
    allow_synchronous_events: true,
    skip_utf8_validation: false,
    max_pending_auto_pongs: 0,
    high_water_mark: 64 * 1024,
    refuse_above_mark: false,
    read_ahead: 0,
    concurrency_limit: 10,
};

/// No limits but one of 1 MiB for a message.
pub const LIMITS: Limits =
    Limits { max_payload: 1024 * 1024, max_fragments: 0, max_buffered_chunks: 0 };

impl TestHost {
    /// A connection that has a transport, and is yet to be started.
    pub fn new(
        settings: Settings,
        limits: Limits,
        deflate: Option<(InflateParams, DeflateParams)>,
    ) -> Self {
        let mut session = Session::new(settings, limits, deflate);
        session.connect(0);
        Self {
            session: RefCell::new(session),
            codec: RefCell::default(),
            wire: RefCell::default(),
            program: RefCell::default(),
            log: RefCell::default(),
            ticks: RefCell::default(),
            is_awaited: Cell::new(false),
            is_woken: Cell::new(false),
            has_threads: Cell::new(false),
            inflating: RefCell::default(),
            received_before: Cell::new(0),
            is_out_of_memory: Cell::new(false),
            is_out_of_memory_to_join: Cell::new(false),
            depth: Cell::new(0),
            is_reading: Cell::new(true),
        }
    }

    /// One that is started, and tells its owner of pings and pongs.
    pub fn started(settings: Settings) -> Self {
        let host = Self::new(settings, LIMITS, None);
        host.with(|session| {
            session.set_wants_ping(true);
            session.set_wants_pong(true);
        });
        delivery::start(&host, b"");
        host
    }

    /// What runs whenever the program is called.
    pub fn set_program(&self, program: impl Fn(&Self, &Seen) + 'static) {
        *self.program.borrow_mut() = Some(Rc::new(program));
    }

    /// What was seen since the last call.
    pub fn log(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.borrow_mut())
    }

    fn note(&self, seen: Seen) {
        self.log.borrow_mut().push(seen);
    }

    /// Calls the program.
    fn call(&self, seen: Seen) {
        let program = self.program.borrow().clone();
        self.note(seen.clone());
        self.depth.set(self.depth.get() + 1);
        if let Some(program) = program {
            program(self, &seen);
        }
        self.depth.set(self.depth.get() - 1);
    }

    /// Calls of the program that are under way.
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    // The transport ------------------------------------------------------------------------------

    /// Bytes come.
    pub fn feed(&self, bytes: &[u8]) {
        delivery::feed(self, &mut bytes.to_vec());
    }

    /// Reads into the message itself where `at_least` bytes of its frame are missing, as far as there is room: how
    /// many of `bytes` were read. None where that is not possible now. [`TestHost::feed`] of nothing delivers it.
    pub fn read_directly(&self, bytes: &[u8], at_least: usize) -> Option<usize> {
        self.with(|session| {
            let receiver = session.direct_receiver()?;
            let outcome = match receiver.direct(at_least) {
                Ok(None) => return None,
                Ok(Some((buffer, most))) => {
                    let count = most.min(bytes.len());
                    buffer.extend_from_slice(&bytes[..count]);
                    receiver.direct_received(count).map(|()| count)
                }
                Err(fault) => Err(fault),
            };
            session.direct_received(outcome);
            Some(outcome.unwrap_or(bytes.len()))
        })
    }

    /// The peer's FIN comes.
    pub fn receive_eof(&self) {
        delivery::receive_eof(self);
    }

    /// The transport is gone.
    pub fn lose(&self) {
        self.tell_written();
        let unsent = self.with(|session| {
            self.wire.borrow_mut().close(session.counters_mut());
            session.lose()
        });
        delivery::deliver_inbox(self);
        delivery::deliver_backlog(self);
        for callback in unsent {
            self.call(Seen::Called(callback, false));
        }
        delivery::after_delivery(self);
    }

    /// The program ends the transport at once; its loss is still to come.
    pub fn abort(&self) {
        let loss_is_due = self.with(|session| {
            self.wire.borrow_mut().close(session.counters_mut());
            session.abort()
        });
        if loss_is_due {
            self.soon(Soon::GoOn);
        }
    }

    // The loop -----------------------------------------------------------------------------------

    /// What was asked for in the next tick.
    pub fn ticks(&self) -> Vec<Soon> {
        self.ticks.borrow().iter().copied().collect()
    }

    /// Runs the first of what was asked for in the next tick.
    pub fn run_soon(&self) -> Option<Soon> {
        let soon = self.ticks.borrow_mut().pop_front()?;
        match soon {
            Soon::NextTick => delivery::next_tick(self),
            Soon::GoOn => delivery::go_on(self),
        }
        Some(soon)
    }

    /// Runs one tick.
    pub fn tick(&self) {
        let asked_for = self.ticks.borrow().len();
        for _ in 0..asked_for {
            self.run_soon();
        }
        self.tell_written();
    }

    // The task that waits for messages -----------------------------------------------------------

    /// A task comes for the next message, and waits where there is none. Only one may.
    pub fn recv(&self) -> Option<Message> {
        self.is_woken.set(false);
        self.is_awaited.set(false);
        let (message, goes_on) = self.with(|session| session.take_message());
        if goes_on {
            self.soon(Soon::GoOn);
        }
        let Some((message, binary)) = message else {
            self.is_awaited.set(true);
            return None;
        };
        self.note(Seen::Taken(message.clone(), binary));
        Some(message)
    }

    /// Messages that have come.
    pub fn received(&self) -> u64 {
        self.with(|session| session.counters().totals(0)[3])
    }

    /// Messages in the inbox.
    pub fn waiting_messages(&self) -> usize {
        self.with(|session| session.objects().1.count())
    }

    /// Whether the task was woken.
    pub fn is_woken(&self) -> bool {
        self.is_woken.get()
    }

    /// The task that waits, or was woken, is cancelled.
    pub fn cancel_recv(&self) {
        self.is_woken.set(false);
        self.is_awaited.set(false);
        self.with(|session| session.owe(false));
    }

    // Threads ------------------------------------------------------------------------------------

    /// Whether a thread inflates.
    pub fn is_inflating(&self) -> bool {
        self.inflating.borrow().is_some()
    }

    /// The thread that inflates is done.
    pub fn end_inflating(&self) {
        let Some(mut work) = self.inflating.take() else { return };
        if self.with(|session| session.is_inflated_in_vain()) {
            return delivery::after_delivery(self);
        }
        run(&mut work);
        self.with_codec(|session, codec| session.end_inflating(work, codec));
        delivery::inflated(self);
    }
}

/// Does all the work.
fn run(work: &mut Work<Vec<u8>>) {
    let mut codec = Codec::default();
    while let Some(mut storage) = work.take_storage() {
        let done = work.run(&mut codec, usize::MAX, &mut storage);
        work.give_storage(storage);
        if done {
            break;
        }
    }
}
