//! What a person watches while a round runs: a line with the rate and the lag of the producer and of every group.
use crate::data::{Fate, Flight};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the producer has sent. Written by its lanes, read by the progress line.
#[derive(Debug, Default)]
pub struct Sent {
    all: AtomicUsize,
    late: AtomicUsize,
}

impl Sent {
    /// One more flight was acknowledged by the broker.
    pub fn add(&self, flight: &Flight) {
        if flight.fate == Fate::Late {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// All flights sent.
    pub fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// What is there for the groups A, B and C.
    pub fn for_groups(&self) -> [usize; 3] {
        let late = self.late.load(Ordering::Relaxed);
        [self.all(), late, self.all()]
    }
}

/// The line: overwritten in a terminal, a new one every two seconds elsewhere.
pub struct Progress {
    started: Instant,
    last: (Instant, [usize; 4]),
    terminal: bool,
}

impl Progress {
    /// A round begins.
    pub fn start() -> Progress {
        let now = Instant::now();
        Progress { started: now, last: (now, [0; 4]), terminal: std::io::stdout().is_terminal() }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows the line when it is due. `received` counts the distinct messages of the groups A, B and C.
    pub fn show(&mut self, sent: &Sent, received: [usize; 3]) {
        let since = self.last.0.elapsed();
        if since < Duration::from_millis(if self.terminal { 200 } else { 2000 }) {
            return;
        }
        let counts = [sent.all(), received[0], received[1], received[2]];
        let mut rates = [0.0; 4];
        for (rate, (now, before)) in rates.iter_mut().zip(counts.iter().zip(self.last.1)) {
            *rate = now.saturating_sub(before) as f64 / since.as_secs_f64();
        }
        self.last = (Instant::now(), counts);
        let mut line = format!("{:5.1} s  sent {:>6}  {:>6.0}/s", self.elapsed().as_secs_f64(), counts[0], rates[0]);
        for (i, (there, name)) in sent.for_groups().into_iter().zip(["A", "B", "C"]).enumerate() {
            line += &format!("  | {name} {:>6.0}/s  lag {:>5}", rates[i + 1], there.saturating_sub(received[i]));
        }
        if self.terminal {
            print!("\r{line}\x1b[K");
        } else {
            println!("{line}");
        }
        let _ = std::io::stdout().flush();
    }

    /// Something happened: a line of its own.
    pub fn note(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        println!("{clear}{:5.1} s  {text}", self.elapsed().as_secs_f64());
    }

    /// Ends the line.
    pub fn end(&self) {
        if self.terminal {
            print!("\r\x1b[K");
            let _ = std::io::stdout().flush();
        }
    }
}
