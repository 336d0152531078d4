//! A kernel that does what a test tells it. Its poller behaves like epoll: it reports a change once if
//! edge-triggering was asked for, otherwise at every wait, and a hang-up even if nobody asked for it.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;

use crate::engine::{
    Address, Engine, Errno, Interest, MAX_EVENTS, RawEvent, Read, Ready, Sys, Token,
};

/// The number of the poller's own descriptor.
pub const POLLER: RawFd = 1000;

/// A descriptor that only the kernel can make.
#[derive(Debug, PartialEq, Eq)]
pub struct Fd(pub RawFd);

/// The state of a descriptor, until the test changes it.
#[derive(Clone, Copy, Default)]
pub struct State {
    pub readable: bool,
    pub writable: bool,
    pub hangup: bool,
    pub ended: bool,
}

#[derive(Default)]
pub struct Kernel {
    pub states: BTreeMap<RawFd, State>,
    pub registered: BTreeMap<RawFd, (u64, Interest)>,
    /// Changes since the last report.
    edges: BTreeSet<RawFd>,
    /// Answers to `recv`, in order; an empty vector is the end. If none is left, the answer is EAGAIN.
    pub inbound: BTreeMap<RawFd, VecDeque<Result<Vec<u8>, Errno>>>,
    /// How many bytes each write takes; if none is left, it takes all.
    pub room: BTreeMap<RawFd, VecDeque<Result<usize, Errno>>>,
    pub sent: BTreeMap<RawFd, Vec<u8>>,
    /// Answers to `accept`; if none is left, the answer is EAGAIN.
    pub arrivals: VecDeque<Result<Option<SocketAddr>, Errno>>,
    /// Errors of the next calls that add something to the poller.
    pub add_errors: VecDeque<Errno>,
    pub prepare_errors: VecDeque<Errno>,
    pub wait_errors: VecDeque<Errno>,
    /// Every call except the waits.
    pub log: Vec<String>,
    last_fd: RawFd,
}

impl Kernel {
    pub fn open(&mut self) -> Fd {
        self.last_fd += 1;
        self.states.insert(self.last_fd, State::default());
        Fd(self.last_fd)
    }

    pub fn set(&mut self, fd: RawFd, change: impl FnOnce(&mut State)) {
        change(self.states.get_mut(&fd).expect("an open descriptor"));
        self.edges.insert(fd);
    }

    pub fn arrive(&mut self, fd: RawFd, bytes: &[u8]) {
        self.inbound.entry(fd).or_default().push_back(Ok(bytes.to_vec()));
        self.set(fd, |state| state.readable = true);
    }

    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub fn interest(&self, fd: RawFd) -> Option<Interest> {
        self.registered.get(&fd).map(|(_, interest)| *interest)
    }

    fn call(&mut self, name: &str, fd: &Fd) {
        assert!(self.states.contains_key(&fd.0), "{name} of {fd:?}, which is closed");
        self.log.push(format!("{name} {}", fd.0));
    }

