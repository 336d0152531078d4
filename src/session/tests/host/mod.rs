//! A connection without Python and without a socket: it stands in for the loop, the program and the threads around a
//! session. The tests of `session` drive it, and so does the fuzz target, which includes this folder by its path.
//!
//! It calls a session as the bindings do. `calls.rs` has what the session calls, and `wire.rs` has the outgoing half.
//! Calls are recorded in [`TestHost::log`]. Ticks, threads and the task that waits for a message run when the test
//! says so.

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

/// A message in one of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub form: Form,
    /// The fragments; in every other form there is one part.
    pub parts: Vec<Vec<u8>>,
}

impl Message {
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A listener received a message; true if it was binary.
    Heard(u32, Message, bool),
    /// A task took a message from the inbox; true if it was binary.
    Taken(Message, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    Fail(ProtocolError),
    End,
    Lost,
    /// The inbox was full and no task had asked for messages. The program is not called for this.
    Stalled,
    /// The session asked for an automatic pong.
    Answered(Vec<u8>),
    /// A callback was called; true if its frame was written.
    Called(u32, bool),
    /// The transport's reading was switched on (true) or off.
    Reading(bool),
    /// The session asked for the transport to be closed once all is written.
    Closing,
    /// A message could not be made.
    Reported(&'static str),
}

/// The program: a function that runs whenever the session calls it.
type Program = Rc<dyn Fn(&TestHost, &Seen)>;

/// A connection for tests.
pub struct TestHost {
    session: RefCell<Session<Plain>>,
    codec: RefCell<Codec>,
    pub wire: RefCell<Wire>,
    program: RefCell<Option<Program>>,
    log: RefCell<Vec<Seen>>,
    ticks: RefCell<VecDeque<Soon>>,
    /// True while a task waits for a message.
    is_awaited: Cell<bool>,
    /// True if the task was woken and has not taken its message yet.
    is_woken: Cell<bool>,
    /// True if a thread inflates, which is done when the test says so; otherwise messages are inflated at once.
    pub has_threads: Cell<bool>,
    inflating: RefCell<Option<Box<Work<Vec<u8>>>>>,
    /// The number of messages that were received when the thread began.
    pub received_before: Cell<u64>,
    /// True if there is no memory for the next message.
    pub is_out_of_memory: Cell<bool>,
    /// True if there is no memory to join the next fragments.
    pub is_out_of_memory_to_join: Cell<bool>,
    /// The number of calls of the program that are under way.
    depth: Cell<usize>,
    /// True while the transport reads.
    pub is_reading: Cell<bool>,
    /// The time slice is over.
    pub is_slice_over: Cell<bool>,
    /// How often the connection was put into the list of those that wait for a slice.
    waiting_for_slice: Cell<usize>,
}

/// Makes a frame of a server; `first` is the byte with FIN, RSV and the opcode.
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

/// The only limit is 1 MiB for a message.
pub const LIMITS: Limits =
    Limits { max_payload: 1024 * 1024, max_fragments: 0, max_buffered_chunks: 0 };

impl TestHost {
    /// Makes a connection that has a transport and is not started yet.
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
            is_slice_over: Cell::new(false),
            waiting_for_slice: Cell::new(0),
        }
    }

    /// Makes a connection that is started and notifies its owner of pings and pongs.
    pub fn started(settings: Settings) -> Self {
        let host = Self::new(settings, LIMITS, None);
        host.with(|session| {
            session.set_wants_ping(true);
            session.set_wants_pong(true);
        });
        delivery::start(&host, b"");
        host
    }

    /// Sets what runs whenever the program is called.
    pub fn set_program(&self, program: impl Fn(&Self, &Seen) + 'static) {
        *self.program.borrow_mut() = Some(Rc::new(program));
    }

    /// Takes the entries of the log since the last call.
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

    /// Returns the number of calls of the program that are under way.
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    // The transport ------------------------------------------------------------------------------

    /// Bytes arrive.
    pub fn feed(&self, bytes: &[u8]) {
        delivery::feed(self, &mut bytes.to_vec());
    }

    /// Reads into the message itself if `at_least` bytes of its frame are missing, as far as there is room. Returns how
    /// many of `bytes` were read, or None if that is not possible now. [`TestHost::feed`] without bytes delivers them.
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

    /// The peer's FIN arrives.
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

    /// The program aborts: the transport ends at once, and its loss is reported later.
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

    /// Returns what is scheduled for the next tick.
    pub fn ticks(&self) -> Vec<Soon> {
        self.ticks.borrow().iter().copied().collect()
    }

    /// Runs the first call that is scheduled for the next tick.
    pub fn run_soon(&self) -> Option<Soon> {
        let soon = self.ticks.borrow_mut().pop_front()?;
        match soon {
            Soon::NextTick => delivery::next_tick(self),
            Soon::GoOn => delivery::go_on(self),
        }
        Some(soon)
    }

    /// Runs the next time slice. Returns how often the connection waited for it.
    pub fn slice(&self) -> usize {
        let times = self.waiting_for_slice.take();
        if times > 0 {
            delivery::next_slice(self);
        }
        times
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

    /// A task asks for the next message, and waits if there is none. Only one task may.
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

    /// The task waits without a look at the inbox.
    pub fn wait(&self) {
        self.is_awaited.set(true);
    }

    /// Returns the number of messages that were received.
    pub fn received(&self) -> u64 {
        self.with(|session| session.counters().totals(0)[3])
    }

    /// Returns the number of messages in the inbox.
    pub fn waiting_messages(&self) -> usize {
        self.with(|session| session.objects().1.count())
    }

    /// Returns true if the task was woken.
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

    /// Returns true while a thread inflates.
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

/// Does all of the work.
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
