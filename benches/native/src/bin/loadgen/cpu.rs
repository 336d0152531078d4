//! The CPU time of this process and of the server, and how busy the machine was.

use std::fs;

use rustix::time::{ClockId, clock_gettime};
use wsrs_bench::Result;

/// The CPU time of this process, in nanoseconds.
pub fn own_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// The CPU time of all threads of process `pid`, in nanoseconds: the first number of each thread's
/// `schedstat`. That of a running thread is as old as the last tick (4 ms at most).
///
/// # Errors
/// When the process is gone.
pub fn process_ns(pid: u32) -> Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended after the listing.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            total += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(total)
}

/// Resident memory of process `pid` in bytes (`VmRSS`).
///
/// # Errors
/// When the process is gone.
pub fn process_rss(pid: u32) -> Result<u64> {
    memory(pid, "VmRSS:")
}

/// The peak of the resident memory of process `pid` (`VmHWM`).
///
/// # Errors
/// When the process is gone.
pub fn process_peak(pid: u32) -> Result<u64> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    Ok(kib.ok_or_else(|| format!("/proc/PID/status has no {name}"))? * 1024)
}

/// How long all processors together have been busy since boot, in nanoseconds and in steps of 10 ms:
/// user, nice, system, irq, softirq and steal in `/proc/stat`.
pub fn machine_ns() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&i| ticks.get(i)).sum::<u64>();
    busy * 10_000_000
}
