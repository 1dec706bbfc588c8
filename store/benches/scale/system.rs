//! What the system knows of this process; zeros where it does not tell.
use std::path::Path;

/// A number of /proc/self/`file`: the one behind `name`.
pub fn number(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Memory that no file stands behind, bytes.
pub fn anonymous_bytes() -> u64 {
    number("status", "RssAnon:") * 1024
}

/// Memory that files stand behind: pages of maps.
pub fn file_bytes() -> u64 {
    number("status", "RssFile:") * 1024
}

/// Bytes read from the disk.
pub fn disk_bytes() -> u64 {
    number("io", "read_bytes:")
}

/// Nanoseconds for which this thread was ready to run and others ran.
pub fn kept_waiting() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0)
}

/// Seconds that `work` takes, without those for which the processor was with others: what this thread ran and what it waited for.
pub fn own_seconds(work: impl FnOnce()) -> f64 {
    let (start, before) = (std::time::Instant::now(), kept_waiting());
    work();
    start.elapsed().as_secs_f64() - (kept_waiting() - before) / 1e9
}