    fn write(&mut self, fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
        let room = self.room.get_mut(&fd.0).and_then(VecDeque::pop_front).unwrap_or(Ok(usize::MAX));
        let taken = room?.min(bytes.len());
        self.sent.entry(fd.0).or_default().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

#[derive(Clone, Default)]
pub struct Fake(Rc<RefCell<Kernel>>);

impl Fake {
    pub fn kernel(&self) -> RefMut<'_, Kernel> {
        self.0.borrow_mut()
    }
}

pub type FakeEngine = Engine<Fake, Vec<u8>>;

/// An engine and its kernel.
pub fn engine() -> (FakeEngine, Fake) {
    let fake = Fake::default();
    (Engine::new(fake.clone()).unwrap(), fake)
}

/// An engine with one socket, and the socket's descriptor.
pub fn one_socket() -> (FakeEngine, Fake, Token, RawFd) {
    let (mut engine, fake) = engine();
    let fd = fake.kernel().open();
    let number = fd.0;
    let token = engine.adopt(fd).unwrap();
    fake.kernel().take_log();
    (engine, fake, token, number)
}

/// Runs one batch, and returns it as the engine's caller sees it.
pub fn batch(engine: &mut FakeEngine) -> Vec<Ready> {
    engine.poll().unwrap();
    std::iter::from_fn(|| engine.next_ready()).collect()
}

pub fn readable(token: Token) -> Ready {
    Ready::Socket { token, readable: true, writable: false, hangup: false }
}

pub fn writable(token: Token) -> Ready {
    Ready::Socket { token, readable: false, writable: true, hangup: false }
}

/// Reads once into a buffer of `size` bytes; returns the bytes and the result.
pub fn read<S: Sys, H: AsRef<[u8]>>(
    engine: &mut Engine<S, H>,
    token: Token,
    size: usize,
) -> (Vec<u8>, Read) {
    let mut buf = vec![MaybeUninit::new(0xEE); size];
    let result = engine.read(token, &mut buf);
    let length = if let Read::Data { n, .. } = result { n } else { 0 };
    // SAFETY: all bytes are initialised above.
    #[allow(unsafe_code)]
    let bytes = buf[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect();
    (bytes, result)
}

impl Sys for Fake {
    type Fd = Fd;
    type Poller = ();

    fn create_poller(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    fn poller_fd(&self, (): &()) -> RawFd {
        POLLER
    }

    fn add(&mut self, (): &(), fd: &Fd, token: u64, interest: Interest) -> Result<(), Errno> {
        let mut kernel = self.kernel();
        kernel.call("add", fd);
        assert!(!interest.is_none());
        if let Some(error) = kernel.add_errors.pop_front() {
            return Err(error);
        }
        assert_eq!(kernel.registered.insert(fd.0, (token, interest)), None, "added twice");
        kernel.edges.insert(fd.0);
        Ok(())
    }

    fn modify(
        &mut self,
        (): &(),
        fd: &Fd,
        token: u64,
        old: Interest,
        new: Interest,
    ) -> Result<(), Errno> {
        let mut kernel = self.kernel();
        kernel.call("modify", fd);
        assert!(!new.is_none());
        assert_eq!(kernel.registered.insert(fd.0, (token, new)), Some((token, old)));
        kernel.edges.insert(fd.0);
        Ok(())
    }

    fn delete(&mut self, (): &(), fd: &Fd, old: Interest) -> Result<(), Errno> {
        let mut kernel = self.kernel();
        kernel.call("delete", fd);
        assert_eq!(kernel.registered.remove(&fd.0).map(|(_, interest)| interest), Some(old));
        Ok(())
    }

    fn wait(&mut self, (): &(), events: &mut Vec<RawEvent>) -> Result<(), Errno> {
        let mut kernel = self.kernel();
        if let Some(error) = kernel.wait_errors.pop_front() {
            return Err(error);
        }
        let mut reported = Vec::new();
        let ready = kernel.registered.iter().filter_map(|(fd, (token, interest))| {
            if interest.edge && !kernel.edges.contains(fd) {
                return None;
            }
            let state = kernel.states.get(fd)?;
            let event = RawEvent {
                token: *token,
                readable: state.readable && interest.read,
                writable: state.writable && interest.write,
                hangup: state.hangup,
                ended: state.ended && interest.edge,
            };
            (event.readable || event.writable || event.hangup).then_some((*fd, event))
        });
        for (fd, event) in ready.take(MAX_EVENTS) {
            reported.push(fd);
            events.push(event);
        }
        kernel.edges.retain(|fd| !reported.contains(fd));
        Ok(())
    }

    fn accept(&mut self, fd: &Fd) -> Result<(Fd, Option<SocketAddr>), Errno> {
        let mut kernel = self.kernel();
        kernel.call("accept", fd);
        let peer = kernel.arrivals.pop_front().unwrap_or(Err(Errno::AGAIN))?;
        Ok((kernel.open(), peer))
    }

    fn prepare(&mut self, fd: &Fd) -> Result<(), Errno> {
        let mut kernel = self.kernel();
        kernel.call("prepare", fd);
        kernel.prepare_errors.pop_front().map_or(Ok(()), Err)
    }

    fn set_nodelay(&mut self, fd: &Fd) -> Result<(), Errno> {
        self.kernel().call("nodelay", fd);
        Err(Errno::OPNOTSUPP)
    }

    fn recv(&mut self, fd: &Fd, buf: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
        let mut kernel = self.kernel();
        kernel.call("recv", fd);
        let queue = kernel.inbound.entry(fd.0).or_default();
        let mut bytes = queue.pop_front().unwrap_or(Err(Errno::AGAIN))?;
        let taken = bytes.len().min(buf.len());
        for (place, byte) in buf.iter_mut().zip(bytes.drain(..taken)) {
            place.write(byte);
        }
        if !bytes.is_empty() {
            queue.push_front(Ok(bytes));
        }
        Ok(taken)
    }

    fn send(&mut self, fd: &Fd, bytes: &[u8]) -> Result<usize, Errno> {
        let mut kernel = self.kernel();
        kernel.call("send", fd);
        kernel.write(fd, bytes)
    }

    fn sendmsg(&mut self, fd: &Fd, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let mut kernel = self.kernel();
        kernel.call("sendmsg", fd);
        assert!(!pieces.is_empty() && pieces.len() <= 64, "{} pieces", pieces.len());
        assert!(pieces.iter().all(|piece| !piece.is_empty()), "an empty piece");
        kernel.write(fd, &pieces.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>())
    }

    fn shutdown_write(&mut self, fd: &Fd) -> Result<(), Errno> {
        self.kernel().call("shutdown", fd);
        Ok(())
    }

    fn set_reset_on_close(&mut self, fd: &Fd) -> Result<(), Errno> {
        self.kernel().call("linger", fd);
        Ok(())
    }

    fn close(&mut self, fd: Fd) {
        let mut kernel = self.kernel();
        kernel.call("close", &fd);
        assert!(!kernel.registered.contains_key(&fd.0), "closed while in the poller");
        kernel.states.remove(&fd.0);
    }

    fn dup(&mut self, fd: &Fd) -> Result<Fd, Errno> {
        let mut kernel = self.kernel();
        kernel.call("dup", fd);
        Ok(kernel.open())
    }

    fn raw_fd(&self, fd: &Fd) -> RawFd {
        fd.0
    }

    fn local_addr(&self, _fd: &Fd) -> Result<Address, Errno> {
        Ok(Address::Unix(b"/local".to_vec()))
    }

    fn peer_addr(&self, _fd: &Fd) -> Result<Address, Errno> {
        Ok(Address::Unix(b"/peer".to_vec()))
    }
}
