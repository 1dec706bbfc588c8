//! A child process whose output is read line by line, with deadlines.
//!
//! Two threads per process hand its lines over and end with its output. Nothing here knows what the process is.
use crate::JavaError;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Longest time that any single wait on a process takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Removed at the end.
    scratch: Option<PathBuf>,
    /// Every line read so far.
    pub seen: Vec<String>,
}

impl Process {
    /// Starts it.
    pub fn start(mut command: Command) -> Result<Process, JavaError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("cannot start {command:?}: {e}"))?;
        let (sender, lines) = std::sync::mpsc::channel();
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child.stdout.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
            child.stderr.take().map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let stdin = child.stdin.take();
        Ok(Process { child, stdin, lines, scratch: None, seen: Vec::new() })
    }

    /// With a folder that is removed at the end.
    pub(crate) fn with_scratch(mut self, scratch: PathBuf) -> Process {
        self.scratch = Some(scratch);
        self
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) -> Result<(), JavaError> {
        let stdin = self.stdin.as_mut().ok_or("its standard input is closed")?;
        let told = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        told.map_err(|e| format!("cannot tell {line:?}: {e}; last lines: {}", self.tail()))
    }

    /// Reads until a line begins with `prefix` and returns it.
    pub fn wait_for(&mut self, prefix: &str) -> Result<String, JavaError> {
        self.wait_until(prefix, |line, _| line.starts_with(prefix))
    }

    /// Reads until `count` lines in all begin with `prefix`.
    pub fn wait_count(&mut self, prefix: &str, count: usize) -> Result<(), JavaError> {
        if self.with(prefix).len() >= count {
            return Ok(());
        }
        let what = format!("{count} lines {prefix}");
        self.wait_until(&what, |_, seen| seen.iter().filter(|l| l.starts_with(prefix)).count() >= count).map(drop)
    }

    /// Reads until `done` says so of the line that came and of all lines; returns that line.
    pub fn wait_until(&mut self, what: &str, done: impl Fn(&str, &[String]) -> bool) -> Result<String, JavaError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line);
                    if done(&self.seen[self.seen.len() - 1], &self.seen) {
                        return Ok(self.seen[self.seen.len() - 1].clone());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no {what:?} in time; last lines: {}", self.tail()))
                }
                Err(RecvTimeoutError::Disconnected) => return Err(format!("ended without {what:?}: {}", self.tail())),
            }
        }
    }

    /// Lets the program end (its standard input closes), checks its exit code and returns all its lines.
    pub fn finish(mut self) -> Result<Vec<String>, JavaError> {
        self.stdin = None;
        self.read_to_end("ends")?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        let bad = self.seen.iter().any(|l| l.starts_with("BAD"));
        if status.success() && !bad {
            Ok(std::mem::take(&mut self.seen))
        } else {
            Err(format!("it ended with {status}: {}", self.tail()))
        }
    }

    /// All lines so far that begin with `prefix`.
    pub fn with(&self, prefix: &str) -> Vec<&str> {
        self.seen.iter().filter(|l| l.starts_with(prefix)).map(String::as_str).collect()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by process id (`TERM` lets shutdown hooks run).
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(mut self) -> Result<(), JavaError> {
        self.signal("TERM");
        self.read_to_end("ends on SIGTERM")?;
        self.child.wait().map(drop).map_err(|e| e.to_string())
    }

    /// Reads until the process closes its output; gives up when it is silent for too long.
    fn read_to_end(&mut self, what: &str) -> Result<(), JavaError> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("neither {what} nor says a word: {}", self.tail()))
                }
            }
        }
    }

    /// Reads what has come, without waiting.
    pub fn drain(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    fn tail(&self) -> String {
        self.seen[self.seen.len().saturating_sub(25)..].join("\n    ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(scratch) = &self.scratch {
            let _ = fs::remove_dir_all(scratch);
        }
    }
}
