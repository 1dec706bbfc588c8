//! A Java process whose standard output is read line by line, with deadlines.
use crate::{HeaderCodec, Jars, Release};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Longest time that any single wait on a Java process takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// A Java program did not do what the test needs; the text says what and shows its last output.
pub type JavaError = String;

/// Flags that reflection-heavy releases need on current JDKs.
pub(crate) const JVM: &[&str] = &[
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
];

/// A lone 5.x consumer takes up its new group's retry topic at the next rebalance, whose default is 20 s. Not for groups
/// of several members: they have to learn of each other from the broker.
const REBALANCE_OFTEN: &str = "-Drocketmq.client.rebalance.waitInterval=1000";

/// How `Peer` runs.
#[derive(Debug, Clone, Copy)]
pub struct PeerOptions {
    /// Which release's client.
    pub release: Release,
    /// Its header codec.
    pub codec: HeaderCodec,
}

impl PeerOptions {
    /// Both.
    pub fn new(release: Release, codec: HeaderCodec) -> Self {
        PeerOptions { release, codec }
    }
}

/// A running Java process; killed when dropped.
#[derive(Debug)]
pub struct Java {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Removed at the end.
    scratch: Option<PathBuf>,
    /// Every line read so far.
    pub seen: Vec<String>,
}

impl Java {
    /// Starts the official client with one step of `Peer` (see Peer.java).
    pub fn peer(options: PeerOptions, step: &[&str]) -> Result<Java, JavaError> {
        Java::launch(options, &[], step)
    }

    fn launch(options: PeerOptions, flags: &[&str], words: &[&str]) -> Result<Java, JavaError> {
        Java::run(options, flags, "Peer", words)
    }

    /// Runs a file of steps of `Operator` (see Operator.java) and returns its lines. `namesrv` must be among the values.
    pub fn operate(release: Release, steps: &Path, values: &[(&str, &str)]) -> Result<Vec<String>, JavaError> {
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let file = steps.display().to_string();
        let words: Vec<&str> = std::iter::once(file.as_str()).chain(values.iter().map(String::as_str)).collect();
        // The commands call System.exit, which is intercepted.
        let flags = [REBALANCE_OFTEN, "-Djava.security.manager=allow"];
        Java::run(PeerOptions::new(release, HeaderCodec::Json), &flags, "Operator", &words)?.finish()
    }

    fn run(options: PeerOptions, flags: &[&str], class: &str, words: &[&str]) -> Result<Java, JavaError> {
        let jars = Jars::get(options.release)?;
        let home = jars.folder.join("home");
        write_logging(&home, &["tools"])?;
        let scratch = scratch(&jars.folder);
        fs::create_dir_all(&scratch).map_err(|e| format!("cannot create {}: {e}", scratch.display()))?;
        let mut command = Command::new("java");
        command.current_dir(&scratch); // some commands write there
        command.args(JVM).arg("-Xmx192m").arg(format!("-Drocketmq.serialize.type={}", options.codec.java_name()));
        command.args(flags).arg("-Drocketmq.client.logUseSlf4j=true");
        command.arg(format!("-Drocketmq.client.localOffsetStoreDir={}", scratch.display()));
        command.arg(format!("-Duser.home={}", home.display())).env("ROCKETMQ_HOME", &home);
        command.arg("-cp").arg(&jars.class_path).arg(class).args(words);
        let mut java = Java::start(command)?;
        java.scratch = Some(scratch);
        Ok(java)
    }

    /// Runs several steps of `Peer` one after the other in one process; returns the lines of each.
    pub fn steps(options: PeerOptions, steps: &[Vec<String>]) -> Result<Vec<Vec<String>>, JavaError> {
        let words: Vec<String> = steps.join(&"+".to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let lines = Java::launch(options, &[REBALANCE_OFTEN], &words)?.finish()?;
        let mut parts: Vec<Vec<String>> =
            lines.split_inclusive(|line| line.starts_with("DONE ")).map(<[String]>::to_vec).collect();
        parts.truncate(steps.len()); // what comes after the last step is not its
        if parts.len() == steps.len() {
            Ok(parts)
        } else {
            Err(format!("{} of {} steps done; lines: {}", parts.len(), steps.len(), lines.join("\n    ")))
        }
    }

    pub(crate) fn start(mut command: Command) -> Result<Java, JavaError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("cannot start java: {e}"))?;
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
        Ok(Java { child, stdin, lines, scratch: None, seen: Vec::new() })
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

    fn wait_until(&mut self, what: &str, done: impl Fn(&str, &[String]) -> bool) -> Result<String, JavaError> {
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
            Err(format!("java ended with {status}: {}", self.tail()))
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

impl Drop for Java {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(scratch) = &self.scratch {
            let _ = fs::remove_dir_all(scratch);
        }
    }
}

/// A folder of its own per process, for broadcast offsets.
fn scratch(folder: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join("scratch").join(format!("{}-{n}", std::process::id()))
}

/// Logging configurations that some programs do not start without: nothing is logged.
pub(crate) fn write_logging(home: &Path, programs: &[&str]) -> Result<(), JavaError> {
    let conf = home.join("conf");
    fs::create_dir_all(&conf).map_err(|e| format!("cannot create {}: {e}", conf.display()))?;
    for program in programs {
        let path = conf.join(format!("logback_{program}.xml"));
        let text = "<configuration><root level=\"OFF\"/></configuration>\n";
        fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}
