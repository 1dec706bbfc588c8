//! Starting and stopping servers: what they say, how they end, how they refuse.
mod support;

use std::path::Path;
use std::time::{Duration, Instant};
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
    let expected = "broker.conf: line 3: property listenPort has the value \"many\"; expected is int from 0 to 65535";
    assert!(text.ends_with(expected), "{text}");
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
    for (command, line) in [
        ("broker", "  listenPort (int from 0 to 65535; default \"10911\")"),
        ("namesrv", "  bindAddress (String; default \"0.0.0.0\")"),
    ] {
        let help = stdout(run(ferromq().args([command, "--help"]), ""));
        assert!(help.lines().any(|other| other == line), "{help}");
    }
    let link = folder.path().join("mqbroker");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ferromq"), &link).unwrap();
    assert!(stdout(run(std::process::Command::new(link).arg("-p"), "")).contains("brokerName="));
}

/// Waits until a condition holds.
fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log goes to a file, its level follows the property, and a renamed file is replaced on SIGHUP.
#[cfg(unix)]
#[test]
fn the_log_follows_its_property_and_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (log, moved) = (folder.path().join("ferromq.log"), folder.path().join("ferromq.log.1"));
    let mut command = ferromq();
    command.env("FERROMQ_LOG_FILE", &log);
    let server = Server::start_as(command, &["--ephemeral"]);
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let set = |level: &str| {
        let (key, value) = ("logLevel", level);
        let args = ["admin", "updateBrokerConfig", "-n", &server.namesrv, "-b", &server.broker, "-k", key, "-v", value];
        run(ferromq().args(args), "")
    };
    let create = |topic: &str| {
        let args = ["admin", "updateTopic", "-n", &server.namesrv, "-b", &server.broker, "-t", topic];
        stdout(run(ferromq().args(args), ""));
    };
    create("quiet");
    assert!(!lines(&log).contains("quiet"), "information is not logged by default: {}", lines(&log));
    stdout(set("info"));
    create("loud");
    until("the level counts", || lines(&log).contains("loud"));

    std::fs::rename(&log, &moved).unwrap();
    assert!(std::process::Command::new("kill").args(["-HUP", &server.pid.to_string()]).status().unwrap().success());
    until("the file is opened anew", || lines(&log).contains("opened anew"));
    create("afterwards");
    until("the new file is used", || lines(&log).contains("afterwards"));
    assert!(!lines(&moved).contains("afterwards"));
    assert!(server.close_stdin());
}

/// What the environment says counts, and ports and paths are Apache's where nothing says otherwise.
#[test]
fn environment_and_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display();
    let listed = |command: &str| {
        let mut ferromq = ferromq();
        let command = ferromq
            .args([command, "-p"])
            .env("HOME", folder.path())
            .env("ROCKETMQ_HOME", "/opt/mq")
            .env("NAMESRV_ADDR", "10.0.0.1:9876;10.0.0.2:9876");
        stdout(run(command, ""))
    };
    let has = |text: &str, line: &str| assert!(text.lines().any(|other| other == line), "{line}: {text}");
    let name_server = listed("namesrv");
    has(&name_server, "listenPort=9876");
    has(&name_server, "rocketmqHome=/opt/mq");
    has(&name_server, &format!("kvConfigPath={home}/namesrv/kvConfig.json"));
    has(&name_server, &format!("configStorePath={home}/namesrv/namesrv.properties"));
    let broker = listed("broker");
    has(&broker, "listenPort=10911");
    has(&broker, "namesrvAddr=10.0.0.1:9876;10.0.0.2:9876");
    has(&broker, &format!("storePathRootDir={home}/store"));
}
