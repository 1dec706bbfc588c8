//! Starting and stopping servers: what they say, how they end, how they refuse.
mod support;

use std::path::Path;
use support::{failure, ferromq, run, stdout, Server};

/// An ephemeral server ends when its standard input closes, and leaves nothing behind.
#[test]
fn ephemeral_leaves_nothing() {
    let server = Server::ephemeral();
    let data = server.data_dir.clone();
    assert!(Path::new(&data).exists());
    assert!(server.close_stdin());
    assert!(!Path::new(&data).exists());
}

/// SIGTERM and Ctrl-C end a server in order: the data directory is clean and can be opened again.
#[test]
fn signals_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let args = ["--namesrv-port", "0", "--broker-port", "0", "--data-dir", &data];
    for signal in ["TERM", "INT"] {
        let server = Server::start(&args);
        assert!(Path::new(&data).join("abort").exists(), "a running broker marks its directory");
        let produce = ["produce", "-n", &server.namesrv, "-t", "kept"];
        stdout(run(ferromq().args(produce), &format!("{signal}\n")));
        assert!(server.signal(signal));
        assert!(!Path::new(&data).join("abort").exists(), "a clean stop removes the mark");
    }
    let server = Server::start(&args);
    let out = stdout(run(ferromq().args(["consume", "-n", &server.namesrv, "-t", "kept", "-f", "first", "-e"]), ""));
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["INT", "TERM"]);
}

/// Refusals are one line that names the port, directory, file or property, and a non-zero exit code.
#[test]
fn refusals() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let free = ["--namesrv-port", "0", "--broker-port", "0"];
    let server = Server::start(&[&free[..], &["--data-dir", &data]].concat());
    let standalone = |args: &[&str]| run(ferromq().arg("standalone").args(args), "");

    let text = failure(standalone(&[&free[..], &["--data-dir", &data]].concat()), 1);
    assert!(text.contains(&data), "{text}");
    let other = folder.path().join("other").display().to_string();
    let port = server.namesrv.rsplit_once(':').unwrap().1;
    let text = failure(standalone(&["--namesrv-port", port, "--broker-port", "0", "--data-dir", &other]), 1);
    assert!(text.contains(port), "{text}");
    let port = server.broker.rsplit_once(':').unwrap().1;
    let text = failure(standalone(&["--namesrv-port", "0", "--broker-port", port, "--data-dir", &other]), 1);
    assert!(text.contains(port), "{text}");

    let conf = folder.path().join("broker.conf");
    std::fs::write(&conf, "brokerName=b\nsomethingElse=1\nlistenPort=many\n").unwrap();
    let text = failure(run(ferromq().args(["broker", "-c", conf.to_str().unwrap()]), ""), 2);
    assert!(text.contains("listenPort") && text.contains("many"), "{text}");
    let text = failure(run(ferromq().args(["broker", "-n", "nowhere"]), ""), 253);
    assert!(text.contains("nowhere"), "{text}");

    assert!(server.signal("TERM"));
    let log = Path::new(&data).join("commitlog");
    let segment = std::fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(12_345).unwrap();
    std::fs::write(log.join("99999999999999999999"), [0; 64]).unwrap();
    let text = failure(standalone(&[&free[..], &["--data-dir", &data]].concat()), 1);
    assert!(text.contains("commitlog") && text.contains("mappedFileSizeCommitLog"), "{text}");
}

/// `-p` and `-m` list settings, the names of the reference tools work, unknown properties are no error.
#[test]
fn listings() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("broker.conf");
    std::fs::write(&conf, "brokerName=listed\nunknownProperty=1\n").unwrap();
    let all = stdout(run(ferromq().args(["broker", "-c", conf.to_str().unwrap(), "-p"]), ""));
    assert!(all.contains("brokerName=listed\n") && all.contains("flushDiskType=ASYNC_FLUSH\n"), "{all}");
    let important = stdout(run(ferromq().args(["broker", "-m"]), ""));
    assert!(important.lines().count() < all.lines().count() && important.contains("brokerClusterName="));
    assert!(stdout(run(ferromq().args(["namesrv", "-p"]), "")).contains("listenPort=9876\n"));
    let link = folder.path().join("mqbroker");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ferromq"), &link).unwrap();
    assert!(stdout(run(std::process::Command::new(link).arg("-p"), "")).contains("brokerName="));
}
