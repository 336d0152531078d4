//! The engine under scripted system calls: short writes, full buffers, signals, resets, errors of the poller and
//! exhausted descriptors, in any order. Each socket's bytes arrive once and in order, in both directions; nothing
//! spins; nothing is used after it was closed (the kernel asserts that), and everything is closed in the end.
//!
//! Input: operations of one byte each, followed by their arguments.

#[path = "../../../src/engine/tests/fake.rs"]
#[allow(dead_code)]
mod fake;

use std::os::fd::RawFd;

use _core::engine::{Accepted, Errno, Flush, MAX_EVENTS, Read, Ready, Token};

use super::Bytes;
use fake::{Fake, FakeEngine};

const MOST_SOCKETS: usize = 12;

/// What the test knows about a socket.
struct Socket {
    token: Token,
    fd: RawFd,
    queued: Vec<u8>,
    arrived: Vec<u8>,
    read: Vec<u8>,
    /// Writing failed: there are no promises for this socket any more.
    broken: bool,
    /// The end of our stream was asked for: nothing more may be queued.
    finishing: bool,
    /// The script has the end of the stream, or an error, after what arrived.
    ends: bool,
    /// Reading has reached that end.
    ended: bool,
}

struct World {
    engine: FakeEngine,
    fake: Fake,
    sockets: Vec<Socket>,
    listener: Token,
    listener_fd: RawFd,
    numbers: u8,
}

const ERRORS: [Errno; 6] =
    [Errno::AGAIN, Errno::INTR, Errno::NOBUFS, Errno::PIPE, Errno::CONNRESET, Errno::TIMEDOUT];
const ACCEPT_ERRORS: [Errno; 6] =
    [Errno::MFILE, Errno::NFILE, Errno::CONNABORTED, Errno::INTR, Errno::NOMEM, Errno::AGAIN];

impl World {
    fn new() -> Self {
        let (mut engine, fake) = fake::engine();
        let fd = fake.kernel().open();
        let listener_fd = fd.0;
        let listener = engine.listen(fd).expect("the script has no error yet");
        Self { engine, fake, sockets: Vec::new(), listener, listener_fd, numbers: 0 }
    }

    fn know(&mut self, token: Token) {
        let fd = self.engine.raw_fd(token).expect("a socket that is open");
        let (queued, arrived, read) = (Vec::new(), Vec::new(), Vec::new());
        let socket = Socket {
            token,
            fd,
            queued,
            arrived,
            read,
            broken: false,
            finishing: false,
            ends: false,
            ended: false,
        };
        self.sockets.push(socket);
    }

    /// Bytes that differ from those before, so that a mix-up shows.
    fn data(&mut self, count: usize) -> Vec<u8> {
        self.numbers = self.numbers.wrapping_add(1);
        let start = self.numbers;
        (0..count).map(|at| start.wrapping_mul(31).wrapping_add(at as u8)).collect()
    }

    fn find(&mut self, token: Token) -> &mut Socket {
        let found = self.sockets.iter_mut().find(|socket| socket.token == token);
        found.expect("a socket that is known")
    }

    fn flush(&mut self, token: Token) {
        match self.engine.flush(token) {
            Flush::Drained => assert!(self.engine.out_ref(token).is_none_or(|out| out.is_empty())),
            Flush::Pending(left) => {
                let queue = self.engine.out_ref(token).map(|out| out.len());
                assert_eq!(queue, Some(left), "what is pending");
                assert!(left > 0);
            }
            Flush::Lost(_) => self.find(token).broken = true,
        }
    }

    fn read(&mut self, token: Token, size: usize) {
        let (bytes, said) = fake::read(&mut self.engine, token, size);
        let socket = self.find(token);
        socket.read.extend_from_slice(&bytes);
        match said {
            Read::Data { n, .. } => assert_eq!(n, bytes.len()),
            Read::WouldBlock => {}
            Read::Eof | Read::Lost(_) => socket.ended = true,
        }
        let (fd, ended) = (socket.fd, socket.ended);
        let mut kernel = self.fake.kernel();
        let empty = kernel.inbound.get(&fd).is_none_or(|queue| queue.is_empty());
        kernel.set(fd, |state| state.readable = !empty || ended);
    }

