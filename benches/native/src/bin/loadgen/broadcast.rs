//! The broadcast run: open, let one connection send and all of them receive, measure, close.
//!
//! A broadcast is over once all messages of it and of those before it have arrived; then the next is sent. With a
//! depth above 1, the server finds several of them waiting at once.

use std::os::fd::OwnedFd;
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use wsrs_bench::Result;

use crate::messages::Messages;
use crate::open::open;
use crate::options::Options;
use crate::peer::{Peer, Read, Sink};
use crate::report::{Counts, Edge, latencies, report};

/// Bytes taken in one read.
const READ: usize = 256 * 1024;
/// Events taken in one wait.
const BATCH: usize = 1024;
/// The wait polls and does not sleep: see `echo.rs`.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// A run in which nothing arrives for this many nanoseconds has failed.
const STALLED: u64 = 10_000_000_000;
/// Nanoseconds that the closing handshakes may take after the measured time.
const CLOSING: u64 = 2_000_000_000;
/// The connection that sends.
const SPEAKER: usize = 0;

/// Does nothing for a single message: latencies are measured for whole broadcasts.
struct Uncounted;

impl Sink for Uncounted {
    #[inline]
    fn echoed(&mut self, _sent_ns: u64) {}
}

/// Does the run and returns the line of JSON.
///
/// # Errors
/// A fault on a connection, or a wrong message.
pub fn run(options: &Options) -> Result<String> {
    let messages = Messages::new(options)?;
    let sockets = open(options, options.connections)?;
    let peers = sockets.into_iter().map(|socket| Peer::new(socket, options.depth)).collect();
    let mut run = Run::new(options, &messages, peers)?;
    run.measure()?;
    let line = run.report();
    run.close()?;
    Ok(line)
}

struct Run<'a> {
    options: &'a Options,
    messages: &'a Messages,
    peers: Vec<Peer>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    epoch: Instant,
    begin: Edge,
    end: Edge,
    latencies: Histogram<u64>,
    /// When each broadcast in flight was sent: a ring of `depth`.
    times: Box<[u64]>,
    /// Broadcasts that are over, since the start.
    over: u64,
    /// Messages that have arrived since the start, and those of them before the measured time.
    came: u64,
    came_before: u64,
    /// Bytes that have arrived in the measured time.
    received: u64,
    /// Nanoseconds spent polling while there were no events.
    idle: u64,
    /// The time of the last event.
    active: u64,
    /// Connections whose closing handshake is not over.
    open: usize,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, messages: &'a Messages, peers: Vec<Peer>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, peer) in peers.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, peer.socket(), data, epoll::EventFlags::IN)?;
        }
        Ok(Self {
            options,
            messages,
            open: peers.len(),
            peers,
            epoll,
            events: Vec::with_capacity(BATCH),
            buffer: vec![0; READ],
            epoch: Instant::now(),
            begin: Edge::default(),
            end: Edge::default(),
            latencies: latencies()?,
            times: vec![0; options.depth].into_boxed_slice(),
            over: 0,
            came: 0,
            came_before: 0,
            received: 0,
            idle: 0,
            active: 0,
        })
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn edge(&self) -> Result<Edge> {
        Edge::read(self.options, || self.now(), self.idle)
    }

    /// Warms up, measures, and waits for the broadcasts that are in flight then.
    fn measure(&mut self) -> Result<()> {
        let now = self.now();
        self.times.fill(now);
        self.speak(self.options.depth, now)?;
        let warmup = self.options.warmup.as_nanos() as u64;
        while self.now() < warmup {
            self.turn(true)?;
        }
        self.latencies.reset();
        (self.received, self.came_before) = (0, self.came);
        self.begin = self.edge()?;
        while !self.is_over() {
            self.turn(true)?;
        }
        self.end = self.edge()?;
        let last = self.over + self.options.depth as u64;
        let (came, received) = (self.came, self.received);
        while self.over < last {
            self.turn(false)?;
        }
        (self.came, self.received) = (came, received);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.options.is_over(self.now() - self.begin.at, self.came - self.came_before)
    }

    /// Sends `count` more messages.
    fn speak(&mut self, count: usize, now: u64) -> Result<()> {
        let speaker = &mut self.peers[SPEAKER];
        speaker.owe(count, now);
        speaker.flush(self.messages)?;
        if speaker.blocked() {
            return Err("the socket did not take what is to be broadcast".into());
        }
        Ok(())
    }

    /// Takes everything that has arrived; with `go_on`, sends a message for each broadcast that is over.
    fn turn(&mut self, go_on: bool) -> Result<()> {
        self.wait()?;
        for place in 0..self.events.len() {
            let index = self.events[place].data.u64() as usize;
            match self.peers[index].read(&mut self.buffer)? {
                Read::Bytes(got) => {
                    let bytes = &self.buffer[..got];
                    let peer = &mut self.peers[index];
                    self.came += peer.take(bytes, self.messages, &mut Uncounted)? as u64;
                    self.received += got as u64;
                }
                Read::Nothing => {}
                Read::End => return Err("the server ended a connection".into()),
            }
        }
        let over = self.came / self.peers.len() as u64;
        if over == self.over {
            return Ok(());
        }
        let now = self.now();
        let ended = (over - self.over) as usize;
        for number in self.over..over {
            let place = (number % self.times.len() as u64) as usize;
            self.latencies.saturating_record(now - std::mem::replace(&mut self.times[place], now));
        }
        self.over = over;
        if go_on { self.speak(ended, now) } else { Ok(()) }
    }

    fn wait(&mut self) -> Result<()> {
        self.events.clear();
        let asked = self.now();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&AT_ONCE)) {
            Ok(0) => {
                self.idle += self.now() - asked;
                if asked - self.active > STALLED {
                    return Err("nothing came for 10 seconds".into());
                }
            }
            Ok(_) => self.active = asked,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Does the closing handshakes of all connections, within the time left for them.
    fn close(&mut self) -> Result<()> {
        for peer in &mut self.peers {
            peer.close()?;
        }
        let begun = self.now();
        while self.open > 0 && self.now() - begun < CLOSING {
            self.wait()?;
            for place in 0..self.events.len() {
                let index = self.events[place].data.u64() as usize;
                let peer = &mut self.peers[index];
                match peer.read(&mut self.buffer)? {
                    Read::Bytes(got) => {
                        peer.take(&self.buffer[..got], self.messages, &mut Uncounted)?;
                    }
                    Read::Nothing => {}
                    Read::End => {
                        epoll::delete(&self.epoll, peer.socket())?;
                        self.open -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn report(&self) -> String {
        let counts = Counts {
            messages: self.came - self.came_before,
            latencies: &self.latencies,
            wire_sent: self.messages.mean_wire_size(),
            received: self.received,
        };
        report(self.options, &self.begin, &self.end, &counts)
    }
}
