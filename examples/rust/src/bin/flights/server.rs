//! The broker of the demo: `ferromq standalone` as a child process in a temporary directory, on free ports.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The running child; ended with this value.
#[derive(Debug)]
pub struct Server {
    /// Address of the name server.
    pub namesrv: String,
    /// What the server says of itself.
    pub said: String,
    child: Child,
    folder: Option<TempDir>,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub fn start(ferromq: &Path, keep: bool) -> Result<Server, String> {
        let folder = tempfile::Builder::new().prefix("ferromq-demo-").tempdir().map_err(|e| e.to_string())?;
        let data = folder.path().join("data").display().to_string();
        let args = ["standalone", "--json", "--namesrv-port", "0", "--broker-port", "0", "--data-dir", &data];
        let mut child = Command::new(ferromq)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", ferromq.display()))?;
        let mut said = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut said).map_err(|e| e.to_string())?;
        }
        let json: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let Some(namesrv) = json["namesrv"].as_str().map(str::to_string) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{} did not start", ferromq.display()));
        };
        let folder = if keep {
            println!("data stays in {}", folder.keep().display());
            None
        } else {
            Some(folder)
        };
        Ok(Server { namesrv, said: said.trim().to_string(), child, folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child without shutdown hooks of ours would be killed; this one is asked first.
        let asked = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        if !asked.is_ok_and(|s| s.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        self.folder.take();
    }
}
