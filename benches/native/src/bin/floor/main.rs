//! The floor: a WebSocket echo server that checks nothing.
//!
//! It has one thread, level-triggered epoll, and one `recv` per ready socket; all complete frames of that read are
//! unmasked and echoed in one `send`. It has no UTF-8, no limits, no fragmentation and no timers. What remains is
//! the work that the kernel demands of any server, so every ratio in the results is compared with it.
//! Prints `listening PORT`; SIGTERM ends it.

#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod server;

/// A WebSocket echo server on 127.0.0.1 that checks nothing. It prints `listening PORT`; SIGTERM ends it.
#[cfg(target_os = "linux")]
#[derive(clap::Parser)]
struct Options {
    /// Port to listen on; 0 lets the kernel choose one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[cfg(target_os = "linux")]
fn run() -> wsrs_bench::Result<()> {
    wsrs_bench::refuse_debug_build()?;
    let options: Options = clap::Parser::parse();
    server::serve(options.port)
}

#[cfg(not(target_os = "linux"))]
fn run() -> wsrs_bench::Result<()> {
    Err("the floor is written on epoll: it runs on Linux only".into())
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
