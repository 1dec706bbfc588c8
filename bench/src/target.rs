//! The servers under load, each a process of its own.
use crate::process::anonymous_kib;
use ferromq_interop::{Apache, Release};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which server.
#[derive(Debug, Clone)]
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
            Kind::Ferromq(_) => "ferromq",
            Kind::Apache => "apache",
            Kind::Echo => "echo",
        }
    }
}

/// The targets of a run, in the order of a pair.
pub fn kinds(ferromq: &Path, with_apache: bool) -> Result<Vec<Kind>, String> {
    let mut kinds = vec![Kind::Echo, Kind::Ferromq(ferromq.to_path_buf())];
    if with_apache {
        if let Some(reason) = ferromq_interop::missing_tools() {
            return Err(format!("Apache's broker {reason}; --without-apache leaves it out"));
        }
        kinds.push(Kind::Apache);
    }
    Ok(kinds)
}

/// A started server.
pub struct Target {
    /// Address for sends and pulls.
    pub broker: String,
    /// Its process id.
    pub pid: u32,
    /// From spawn to the first answer on the port, in milliseconds.
    pub ready_ms: f64,
    /// Anonymous memory right after start, in KiB.
    pub anonymous_kib: u64,
    kind: Kind,
    child: Option<Child>,
    apache: Vec<Apache>,
    _folder: TempDir,
}

impl Target {
    /// Starts the server on free loopback ports in a new temporary folder.
    pub fn start(kind: &Kind) -> Result<Target, String> {
        let folder = tempfile::Builder::new().prefix("ferromq-bench-").tempdir().map_err(|e| e.to_string())?;
        let started = Instant::now();
        match kind {
            Kind::Ferromq(path) => {
                let data = folder.path().join("data").display().to_string();
                let args = ["standalone", "--json", "--namesrv-port", "0", "--broker-port", "0", "--data-dir", &data];
                Target::child(kind, Command::new(path).args(args), started, folder)
            }
            Kind::Echo => {
                let own = std::env::current_exe().map_err(|e| e.to_string())?;
                Target::child(kind, Command::new(own).arg("echo"), started, folder)
            }
            Kind::Apache => {
                let ns = Apache::name_server(Release::V5_4_0, folder.path())?;
                let started = Instant::now();
                let data = folder.path().join("data");
                let broker = Apache::broker_at_full_speed(Release::V5_4_0, folder.path(), &data, "bench", &ns.address)?;
                Ok(Target {
                    broker: broker.address.clone(),
                    pid: broker.pid(),
                    ready_ms: started.elapsed().as_secs_f64() * 1000.0,
                    anonymous_kib: anonymous_kib(broker.pid()),
                    kind: kind.clone(),
                    child: None,
                    apache: vec![broker, ns],
                    _folder: folder,
                })
            }
        }
    }

    fn child(kind: &Kind, command: &mut Command, started: Instant, folder: TempDir) -> Result<Target, String> {
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
        let ready_ms = started.elapsed().as_secs_f64() * 1000.0;
        let said: serde_json::Value =
            serde_json::from_str(&line).map_err(|e| format!("{} said {line:?}: {e}", kind.name()))?;
        let broker = said["broker"].as_str().ok_or_else(|| format!("{} said no address", kind.name()))?.to_string();
        let pid = child.id();
        Ok(Target {
            broker,
            pid,
            ready_ms,
            anonymous_kib: anonymous_kib(pid),
            kind: kind.clone(),
            child: Some(child),
            apache: Vec::new(),
            _folder: folder,
        })
    }

    /// The echo server accepts everything without a topic.
    pub fn has_topics(&self) -> bool {
        !matches!(self.kind, Kind::Echo)
    }

    /// A JVM compiles its hot code first.
    pub fn warm_up_seconds(&self) -> u64 {
        if matches!(self.kind, Kind::Apache) {
            8
        } else {
            1
        }
    }

    /// Ends the server: SIGTERM, then a bounded wait, then SIGKILL.
    pub fn stop(mut self) {
        if let Some(child) = &mut self.child {
            drop(child.stdin.take());
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let deadline = Instant::now() + Duration::from_secs(10);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        self.apache.drain(..).for_each(Apache::kill);
    }
}
