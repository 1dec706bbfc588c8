//! A progress line on standard error, when that is a terminal: count, bytes, rate. Silent otherwise.
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two updates of the line.
const EVERY: Duration = Duration::from_millis(200);

/// Counts messages and shows them.
pub struct Progress {
    verb: &'static str,
    shown: bool,
    messages: u64,
    bytes: u64,
    started: Instant,
    last: Instant,
}

impl Progress {
    /// Nothing counted yet. `verb` is what happens to messages: "sent", "received".
    pub fn new(verb: &'static str) -> Progress {
        let now = Instant::now();
        Progress { verb, shown: std::io::stderr().is_terminal(), messages: 0, bytes: 0, started: now, last: now }
    }

    /// One more message of `bytes` bytes.
    pub fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
        if self.shown && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            eprint!("\r{}\x1b[K", self.line());
            let _ = std::io::stderr().flush();
        }
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Ends the line.
    pub fn finish(&self) {
        if self.shown {
            eprintln!("\r{}\x1b[K", self.line());
        }
    }

    fn line(&self) -> String {
        let rate = self.messages as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        format!("{} {} messages, {} KiB, {rate:.0}/s", self.verb, self.messages, self.bytes / 1024)
    }
}
