//! The options of one run.

use std::path::PathBuf;
use std::time::Duration;

use wsrs_bench::Result;
use wsrs_bench::args::Args;
use wsrs_bench::frame::{BINARY, TEXT};

/// When the measured time ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After this long.
    Time(Duration),
    /// When this many echoes have come.
    Count(u64),
}

/// See the head of `main.rs`.
#[derive(Clone)]
pub struct Options {
    pub port: u16,
    pub connections: usize,
    pub depth: usize,
    pub size: usize,
    /// Whether `--size` was given: an idle run sends a message only then.
    pub sized: bool,
    /// `TEXT` or `BINARY`.
    pub opcode: u8,
    pub deflate: bool,
    pub warmup: Duration,
    pub until: Until,
    pub server_pid: Option<u32>,
    pub idle: Option<usize>,
    /// One connection sends, all receive.
    pub broadcast: bool,
    /// Connections are opened and closed over and over.
    pub accept: bool,
    /// The certificate to trust, where the server speaks TLS.
    pub tls: Option<PathBuf>,
    /// Addresses that the connections come from; 0 leaves it to the kernel, which takes 127.0.0.1.
    pub sources: u8,
}

/// There are that many addresses beside 127.0.0.1 in the last byte.
const MOST_SOURCES: u8 = 250;

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// Names the option that is missing, unknown or out of range.
    pub fn read() -> Result<Self> {
        let mut args = Args::parse(std::env::args().skip(1))?;
        let count: Option<u64> = args.optional("count")?;
        let seconds: Option<f64> = args.optional("seconds")?;
        let until = match (count, seconds) {
            (Some(_), Some(_)) => return Err("--count and --seconds exclude each other".into()),
            (Some(count), None) => Until::Count(count),
            (None, seconds) => Until::Time(duration("seconds", seconds.unwrap_or(1.0))?),
        };
        let opcode = match args.value("kind", "binary".to_owned())?.as_str() {
            "text" => TEXT,
            "binary" => BINARY,
            other => return Err(format!("--kind is text or binary, not {other:?}").into()),
        };
        let size: Option<usize> = args.optional("size")?;
        let port: Option<u16> = args.optional("port")?;
        let options = Self {
            port: port.ok_or("--port is needed")?,
            connections: args.value("connections", 1)?,
            depth: args.value("depth", 1)?,
            size: size.unwrap_or(64),
            sized: size.is_some(),
            opcode,
            deflate: args.flag("deflate")?,
            warmup: duration("warmup", args.value("warmup", 0.2)?)?,
            until,
            server_pid: args.optional("server-pid")?,
            idle: args.optional("idle")?,
            broadcast: args.flag("broadcast")?,
            accept: args.flag("accept")?,
            tls: args.optional("tls")?,
            sources: args.value("sources", 0)?,
        };
        args.finish()?;
        for (name, value) in [("connections", options.connections), ("depth", options.depth)] {
            if value == 0 {
                return Err(format!("--{name} is at least 1").into());
            }
        }
        if options.sources > MOST_SOURCES {
            return Err(format!("--sources is at most {MOST_SOURCES}").into());
        }
        if options.accept && (options.deflate || options.tls.is_some()) {
            return Err("--accept opens plain connections: neither --deflate nor --tls".into());
        }
        Ok(options)
    }
}

fn duration(name: &str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|e| format!("--{name} {seconds}: {e}").into())
}
