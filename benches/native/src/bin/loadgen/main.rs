//! The load generator: one thread, one epoll, one JSON line of results.
//!
//! Echo: `loadgen --port P --connections N --depth D --size S --kind text|binary --warmup S
//! (--seconds S | --count M) [--deflate] [--server-pid PID]`. Every connection keeps D messages in
//! flight (1 is lockstep). Idle: `loadgen --port P --idle N [--size S] [--deflate] [--server-pid PID]`
//! opens N connections (with `--size`, one message is echoed on each) and holds them until stdin ends.
//! Broadcast: the options of an echo and `--broadcast`. One connection sends, keeping D messages in
//! flight, and the server sends each of them to all; what counts is each message that came.
//! Accept: `loadgen --port P --accept --connections N`, with the times of an echo. N at a time are opened,
//! closed by the closing handshake, and opened anew; what counts is each that was.
//!
//! `--tls FILE` speaks TLS and trusts the certificate in FILE (PEM) alone. `--sources K` lets the
//! connections come from K addresses, 127.0.0.2 and on: one address has some 28,000 ports.
//!
//! With `--server-pid` the CPU time of the server is read at the very edges of the measured time, so
//! that no other process's wake-up lies between the two clocks.

#[cfg(target_os = "linux")]
mod accept;
#[cfg(target_os = "linux")]
mod broadcast;
#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
mod echo;
#[cfg(target_os = "linux")]
mod histogram;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod messages;
#[cfg(target_os = "linux")]
mod open;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod parser;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod tls;

#[cfg(target_os = "linux")]
fn run() -> wsrs_bench::Result<()> {
    wsrs_bench::refuse_debug_build()?;
    let options = options::Options::read()?;
    let line = match options.idle {
        Some(_) => return idle::run(&options),
        None if options.broadcast => broadcast::run(&options)?,
        None if options.accept => accept::run(&options)?,
        None => echo::run(&options)?,
    };
    println!("{line}");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn run() -> wsrs_bench::Result<()> {
    Err("the load generator is written on epoll: it runs on Linux only".into())
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
