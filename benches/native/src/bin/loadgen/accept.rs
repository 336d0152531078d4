//! The accept run: connections are opened, upgraded and closed over and over, `--connections` at a time.
//!
//! Each counted connection consists of a TCP connection, an opening handshake whose answer is checked, a closing
//! handshake, and the end of the TCP connection. They come from many addresses, because so many ended connections
//! would keep the ports of a single one busy (RFC 9293 section 3.6, TIME-WAIT).

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use wsrs_bench::Result;
use wsrs_bench::frame::{CLOSE, FIN, Header, client_frame};
use wsrs_bench::handshake::{check_answer, client_request, head_len};

use crate::open::connected;
use crate::options::Options;
use crate::report::{Counts, Edge, latencies, report};

/// Addresses that the connections come from, unless `--sources` says otherwise.
const SOURCES: u8 = 200;
/// Events taken in one wait.
const BATCH: usize = 1024;
/// The wait polls and does not sleep: see `echo.rs`.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// A run in which nothing arrives for this many nanoseconds has failed.
const STALLED: u64 = 10_000_000_000;
/// The longest answer that is read, including the close frame after it.
const LONGEST: usize = 16 * 1024;
const MASK: [u8; 4] = [0x5A, 0xA5, 0x3C, 0xC3];

/// Does the run and returns the line of JSON.
///
/// # Errors
/// A fault on a connection.
pub fn run(options: &Options) -> Result<String> {
    let mut run = Run::new(options)?;
    for place in 0..options.connections {
        run.open(place)?;
    }
    run.measure()
}

/// The progress of a connection.
enum Step {
    /// The request has been sent.
    Answer,
    /// The close frame has been sent.
    Closing,
}

struct Opened {
    socket: TcpStream,
    step: Step,
    got: Vec<u8>,
    begun: u64,
}

struct Run {
    options: Options,
    request: String,
    close: Vec<u8>,
    open: Vec<Option<Opened>>,
    epoll: OwnedFd,
    epoch: Instant,
    latencies: Histogram<u64>,
    /// Connections begun since the start.
    begun: usize,
    received: u64,
    /// Nanoseconds spent polling while there were no events.
    idle: u64,
    /// The time of the last event.
    active: u64,
}

impl Run {
    fn new(given: &Options) -> Result<Self> {
        let mut options = given.clone();
        if options.sources == 0 {
            options.sources = SOURCES;
        }
        Ok(Self {
            request: client_request(options.port, false),
            close: client_frame(FIN | CLOSE, &1000_u16.to_be_bytes(), MASK),
            open: (0..options.connections).map(|_| None).collect(),
            options,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            epoch: Instant::now(),
            latencies: latencies()?,
            begun: 0,
            received: 0,
            idle: 0,
            active: 0,
        })
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn edge(&self) -> Result<Edge> {
        Edge::read(&self.options, || self.now(), self.idle)
    }

    /// Warms up and measures; connections in progress at the end are dropped.
    fn measure(&mut self) -> Result<String> {
        let warmup = self.options.warmup.as_nanos() as u64;
        while self.now() < warmup {
            self.turn()?;
        }
        self.latencies.reset();
        self.received = 0;
        let begin = self.edge()?;
        while !self.options.is_over(self.now() - begin.at, self.latencies.len()) {
            self.turn()?;
        }
        let counts = Counts {
            messages: self.latencies.len(),
            latencies: &self.latencies,
            wire_sent: (self.request.len() + self.close.len()) as f64,
            received: self.received,
        };
        Ok(report(&self.options, &begin, &self.edge()?, &counts))
    }

    /// Opens another connection in `place`, and asks for the upgrade.
    fn open(&mut self, place: usize) -> Result<()> {
        let begun = self.now();
        let mut socket = connected(&self.options, self.begun)
            .map_err(|e| format!("connection {}: {e}", self.begun))?;
        self.begun += 1;
        socket.write_all(self.request.as_bytes())?;
        socket.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(place as u64);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
        self.open[place] = Some(Opened { socket, step: Step::Answer, got: Vec::new(), begun });
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        let asked = self.now();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&AT_ONCE))
        {
            Ok(0) => {
                self.idle += self.now() - asked;
                if asked - self.active > STALLED {
                    return Err("no connection went on for 10 seconds".into());
                }
            }
            Ok(_) => self.active = asked,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            self.ready(event.data.u64() as usize)?;
        }
        Ok(())
    }

    fn ready(&mut self, place: usize) -> Result<()> {
        let Some(opened) = &mut self.open[place] else { return Ok(()) };
        let mut buffer = [0; 2048];
        let got = match opened.socket.read(&mut buffer) {
            Ok(0) => {
                return Err("the server ended a connection before the closing handshake".into());
            }
            Ok(got) => got,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(format!("recv: {error}").into()),
        };
        self.received += got as u64;
        opened.got.extend_from_slice(&buffer[..got]);
        if opened.got.len() > LONGEST {
            return Err("the server's answer has no end".into());
        }
        match opened.step {
            Step::Answer => {
                let Some(len) = head_len(&opened.got) else { return Ok(()) };
                check_answer(std::str::from_utf8(&opened.got[..len])?, None)?;
                opened.got.drain(..len);
                opened.socket.write_all(&self.close)?;
                opened.step = Step::Closing;
                Ok(())
            }
            Step::Closing => {
                let Some(header) = Header::parse(&opened.got) else { return Ok(()) };
                if header.opcode() != CLOSE {
                    return Err(format!("a frame of opcode {} came", header.opcode()).into());
                }
                if opened.got.len() < header.len + header.payload {
                    return Ok(());
                }
                let begun = opened.begun;
                self.open[place] = None;
                self.latencies.saturating_record(self.now() - begun);
                self.open(place)
            }
        }
    }
}
