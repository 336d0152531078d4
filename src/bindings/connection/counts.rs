//! What a connection has counted: plain fields of its state, added to where the message is at hand anyway.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::connection::state::{State, Wire};

/// Pings whose pong may still come; of more, the oldest are forgotten.
const PINGS: usize = 16;

/// The counters of a connection. Bytes of messages are those that the program gives and gets; bytes of the
/// wire are all of the connection's since its handshake.
#[derive(Default)]
pub struct Counts {
    pub messages_sent: u64,
    pub bytes_sent: u64,
    pub messages_received: u64,
    pub bytes_received: u64,
    pub wire_received: u64,
    /// To be added to what the wire itself has counted: less what was written before it was ours, or all
    /// that was written, when it is gone.
    wire_sent: i64,
    /// Messages that were not queued, because more than the mark was.
    pub refused: u64,
    /// Broadcasts that left the connection out.
    pub skipped: u64,
    /// There once a ping was sent.
    pings: Option<Box<Pings>>,
}

/// The pings that are under way, oldest first, and how long the last one took.
#[derive(Default)]
struct Pings {
    under_way: VecDeque<(Box<[u8]>, Instant)>,
    last: Option<Duration>,
}

impl Counts {
    /// A message, or a fragment of one, was queued.
    #[inline]
    pub const fn sent(&mut self, bytes: usize, last: bool) {
        self.messages_sent += last as u64;
        self.bytes_sent += bytes as u64;
    }

    /// A message came.
    #[inline]
    pub const fn received(&mut self, bytes: usize) {
        self.messages_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// `written` bytes went out before the wire was a WebSocket's.
    pub const fn begin_wire(&mut self, written: u64) {
        self.wire_sent = -(written as i64);
    }

    /// The wire goes; it has written this much.
    pub const fn end_wire(&mut self, written: u64) {
        self.wire_sent += written as i64;
    }

    /// Bytes that went out, where the wire itself says `written`.
    fn wire_sent(&self, written: u64) -> u64 {
        u64::try_from(self.wire_sent + written as i64).unwrap_or_default()
    }

    /// A ping was queued.
    #[cold]
    pub fn pinged(&mut self, data: &[u8]) {
        let pings = self.pings.get_or_insert_default();
        if pings.under_way.len() == PINGS {
            pings.under_way.pop_front();
        }
        pings.under_way.push_back((data.into(), Instant::now()));
    }

    /// A pong came. It answers the oldest ping with its data, and those before that go unanswered: "an
    /// endpoint … MAY elect to send a Pong frame for only the most recently processed Ping frame"
    /// (RFC 6455 section 5.5.3).
    #[cold]
    pub fn ponged(&mut self, data: &[u8]) {
        let Some(pings) = &mut self.pings else { return };
        let Some(place) = pings.under_way.iter().position(|(sent, _)| **sent == *data) else {
            return;
        };
        let at = pings.under_way.get(place).map(|(_, at)| *at);
        pings.under_way.drain(..=place);
        if pings.under_way.is_empty() {
            // A connection that is pinged now and then keeps no room for it.
            pings.under_way = VecDeque::new();
        }
        pings.last = at.map(|at| at.elapsed());
    }
}

impl State {
    /// The wire is gone, or goes: what it had written is kept. An engine's socket tells by
    /// [`keep_written`].
    pub fn drop_wire(&mut self) -> Wire {
        let wire = std::mem::replace(&mut self.wire, Wire::None);
        if let Wire::Loop { written, .. } = &wire {
            self.counts.end_wire(*written);
        }
        wire
    }
}

/// An engine's socket is closed, having written this much.
#[cfg(unix)]
pub fn keep_written(py: Python<'_>, connection: &Connection, written: u64) {
    connection.state.with(py, |state| state.counts.end_wire(written));
}

/// See `wsrs._backend.contract.Counts`.
type Sums = (u64, u64, u64, u64, u64, u64, u64, u64, f64, usize);

/// The sums of what connections have counted.
#[pyfunction]
pub fn counts(connections: Vec<Bound<'_, Connection>>) -> Sums {
    let mut sums = Sums::default();
    for connection in &connections {
        let (py, this) = (connection.py(), connection.get());
        let written = this.wire_written(py);
        this.state.with(py, |state| {
            let one = &state.counts;
            sums.0 += one.messages_sent;
            sums.1 += one.bytes_sent;
            sums.2 += one.wire_sent(written);
            sums.3 += one.messages_received;
            sums.4 += one.bytes_received;
            sums.5 += one.wire_received;
            sums.6 += one.refused;
            sums.7 += one.skipped;
            if let Some(last) = one.pings.as_ref().and_then(|pings| pings.last) {
                sums.8 += last.as_secs_f64();
                sums.9 += 1;
            }
        });
    }
    sums
}

impl Connection {
    /// What the wire has written since it was made; 0 when it is gone.
    pub fn wire_written(&self, py: Python<'_>) -> u64 {
        #[cfg(unix)]
        if let Some(token) = self.token(py) {
            let written = self
                .reactor(py)
                .sockets
                .with(py, |sockets| Some(sockets.engine()?.out_ref(token)?.total_written()));
            return written.unwrap_or(0);
        }
        self.state.with(py, |state| match state.wire {
            Wire::Loop { written, .. } => written,
            _ => 0,
        })
    }
}
