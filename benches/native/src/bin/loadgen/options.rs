//! The options of one run.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use wsrs_bench::frame::{BINARY, TEXT};

/// The type of a message.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
#[repr(u8)]
pub enum Kind {
    Text = TEXT,
    Binary = BINARY,
}

/// Puts load on a WebSocket server on 127.0.0.1, and prints one line of JSON. Without `--idle`, `--broadcast` or
/// `--accept` it sends messages and counts their echoes.
#[derive(Clone, Parser)]
pub struct Options {
    /// Port of the server
    #[arg(long)]
    pub port: u16,
    /// Connections; with `--accept`, those that are open at a time
    #[arg(long, default_value_t = 1, value_parser = at_least_1())]
    pub connections: usize,
    /// Messages that each connection (in a broadcast, the one that sends) keeps in flight
    #[arg(long, default_value_t = 1, value_parser = at_least_1())]
    pub depth: usize,
    /// Bytes of a message, 64 by default; idle connections send one only if this is given
    #[arg(long)]
    size: Option<usize>,
    /// Kind of the messages
    #[arg(long, value_enum, default_value_t = Kind::Binary)]
    pub kind: Kind,
    /// Offer permessage-deflate and compress
    #[arg(long)]
    pub deflate: bool,
    /// Seconds before the measured time
    #[arg(long, default_value = "0.2", value_parser = seconds)]
    pub warmup: Duration,
    /// Seconds of the measured time
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Measure this number of messages, however long they take
    #[arg(long, conflicts_with = "seconds")]
    count: Option<u64>,
    /// The process whose CPU time and memory are reported
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// Open this number of connections, report, and hold them until stdin ends
    #[arg(long, group = "run")]
    pub idle: Option<usize>,
    /// One connection sends, and the server sends each message to all; every message that arrives is counted
    #[arg(long, group = "run")]
    pub broadcast: bool,
    /// Connections are opened and closed over and over, and each of them is counted
    #[arg(long, group = "run", conflicts_with_all = ["deflate", "tls"])]
    pub accept: bool,
    /// Use TLS, and trust only the certificate in this file (PEM)
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// The number of addresses, from 127.0.0.2 on, that connections come from: one address has some 28,000 ports.
    /// With 0 the kernel chooses, and takes 127.0.0.1
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=250))]
    pub sources: u8,
}

impl Options {
    /// The length of a message.
    pub fn size(&self) -> usize {
        self.size.unwrap_or(64)
    }

    /// True if `--size` was given.
    pub fn is_sized(&self) -> bool {
        self.size.is_some()
    }

    /// True if the measured time ends after `ns` nanoseconds and `count` messages.
    pub fn is_over(&self, ns: u64, count: u64) -> bool {
        self.count.map_or(ns >= self.seconds.as_nanos() as u64, |most| count >= most)
    }
}

fn at_least_1() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(words: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(format!("loadgen {words}").split_whitespace())
    }

    #[test]
    fn defaults() {
        let options = read("--port 80").unwrap();
        assert_eq!(
            (options.port, options.connections, options.depth, options.size()),
            (80, 1, 1, 64)
        );
        assert_eq!(options.warmup, Duration::from_millis(200));
        assert!(options.kind as u8 == BINARY && !options.is_sized());
        assert!(!options.is_over(999_999_999, u64::MAX) && options.is_over(1_000_000_000, 0));
    }

    #[test]
    fn a_count_replaces_the_time() {
        let options = read("--port 80 --count 5 --kind text --size 0").unwrap();
        assert!(!options.is_over(u64::MAX, 4) && options.is_over(0, 5));
        assert!(options.kind as u8 == TEXT && options.is_sized());
    }

    #[test]
    fn an_error_names_the_option() {
        for (words, named) in [
            ("--deflate", "--port"),
            ("--port 65536", "--port"),
            ("--port 80 --what", "--what"),
            ("--port 80 stray", "stray"),
            ("--port 80 --connections 0", "--connections"),
            ("--port 80 --depth 0", "--depth"),
            ("--port 80 --size x", "--size"),
            ("--port 80 --kind json", "--kind"),
            ("--port 80 --warmup=-1", "--warmup"),
            ("--port 80 --seconds nan", "--seconds"),
            ("--port 80 --seconds 1 --count 1", "--count"),
            ("--port 80 --sources 251", "--sources"),
            ("--port 80 --accept --deflate", "--accept"),
            ("--port 80 --accept --tls x", "--accept"),
            ("--port 80 --accept --idle 1", "--accept"),
            ("--port 80 --deflate 1", "1"),
        ] {
            let said = read(words).err().unwrap().to_string();
            let first = said.lines().next().unwrap();
            assert!(said.contains(named) && first.starts_with("error:"), "{words}: {said}");
        }
    }
}
