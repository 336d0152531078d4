//! Readings at both ends of the measured time, and the line of JSON that is made from them.

use hdrhistogram::Histogram;
use wsrs_bench::Result;

use crate::cpu;
use crate::options::Options;

/// Readings at one end of the measured time.
#[derive(Clone, Copy, Default)]
pub struct Edge {
    /// Nanoseconds since the run began.
    pub at: u64,
    own: u64,
    idle: u64,
    server: u64,
    machine: u64,
}

impl Edge {
    /// Reads the clocks; `idle` are the nanoseconds spent polling while there were no events.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn read(options: &Options, now: impl Fn() -> u64, idle: u64) -> Result<Self> {
        let server = options.server_pid.map_or(Ok(0), cpu::process_ns)?;
        Ok(Self { at: now(), own: cpu::own_ns(), idle, server, machine: cpu::machine_ns() })
    }
}

/// A histogram for latencies of up to an hour, in nanoseconds, to three significant digits.
///
/// # Errors
/// None: the library would only refuse bounds that are out of order.
pub fn latencies() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 3_600_000_000_000, 3)?)
}

/// What was counted between both ends.
pub struct Counts<'a> {
    pub messages: u64,
    /// In nanoseconds.
    pub latencies: &'a Histogram<u64>,
    /// The average length of a sent message, including its framing.
    pub wire_sent: f64,
    /// Bytes received in all.
    pub received: u64,
}

/// The measured time as one JSON object.
pub fn report(options: &Options, begin: &Edge, end: &Edge, counts: &Counts<'_>) -> String {
    let messages = counts.messages;
    let seconds = (end.at - begin.at) as f64 / 1e9;
    let own = (end.own - begin.own) as f64 / 1e9;
    let idle = (end.idle - begin.idle) as f64 / 1e9;
    let server = (end.server - begin.server) as f64 / 1e9;
    let others = (end.machine - begin.machine) as f64 / 1e9 - own - server;
    let latency_us = |quantile| counts.latencies.value_at_quantile(quantile) as f64 / 1e3;
    let per_message = |total: f64| total / messages.max(1) as f64;
    let server_fields = if options.server_pid.is_some() {
        format!(
            ",\"server_cpu_seconds\":{server:.6},\"server_busy\":{:.4},\
             \"server_us_per_message\":{:.5},\"others_busy\":{:.4}",
            server / seconds,
            per_message(server * 1e6),
            (others / seconds).max(0.0)
        )
    } else {
        String::new()
    };
    format!(
        "{{\"messages\":{messages},\"seconds\":{seconds:.6},\"messages_per_second\":{:.1},\
         \"latency_p50_us\":{:.2},\"latency_p99_us\":{:.2},\"generator_cpu_seconds\":{own:.6},\
         \"generator_busy\":{:.4},\"wire_bytes_sent\":{:.1},\"wire_bytes_received\":{:.1}{server_fields}}}",
        messages as f64 / seconds,
        latency_us(0.5),
        latency_us(0.99),
        1.0 - idle / seconds,
        counts.wire_sent,
        per_message(counts.received as f64),
    )
}
