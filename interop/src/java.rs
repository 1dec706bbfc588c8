//! Java programs: the official clients and the official tool, as this crate's own programs in `java/` drive them.
use crate::{HeaderCodec, Jars, Process, Release};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A program did not do what the test needs; the text says what and shows its last output.
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

/// Queues that a broker's restart has unlocked are locked again soon; the default is 20 s.
const LOCK_OFTEN: &str = "-Drocketmq.client.rebalance.lockInterval=1000";

/// On a busy machine a client waits longer for a connection than 3 s, and one answer that is late does not cost it the connection
/// and with it all other requests under way.
const PATIENT: [&str; 2] = [
    "-Dcom.rocketmq.remoting.client.connect.timeout=30000",
    "-Dcom.rocketmq.remoting.client.closeSocketIfTimeout=false",
];

/// How `Peer` and `Agent` run.
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

/// A process that runs one of our Java programs.
pub type Java = Process;

impl Java {
    /// Starts the official client with one step of `Peer` (see Peer.java).
    pub fn peer(options: PeerOptions, step: &[&str]) -> Result<Process, JavaError> {
        Java::launch(options, &[], step)
    }

    fn launch(options: PeerOptions, flags: &[&str], words: &[&str]) -> Result<Process, JavaError> {
        Java::run(options, flags, "Peer", words)
    }

    /// Starts official clients that do what they are told (see Agent.java).
    pub fn agent(options: PeerOptions, namesrv: &str) -> Result<Process, JavaError> {
        Java::run(options, &[REBALANCE_OFTEN, LOCK_OFTEN], "Agent", &[namesrv])
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

    fn run(options: PeerOptions, flags: &[&str], class: &str, words: &[&str]) -> Result<Process, JavaError> {
        let jars = Jars::get(options.release)?;
        let home = jars.folder.join("home");
        write_logging(&home, &["tools"])?;
        let scratch = scratch(&jars.folder);
        fs::create_dir_all(&scratch).map_err(|e| format!("cannot create {}: {e}", scratch.display()))?;
        let mut command = Command::new("java");
        command.current_dir(&scratch); // some commands write there
        command.args(JVM).arg("-Xmx192m").arg(format!("-Drocketmq.serialize.type={}", options.codec.java_name()));
        command.args(PATIENT).args(flags).arg("-Drocketmq.client.logUseSlf4j=true");
        command.arg(format!("-Drocketmq.client.localOffsetStoreDir={}", scratch.display()));
        command.arg(format!("-Duser.home={}", home.display())).env("ROCKETMQ_HOME", &home);
        command.arg("-cp").arg(&jars.class_path).arg(class).args(words);
        Ok(Process::start(command)?.with_scratch(scratch))
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