    fn accept(&mut self) {
        for _ in 0..8 {
            match self.engine.accept(self.listener) {
                Accepted::Socket { token, .. } => self.know(token),
                Accepted::WouldBlock | Accepted::Exhausted => break,
                Accepted::Failed(error) => panic!("a listener that is whole: {error}"),
            }
        }
        let mut kernel = self.fake.kernel();
        let waiting = !kernel.arrivals.is_empty();
        kernel.set(self.listener_fd, |state| state.readable = waiting);
    }

    /// Runs one batch; returns how many events the poller had.
    fn batch(&mut self, size: usize, close_within: bool) -> usize {
        let events = self.engine.poll().expect("only signals are in the script");
        assert!(events <= MAX_EVENTS);
        while let Some(ready) = self.engine.next_ready() {
            match ready {
                Ready::Accept(token) => {
                    assert_eq!(token, self.listener);
                    self.accept();
                }
                Ready::Socket { token, readable, writable, .. } => {
                    assert!(readable || writable);
                    assert!(!(readable && self.engine.is_paused(token)), "a paused socket");
                    if readable {
                        assert!(!self.find(token).ended, "read after its end");
                        self.read(token, size);
                    }
                    if writable {
                        self.flush(token);
                    }
                    if close_within && self.sockets.len() > 1 {
                        self.close(0, false);
                    }
                }
            }
        }
        events
    }

    fn flush_dirty(&mut self) {
        while let Some(token) = self.engine.take_dirty() {
            self.flush(token);
        }
    }

    fn close(&mut self, at: usize, reset: bool) {
        let socket = self.sockets.remove(at);
        let closed =
            if reset { self.engine.reset(socket.token) } else { self.engine.close(socket.token) };
        assert!(closed && self.engine.out_ref(socket.token).is_none());
        assert!(!self.engine.close(socket.token), "closed twice");
    }

    fn check(&self) {
        let kernel = self.fake.kernel();
        for socket in &self.sockets {
            let sent = kernel.sent.get(&socket.fd).map_or(&[][..], Vec::as_slice);
            assert!(socket.queued.starts_with(sent), "sent out of order");
            assert!(socket.arrived.starts_with(&socket.read), "read out of order");
            let out = self.engine.out_ref(socket.token).expect("a socket that is open");
            if !socket.broken {
                assert_eq!(out.total_written(), sent.len() as u64);
                assert_eq!(out.total_queued(), socket.queued.len() as u64);
            }
        }
    }

    /// Does an operation on one socket.
    fn act(&mut self, operation: u8, input: &mut Bytes<'_>) {
        if self.sockets.is_empty() {
            return;
        }
        let at = usize::from(input.byte()) % self.sockets.len();
        let (token, fd) = (self.sockets[at].token, self.sockets[at].fd);
        match operation {
            0 if !self.sockets[at].ends => {
                let data = self.data(1 + usize::from(input.byte()));
                self.sockets[at].arrived.extend_from_slice(&data);
                self.fake.kernel().arrive(fd, &data);
            }
            1..=4 if !self.sockets[at].finishing && !self.sockets[at].broken => {
                self.queue(at, operation, input);
            }
            5 => assert!(self.engine.pause(token) && self.engine.is_paused(token)),
            6 => {
                // It fails if the poller has no memory: then the socket stays paused.
                let resumed = self.engine.resume(token);
                assert_eq!(self.engine.is_paused(token), resumed.is_err());
            }
            7 => {
                assert!(self.engine.shutdown_write(token));
                self.sockets[at].finishing = true;
            }
            8 => self.close(at, input.byte() & 1 == 1),
            9 => {
                let value = input.byte();
                let room = match value {
                    0..64 => Err(ERRORS[usize::from(value) % ERRORS.len()]),
                    _ => Ok(usize::from(value - 63) * 7),
                };
                self.fake.kernel().room.entry(fd).or_default().push_back(room);
            }
            10 => {
                let error = ERRORS[usize::from(input.byte()) % ERRORS.len()];
                let fatal = !matches!(error, Errno::AGAIN | Errno::INTR);
                // If the receiving end breaks, it does so after everything that arrived.
                let error = if error == Errno::NOBUFS { Ok(Vec::new()) } else { Err(error) };
                if !self.sockets[at].ends {
                    self.fake.kernel().inbound.entry(fd).or_default().push_back(error);
                    self.fake.kernel().set(fd, |state| state.readable = true);
                    self.sockets[at].ends = fatal;
                }
            }
            11 => self.fake.kernel().set(fd, |state| state.writable = true),
            12 => self.fake.kernel().set(fd, |state| state.writable = false),
            _ => drop(self.engine.undirty(token)),
        }
    }

