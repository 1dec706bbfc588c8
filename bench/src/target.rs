//! The servers under load, each a process of its own.
use crate::process::signal;
use ferromq_interop::{Apache, Release};
use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time a server gets to end by itself.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Our broker: the executable.
    Ferromq(PathBuf),
    /// Apache's broker, the newer release.
    Apache,
    /// The echo server of this program.
    Echo,
}

impl Kind {
    /// Its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Ferromq(_) => "FerroMQ",
            Kind::Apache => "Apache 5.4.0",
            Kind::Echo => "echo server",
        }
    }
}

/// A started server.
pub struct Target {
    /// Address for sends and pulls.
    pub broker: String,
    /// Address of the name server beside it; empty for the echo server.
    pub namesrv: String,
    /// Its process id.
    pub pid: u32,
    /// Which server it is.
    pub kind: Kind,
    /// A JVM compiles its hot code first: the first load on it runs longer before it is measured.
    cold: Cell<bool>,
    child: Option<Child>,
    apache: Vec<Apache>,
    _folder: TempDir,
}

impl Target {
    /// Starts the server on free loopback ports in a new temporary folder. `properties` are those of our broker.
    pub fn start(kind: &Kind, properties: &[(&str, &str)]) -> Result<Target, String> {
        let folder = tempfile::Builder::new().prefix("ferromq-bench-").tempdir().map_err(|e| e.to_string())?;
        match kind {
            Kind::Ferromq(path) => {
                let data = folder.path().join("data").display().to_string();
                let mut command = Command::new(path);
                command.args([
                    "standalone",
                    "--json",
                    "--namesrv-port",
                    "0",
                    "--broker-port",
                    "0",
                    "--data-dir",
                    &data,
                ]);
                properties.iter().for_each(|(name, value)| {
                    command.arg("--property").arg(format!("{name}={value}"));
                });
                Target::child(kind, &mut command, folder)
            }
            Kind::Echo => {
                let own = std::env::current_exe().map_err(|e| e.to_string())?;
                Target::child(kind, Command::new(own).arg("echo"), folder)
            }
            Kind::Apache => {
                let ns = Apache::name_server(Release::V5_4_0, folder.path())?;
                let data = folder.path().join("data");
                let broker = Apache::broker_at_full_speed(Release::V5_4_0, folder.path(), &data, "bench", &ns.address)?;
                Ok(Target {
                    broker: broker.address.clone(),
                    namesrv: ns.address.clone(),
                    pid: broker.pid(),
                    kind: kind.clone(),
                    cold: Cell::new(true),
                    child: None,
                    apache: vec![broker, ns],
                    _folder: folder,
                })
            }
        }
    }

    fn child(kind: &Kind, command: &mut Command, folder: TempDir) -> Result<Target, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", kind.name()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let said: serde_json::Value =
            serde_json::from_str(&line).map_err(|e| format!("{} said {line:?}: {e}", kind.name()))?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_string();
        let pid = child.id();
        Ok(Target {
            broker: text("broker"),
            namesrv: text("namesrv"),
            pid,
            kind: kind.clone(),
            cold: Cell::new(false),
            child: Some(child),
            apache: Vec::new(),
            _folder: folder,
        })
    }

    /// The echo server accepts everything without a topic.
    pub fn has_topics(&self) -> bool {
        self.kind != Kind::Echo
    }

    /// How long the next load runs before it is measured.
    pub fn warm_up(&self, usual: Duration) -> Duration {
        /// By then the compilers of the JVM have little left to do.
        const JVM: Duration = Duration::from_secs(8);
        if self.cold.replace(false) {
            JVM
        } else {
            usual
        }
    }

    /// Stops it, so that it takes nothing from a measured one.
    pub fn pause(&self) {
        signal(self.pid, "STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        signal(self.pid, "CONT");
    }
}

impl Drop for Target {
    /// Ends the server: SIGTERM, then a bounded wait, then SIGKILL.
    fn drop(&mut self) {
        self.resume();
        if let Some(child) = &mut self.child {
            drop(child.stdin.take());
            signal(child.id(), "TERM");
            let deadline = Instant::now() + STOP_WITHIN;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        self.apache.drain(..).for_each(Apache::kill);
    }
}
