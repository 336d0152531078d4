//! The echo run: open, warm up, measure, drain, close.

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
/// The wait polls and does not sleep. A server pays for waking a peer that sleeps, and the peer of a slow server
/// would sleep more often, so that its CPU time per message would seem higher than it is.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// A run in which no echo comes for this many nanoseconds has failed.
const STALLED: u64 = 10_000_000_000;
/// Nanoseconds that the closing handshakes may take after the measured time.
const CLOSING: u64 = 2_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warmup,
    Measure,
    /// Nothing new is sent; the echoes in flight are awaited, then the connections are closed.
    Drain,
}

/// Does the run and returns the line of JSON.
///
/// # Errors
/// A fault on a connection, or a wrong echo.
pub fn run(options: &Options) -> Result<String> {
    let messages = Messages::new(options)?;
    let sockets = open(options, options.connections)?;
    let peers = sockets.into_iter().map(|socket| Peer::new(socket, options.depth)).collect();
    let mut run = Run::new(options, &messages, peers)?;
    run.start()?;
    run.until_drained()?;
    Ok(run.line)
}

struct Run<'a> {
    options: &'a Options,
    messages: &'a Messages,
    peers: Vec<Peer>,
    /// Connections whose closing handshake is not over.
    open: usize,
    epoll: std::os::fd::OwnedFd,
    buffer: Vec<u8>,
    epoch: Instant,
    phase: Phase,
    begin: Edge,
    end: Edge,
    latencies: Histogram<u64>,
    received: u64,
    /// Nanoseconds spent polling while there were no events.
    idle: u64,
    /// The time of the last event.
    active: u64,
    /// The line of JSON, once the measured time is over.
    line: String,
}

/// Records each latency, up to the time of the read.
struct Latencies<'a> {
    now: u64,
    latencies: &'a mut Histogram<u64>,
}

impl Sink for Latencies<'_> {
    #[inline]
    fn echoed(&mut self, sent_ns: u64) {
        self.latencies.saturating_record(self.now - sent_ns);
    }
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, messages: &'a Messages, peers: Vec<Peer>) -> Result<Self> {
        Ok(Self {
            options,
            messages,
            open: peers.len(),
            peers,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; READ],
            epoch: Instant::now(),
            phase: Phase::Warmup,
            begin: Edge::default(),
            end: Edge::default(),
            latencies: latencies()?,
            received: 0,
            idle: 0,
            active: 0,
            line: String::new(),
        })
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn edge(&self) -> Result<Edge> {
        Edge::read(self.options, || self.now(), self.idle)
    }

    fn start(&mut self) -> Result<()> {
        for index in 0..self.peers.len() {
            let now = self.now();
            let peer = &mut self.peers[index];
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&self.epoll, peer.socket(), data, epoll::EventFlags::IN)?;
            peer.owe(self.options.depth, now);
            self.flush(index)?;
        }
        Ok(())
    }

    /// Sends the frames that connection `index` owes, and asks for `EPOLLOUT` while some are left.
    #[inline]
    fn flush(&mut self, index: usize) -> Result<()> {
        let peer = &mut self.peers[index];
        peer.flush(self.messages)?;
        if peer.blocked() {
            let data = epoll::EventData::new_u64(index as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT;
            epoll::modify(&self.epoll, peer.socket(), data, flags)?;
        }
        Ok(())
    }

    fn until_drained(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        loop {
            events.clear();
            let asked = self.now();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&AT_ONCE)) {
                Ok(0) => {
                    self.idle += self.now() - asked;
                    if asked - self.active > STALLED && self.phase != Phase::Drain {
                        return Err("no echo for 10 seconds".into());
                    }
                }
                Ok(_) => self.active = asked,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.ready(event.data.u64() as usize, event.flags)?;
            }
            self.advance()?;
            if self.phase == Phase::Drain && (self.open == 0 || self.closed_late()) {
                return Ok(());
            }
        }
    }

    #[inline]
    fn ready(&mut self, index: usize, flags: epoll::EventFlags) -> Result<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, self.peers[index].socket(), data, epoll::EventFlags::IN)?;
            self.flush(index)?;
        }
        if !flags
            .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            return Ok(());
        }
        let got = match self.peers[index].read(&mut self.buffer)? {
            Read::Bytes(got) => got,
            Read::Nothing => return Ok(()),
            Read::End => return self.ended(index),
        };
        let now = self.now();
        let peer = &mut self.peers[index];
        let mut sink = Latencies { now, latencies: &mut self.latencies };
        let completed = peer.take(&self.buffer[..got], self.messages, &mut sink)?;
        self.received += got as u64;
        if completed == 0 {
            return Ok(());
        }
        if self.phase == Phase::Drain {
            return self.drained(index, completed);
        }
        peer.owe(completed, now);
        self.flush(index)
    }

    fn closed_late(&self) -> bool {
        self.now() - self.end.at > CLOSING
    }

    fn ended(&mut self, index: usize) -> Result<()> {
        if !self.peers[index].closing {
            return Err("the server ended a connection".into());
        }
        epoll::delete(&self.epoll, self.peers[index].socket())?;
        self.open -= 1;
        Ok(())
    }

    /// Counts `completed` echoes after the measured time, and closes the connection with the last of them.
    fn drained(&mut self, index: usize, completed: usize) -> Result<()> {
        let peer = &mut self.peers[index];
        peer.in_flight -= completed;
        if peer.in_flight == 0 { peer.close() } else { Ok(()) }
    }

    /// Goes from the warm-up to measuring, and from there to draining, when it is time.
    fn advance(&mut self) -> Result<()> {
        let now = self.now();
        match self.phase {
            Phase::Warmup if now >= self.options.warmup.as_nanos() as u64 => {
                self.phase = Phase::Measure;
                self.latencies.reset();
                self.received = 0;
                self.begin = self.edge()?;
            }
            Phase::Measure => {
                if self.options.is_over(now - self.begin.at, self.latencies.len()) {
                    self.end = self.edge()?;
                    self.line = self.report();
                    self.phase = Phase::Drain;
                }
            }
            Phase::Warmup | Phase::Drain => {}
        }
        Ok(())
    }

    /// The measured time as one JSON object.
    fn report(&self) -> String {
        let counts = Counts {
            messages: self.latencies.len(),
            latencies: &self.latencies,
            wire_sent: self.messages.mean_wire_size(),
            received: self.received,
        };
        report(self.options, &self.begin, &self.end, &counts)
    }
}
