//! Running the `ferromq` executable in tests: a server that ends with the test, and commands with their output.
#![allow(dead_code)] // each test file uses its part
#![expect(clippy::unwrap_used, reason = "tests")]
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The executable under test.
pub fn ferromq() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferromq"));
    command.env_remove("NAMESRV_ADDR").env_remove("FERROMQ_LOG");
    command
}

/// `ferromq standalone` with JSON output; killed when dropped.
pub struct Server {
    pub namesrv: String,
    pub broker: String,
    pub data_dir: String,
    pub pid: u32,
    ephemeral: bool,
    child: Child,
}

impl Server {
    /// Starts with these arguments behind `standalone --json`.
    pub fn start(args: &[&str]) -> Server {
        Server::start_as(ferromq(), args)
    }

    /// The same with an environment of its own.
    pub fn start_as(mut command: Command, args: &[&str]) -> Server {
        let mut child = command
            .args(["standalone", "--json"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        let text = |name: &str| said[name].as_str().unwrap().to_string();
        let (namesrv, broker, data_dir) = (text("namesrv"), text("broker"), text("data_dir"));
        Server { namesrv, broker, data_dir, pid: child.id(), ephemeral: args.contains(&"--ephemeral"), child }
    }

    /// An ephemeral one.
    pub fn ephemeral() -> Server {
        Server::start(&["--ephemeral"])
    }

    /// Closes its standard input and waits; true when it ended with success.
    pub fn close_stdin(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().success()
    }

    /// Sends a signal and waits; true when it ended with success.
    pub fn signal(mut self, name: &str) -> bool {
        assert!(Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An ephemeral server that is killed would leave its directory behind: it is given the time to go by itself.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.ephemeral && matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end with this standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Standard output of a command that must succeed.
pub fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on standard error of a command that must fail with this exit code.
pub fn failure(output: Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("ferromq: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_string()
}
