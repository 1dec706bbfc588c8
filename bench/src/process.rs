//! What the kernel says about a process (Linux only; zero elsewhere), and signals to it.
use std::fs;
use std::process::Command;

/// User and system time of process `pid` so far, in microseconds.
pub fn cpu_micros(pid: u32) -> u64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0 };
    // The name in parentheses may hold blanks; fields are counted after it.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0 };
    let fields: Vec<u64> = rest.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
    let ticks = fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    // USER_HZ is 100 on every Linux that matters.
    ticks * 10_000
}

/// Resident memory of process `pid`, mapped files included, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().split(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Sends a signal (`TERM`, `STOP`, `CONT`) to process `pid`. One that is gone needs none.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
}

/// Allows this process, and those it starts, as many open files as the system lets it.
pub fn raise_open_files() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
