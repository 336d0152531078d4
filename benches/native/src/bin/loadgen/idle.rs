//! The idle run: open connections, echo one message on each if asked to, and hold them until stdin ends.

use std::io::stdin;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use wsrs_bench::Result;

use crate::channel::Channel;
use crate::cpu;
use crate::messages::Messages;
use crate::open::open;
use crate::options::Options;
use crate::peer::{Peer, Read, Sink};

/// The token of stdin.
const STDIN: u64 = u64::MAX;
/// Events taken in one wait.
const BATCH: usize = 512;
/// How long the last echo may take.
const STALLED: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How long the server has to come to rest before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

struct Count(usize);

impl Sink for Count {
    fn echoed(&mut self, _sent_ns: u64) {
        self.0 += 1;
    }
}

/// Opens `--idle` connections, prints one line of JSON, and returns when stdin ends.
///
/// # Errors
/// A fault on a connection, or its end by the server.
pub fn run(options: &Options) -> Result<()> {
    let wanted = options.idle.unwrap_or(0);
    let messages = Messages::new(options)?;
    let server_ns = || options.server_pid.map_or(Ok(0), cpu::process_ns);
    let server_rss = || options.server_pid.map_or(Ok(0), cpu::process_rss);
    let (cpu_before, rss_before, start) = (server_ns()?, server_rss()?, Instant::now());
    let sockets = open(options, wanted)?;
    let (seconds, cpu_after) = (start.elapsed().as_secs_f64(), server_ns()?);
    let mut held = Held::new(sockets, &messages)?;
    if options.is_sized() {
        held.echo_once()?;
    }
    std::thread::sleep(SETTLE);
    let rss_after = server_rss()?;
    let peak = options.server_pid.map_or(Ok(0), cpu::process_peak)?;
    let per_connection = |total: f64| total / wanted.max(1) as f64;
    println!(
        "{{\"connections\":{wanted},\"seconds\":{seconds:.6},\"server_us_per_connection\":{:.4},\
         \"server_rss_before\":{rss_before},\"server_rss_after\":{rss_after},\
         \"server_bytes_per_connection\":{:.1},\"server_peak_bytes_per_connection\":{:.1}}}",
        per_connection((cpu_after - cpu_before) as f64 / 1e3),
        per_connection(rss_after as f64 - rss_before as f64),
        per_connection(peak as f64 - rss_before as f64),
    );
    held.until_stdin_ends()
}

struct Held<'a> {
    messages: &'a Messages,
    peers: Vec<Peer>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
}

impl<'a> Held<'a> {
    fn new(sockets: Vec<Channel>, messages: &'a Messages) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let peers: Vec<Peer> = sockets.into_iter().map(|socket| Peer::new(socket, 1)).collect();
        for (index, peer) in peers.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, peer.socket(), data, epoll::EventFlags::IN)?;
        }
        Ok(Self { messages, peers, epoll, buffer: vec![0; 64 * 1024] })
    }

    /// Sends one message on each connection, each after the previous one has come back, so that the server's buffers
    /// stay as small as such traffic leaves them.
    fn echo_once(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        for index in 0..self.peers.len() {
            self.peers[index].owe(1, 0);
            self.peers[index].flush(self.messages)?;
            if self.peers[index].blocked() {
                return Err("the socket did not take a message".into());
            }
            let mut count = Count(0);
            while count.0 == 0 {
                self.wait(&mut events, Some(&STALLED))?;
                if events.is_empty() {
                    return Err("no echo for 10 seconds".into());
                }
                for event in &events {
                    self.read(event.data.u64() as usize, &mut count)?;
                }
            }
        }
        Ok(())
    }

    fn until_stdin_ends(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        let data = epoll::EventData::new_u64(STDIN);
        epoll::add(&self.epoll, stdin(), data, epoll::EventFlags::IN)
            .map_err(|e| format!("stdin must be a pipe: {e}"))?;
        loop {
            self.wait(&mut events, None)?;
            for event in &events {
                if event.data.u64() == STDIN {
                    return Ok(());
                }
                self.read(event.data.u64() as usize, &mut Count(0))?;
            }
        }
    }

    fn wait(&self, events: &mut Vec<epoll::Event>, timeout: Option<&Timespec>) -> Result<()> {
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), timeout) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self, index: usize, count: &mut Count) -> Result<()> {
        match self.peers[index].read(&mut self.buffer)? {
            Read::Bytes(got) => {
                self.peers[index].take(&self.buffer[..got], self.messages, count)?;
                Ok(())
            }
            Read::Nothing => Ok(()),
            Read::End => Err(format!("the server ended connection {index}").into()),
        }
    }
}