    fn queue(&mut self, at: usize, how: u8, input: &mut Bytes<'_>) {
        let token = self.sockets[at].token;
        let count = usize::from(input.byte()) * if how == 4 { 40 } else { 1 };
        let data = self.data(count);
        self.sockets[at].queued.extend_from_slice(&data);
        let out = self.engine.out(token).expect("a socket that is open");
        match how {
            1 | 2 => out.push(&data),
            3 => out.tail().extend_from_slice(&data),
            _ => out.hold(data),
        }
        if how == 1 {
            self.flush(token);
        } else {
            self.engine.mark_dirty(token);
        }
    }

    fn step(&mut self, input: &mut Bytes<'_>) {
        match input.byte() % 24 {
            0 if self.sockets.len() < MOST_SOCKETS => {
                let fd = self.fake.kernel().open();
                if let Ok(token) = self.engine.adopt(fd) {
                    self.know(token);
                }
            }
            1 | 2 => drop(self.batch(1 + usize::from(input.byte()), false)),
            3 => drop(self.batch(64, true)),
            4 => self.flush_dirty(),
            5 => {
                let value = usize::from(input.byte());
                let waiting = self.fake.kernel().arrivals.len();
                if waiting + self.sockets.len() < MOST_SOCKETS {
                    let error = ACCEPT_ERRORS.get(value % 12).copied();
                    self.fake.kernel().arrivals.push_back(error.map_or(Ok(None), Err));
                    self.fake.kernel().set(self.listener_fd, |state| state.readable = true);
                }
            }
            6 => drop(self.engine.resume_accepting()),
            7 => self.fake.kernel().add_errors.push_back(Errno::NOMEM),
            8 => self.fake.kernel().prepare_errors.push_back(Errno::BADF),
            9 => self.fake.kernel().wait_errors.push_back(Errno::INTR),
            operation => self.act(operation.saturating_sub(10), input),
        }
    }

    /// From here on the kernel makes no trouble: everything queued leaves, everything that arrived is read, and then
    /// there is nothing to report.
    fn settle(&mut self) {
        {
            let mut kernel = self.fake.kernel();
            kernel.room.clear();
            kernel.add_errors.clear();
            kernel.prepare_errors.clear();
            kernel.arrivals.clear();
            kernel.set(self.listener_fd, |state| state.readable = false);
        }
        self.engine.resume_accepting().expect("there is memory again");
        for socket in &self.sockets {
            self.fake.kernel().set(socket.fd, |state| state.writable = true);
            self.engine.resume(socket.token).expect("there is memory again");
        }
        let mut quiet = false;
        for _ in 0..4000 {
            self.flush_dirty();
            quiet = self.batch(256, false) == 0;
            if quiet {
                break;
            }
        }
        assert!(quiet, "the poller reports something for ever");
        self.check();
        let kernel = self.fake.kernel();
        assert!(kernel.interest(self.listener_fd).is_some(), "it accepts again");
        for socket in self.sockets.iter().filter(|socket| !socket.broken) {
            let sent = kernel.sent.get(&socket.fd).map_or(0, Vec::len);
            // Flushing what was queued but not marked is up to the caller; here everything was marked or flushed.
            assert_eq!(sent, socket.queued.len(), "left unsent");
        }
        for socket in &self.sockets {
            assert_eq!(socket.read.len(), socket.arrived.len(), "left unread");
            assert_eq!(socket.ended, socket.ends);
        }
    }
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let mut world = World::new();
    while !input.is_empty() {
        world.step(&mut input);
        world.check();
        world.fake.kernel().log.clear();
    }
    // `undirty` leaves the flushing to its caller.
    for at in 0..world.sockets.len() {
        let token = world.sockets[at].token;
        if !world.sockets[at].broken {
            world.engine.mark_dirty(token);
        }
    }
    world.settle();
    while !world.sockets.is_empty() {
        world.close(0, world.sockets.len().is_multiple_of(2));
    }
    assert!(world.engine.unlisten(world.listener));
    let kernel = world.fake.kernel();
    assert!(kernel.registered.is_empty() && kernel.states.is_empty(), "something is left open");
}
