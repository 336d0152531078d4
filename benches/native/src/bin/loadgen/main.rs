//! The load generator: one thread, one epoll, one JSON line of results.
//!
//! `loadgen --help` lists the options. Every connection of an echo keeps `--depth` messages in flight (1 is
//! lockstep); `--idle`, `--broadcast` and `--accept` are other kinds of run, each a file here.
//!
//! With `--server-pid`, it reads the CPU time of the server itself at both ends of the measured time, so that no
//! wake-up of another process lies between the two clocks.

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
    let options: options::Options = clap::Parser::parse();
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
