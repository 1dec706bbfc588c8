//! The broker of the demo: `ferromq standalone` as a child process in a temporary directory, on free ports.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// The running child; ended with this value.
#[derive(Debug)]
pub struct Server {
    /// Address of the name server.
    pub namesrv: String,
    /// Where it listens and where its data is, for people.
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
        let started = Instant::now();
        let mut child = Command::new(ferromq)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", ferromq.display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let (Some(namesrv), Some(broker)) = (json["namesrv"].as_str(), json["broker"].as_str()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{} did not start", ferromq.display()));
        };
        let ready = started.elapsed().as_millis();
        let said = format!("name server {namesrv}, broker {broker}, ready in {ready} ms, data in {data}");
        let namesrv = namesrv.to_string();
        let folder = if keep {
            // Only the guard goes: the data stays.
            let _ = folder.keep();
            None
        } else {
            Some(folder)
        };
        Ok(Server { namesrv, said, child, folder })
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
