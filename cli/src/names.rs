//! The names that operators of Apache RocketMQ type: `mqnamesrv`, `mqbroker`, `mqadmin` and `mqshutdown` as links to this binary, and
//! `ferromq shutdown` behind the last.
//!
//! A link's name stands for a subcommand; options and exit codes are that subcommand's.
use crate::failure::Failure;
use crate::pipe;
use std::path::Path;
use std::process::Command;

/// Names of links and the subcommands they stand for.
const NAMES: &[(&str, &str)] =
    &[("mqnamesrv", "namesrv"), ("mqbroker", "broker"), ("mqadmin", "admin"), ("mqshutdown", "shutdown")];

/// The command line, with the subcommand that the program's name stands for put in front.
pub fn arguments(mut args: Vec<String>) -> Vec<String> {
    let name = args.first().map(Path::new).and_then(|path| path.file_stem()).and_then(|name| name.to_str());
    if let Some((_, command)) = NAMES.iter().find(|(link, _)| name == Some(*link)) {
        args.insert(1, (*command).to_owned());
    }
    args
}

/// Arguments of `shutdown`.
#[derive(clap::Args)]
pub struct ShutdownArgs {
    /// What to stop: every broker or every name server of this machine that may be stopped by this user
    #[arg(value_enum)]
    what: Server,
    /// Stops only the process with this id, if it is one
    #[arg(long)]
    pid: Option<u32>,
}

/// A kind of server.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Server {
    Broker,
    Namesrv,
}

impl Server {
    /// The subcommand that runs one.
    fn command(self) -> &'static str {
        match self {
            Server::Broker => "broker",
            Server::Namesrv => "namesrv",
        }
    }
}

/// Exit code of Apache's script when there is nothing to stop: -1.
const NOTHING_RUNS: u8 = 255;

/// Asks servers to end in order (SIGTERM) and says so as Apache's script does; does not wait for them.
pub fn shutdown(args: ShutdownArgs) -> Result<(), Failure> {
    let name = format!("mq{}", args.what.command());
    let running: Vec<u32> = processes()?
        .into_iter()
        .filter(|(pid, words)| runs(args.what, words) && args.pid.is_none_or(|wanted| wanted == *pid))
        .map(|(pid, _)| pid)
        .collect();
    if running.is_empty() {
        return Err(Failure::with_code(format!("No {name} running."), NOTHING_RUNS));
    }
    for pid in running {
        pipe::print(&format!("The {name}({pid}) is running...\n"))?;
        let sent = Command::new("kill").arg(pid.to_string()).status();
        match sent {
            Ok(status) if status.success() => pipe::print(&format!("Send shutdown request to {name}({pid}) OK\n"))?,
            _ => return Err(Failure::new(format!("the shutdown request to {name}({pid}) was refused"))),
        }
    }
    Ok(())
}

/// Whether a command line runs a server of this kind.
fn runs(what: Server, words: &[String]) -> bool {
    let words = arguments(words.to_vec());
    let program = words.first().map(Path::new).and_then(|path| path.file_stem()).and_then(|name| name.to_str());
    let ours = program.is_some_and(|name| name == "ferromq" || NAMES.iter().any(|(link, _)| *link == name));
    ours && words.get(1).is_some_and(|command| command == what.command())
}

/// Ids and command lines of all processes.
#[cfg(target_os = "linux")]
fn processes() -> Result<Vec<(u32, Vec<String>)>, Failure> {
    let entries = std::fs::read_dir("/proc").map_err(|e| Failure::new(format!("cannot read /proc: {e}")))?;
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A process may end meanwhile.
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        Some((pid, words.collect()))
    };
    Ok(entries.flatten().filter_map(process).collect())
}

/// Ids and command lines of all processes.
#[cfg(not(target_os = "linux"))]
fn processes() -> Result<Vec<(u32, Vec<String>)>, Failure> {
    let out = Command::new("ps").args(["-axo", "pid=,args="]).output();
    let out = out.map_err(|e| Failure::new(format!("cannot run ps: {e}")))?;
    let process = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let pid = words.next()?.parse().ok()?;
        Some((pid, words.collect()))
    };
    Ok(String::from_utf8_lossy(&out.stdout).lines().filter_map(process).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    /// A link's name becomes the subcommand; every other name changes nothing.
    #[test]
    fn links_stand_for_subcommands() {
        assert_eq!(
            arguments(words("/opt/bin/mqadmin topicList -n a:1")),
            words("/opt/bin/mqadmin admin topicList -n a:1")
        );
        assert_eq!(arguments(words("ferromq broker -p")), words("ferromq broker -p"));
    }

    /// Servers are told from other programs by name and subcommand.
    #[test]
    fn servers_are_recognised() {
        assert!(runs(Server::Broker, &words("/opt/mqbroker -n a:1")));
        assert!(runs(Server::Broker, &words("./ferromq broker -c b.conf")));
        assert!(runs(Server::Namesrv, &words("mqnamesrv")));
        for other in ["ferromq namesrv", "vi broker", "ferromq", "mqadmin broker", "grep ferromq broker"] {
            assert!(!runs(Server::Broker, &words(other)), "{other}");
        }
    }
}
