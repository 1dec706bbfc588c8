//! `ferromq admin`, the names of Apache's tools, and `ferromq bench`, as an operator sees them.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use support::{failure, ferromq, run, stdout, Server};

fn admin(server: &Server, line: &str) -> Output {
    let filled = line.replace("{broker}", &server.broker);
    run(ferromq().arg("admin").args(filled.split(' ')).args(["-n", &server.namesrv]), "")
}

/// The words of the line that begins with `first`.
fn row(text: &str, first: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.starts_with(first)).unwrap_or_else(|| panic!("{first}: {text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// A topic is made, used, looked at and deleted.
#[test]
fn the_life_of_a_topic() {
    let server = Server::ephemeral();
    let made = stdout(admin(&server, "updateTopic -b {broker} -t Orders -r 2 -w 2"));
    assert!(
        made.starts_with(&format!("create topic to {} success.\nTopicConfig [topicName=Orders,", server.broker)),
        "{made}"
    );
    let sent = stdout(admin(&server, "sendMessage -t Orders -p hello -k greeting -c A"));
    let sent = row(sent.lines().nth(1).unwrap(), "");
    assert_eq!(sent[2], "SEND_OK");
    let id = &sent[3];
    assert_eq!(row(&stdout(admin(&server, "queryMsgByKey -t Orders -k greeting")), id)[1], sent[1]);
    for query in [
        format!("queryMsgById -t Orders -i {id}"),
        format!("queryMsgByOffset -t Orders -b {} -i {} -o 0", sent[0], sent[1]),
    ] {
        let found = stdout(admin(&server, &query));
        assert_eq!(row(&found, "Keys:")[1], "[greeting]");
        assert_eq!(row(&found, "Message Body:")[2], "hello");
    }
    let printed = stdout(admin(&server, "printMsg -t Orders -s A||B"));
    assert!(printed.contains("BODY: hello"), "{printed}");
    assert!(!stdout(admin(&server, "printMsg -t Orders -s B")).contains("BODY"));
    assert!(stdout(admin(&server, "topicList")).lines().any(|topic| topic == "Orders"));
    stdout(admin(&server, &format!("deleteTopic -t Orders -c {}", "DefaultCluster")));
    assert!(failure(admin(&server, "topicRoute -t Orders"), 1).contains("Orders"));
}

/// A wrong command line and a refusal are one sentence and exit code 1; help is no error.
#[test]
fn errors_and_help() {
    let server = Server::ephemeral();
    let text = |out: &Output| String::from_utf8_lossy(&out.stderr).into_owned();
    let wrong = admin(&server, "topicRoute");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong).contains("Missing required option: t"), "{}", text(&wrong));
    let unknown = admin(&server, "noSuchCommand");
    assert_eq!(
        (unknown.status.code(), text(&unknown).as_str()),
        (Some(1), "ferromq: The sub command noSuchCommand not exist.\n")
    );
    let refused = admin(&server, "updateTopic -b {broker} -t SCHEDULE_TOPIC_XXXX");
    assert!(text(&refused).contains("conflict with system topic"), "{}", text(&refused));
    assert!(stdout(run(ferromq().args(["admin", "help"]), "")).contains("resetOffsetByTime"));
    assert!(stdout(run(ferromq().args(["admin", "help", "topicRoute"]), "")).contains("-t,--topic <arg>"));
}

/// A refused reset has said before what it was about to do, as Apache's tool has. A time of fourteen digits is one in milliseconds.
#[test]
fn a_refused_reset_of_an_offset() {
    let server = Server::ephemeral();
    stdout(admin(&server, "updateTopic -b {broker} -t Orders -r 1 -w 1"));
    stdout(admin(&server, "updateSubGroup -b {broker} -g G"));
    let refused = admin(&server, "resetOffsetByTime -g G -t Orders -s 32503680000000 -b {broker} -q 0 -o 5");
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("start reset consumer offset by specified, group[G]"), "{said}");
    assert!(lines[0].ends_with("timestamp(long)[32503680000000]"), "{said}");
    assert_eq!(lines[1..], ["reset consumer offset to 5"]);
    let why = failure(refused, 1);
    assert!(why.contains("Target offset 5 not in consume queue range"), "{why}");
}

/// Settings are read and changed, permissions taken and given back.
#[test]
fn settings_and_permissions() {
    let server = Server::ephemeral();
    let setting = || row(&stdout(admin(&server, "getBrokerConfig -b {broker}")), "maxMessageSize");
    assert_eq!(setting()[2], "4194304");
    stdout(admin(&server, "updateBrokerConfig -b {broker} -k regionId -v north"));
    assert_eq!(row(&stdout(admin(&server, "getBrokerConfig -b {broker}")), "regionId")[2], "north");
    let list = stdout(admin(&server, "clusterList"));
    let broker = row(&list, "DefaultCluster")[1].clone();
    let wiped = stdout(admin(&server, &format!("wipeWritePerm -b {broker}")));
    assert!(wiped.contains("OK, "), "{wiped}");
    assert!(stdout(admin(&server, "topicRoute -t TBW102")).contains("\"perm\":5"));
    stdout(admin(&server, &format!("addWritePerm -b {broker}")));
    assert!(stdout(admin(&server, "topicRoute -t TBW102")).contains("\"perm\":6"));
}

/// A server under one of Apache's names; killed when dropped.
#[cfg(target_os = "linux")]
struct Named {
    child: std::process::Child,
    said: String,
}

#[cfg(target_os = "linux")]
impl Named {
    /// Starts it and waits for its first line.
    fn start(mut command: Command) -> Named {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Named { child, said }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Links named like Apache's tools are those tools; `mqshutdown` ends a broker in order.
#[cfg(target_os = "linux")]
#[test]
fn links_are_apaches_tools() {
    let folder = tempfile::tempdir().unwrap();
    let conf = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let link = |name: &str, args: &[&str]| {
        let path = folder.path().join(name);
        if !path.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ferromq"), &path).unwrap();
        }
        let mut command = Command::new(path);
        command.args(args).env("HOME", folder.path()).env_remove("NAMESRV_ADDR");
        command
    };
    let file = conf("namesrv.conf", "listenPort=0\n");
    let mut names = Named::start(link("mqnamesrv", &["-c", file.to_str().unwrap()]));
    assert!(names.said.starts_with("The Name Server boot success."), "{}", names.said);
    let namesrv = format!("127.0.0.1:{}", names.said.trim().rsplit(':').next().unwrap());
    let text = "listenPort=0\nbrokerIP1=127.0.0.1\nbrokerName=broker-l\nmappedFileSizeCommitLog=1048576\n";
    let file = conf("broker.conf", text);
    let mut broker = Named::start(link("mqbroker", &["-n", &namesrv, "-c", file.to_str().unwrap()]));
    assert!(broker.said.contains("The broker[broker-l,"), "{}", broker.said);
    assert!(broker.said.contains(&format!("name server is {namesrv}")), "{}", broker.said);
    assert!(folder.path().join("store").join("commitlog").is_dir(), "the default data directory is ~/store");
    let listed = run(link("mqadmin", &["clusterList"]).env("NAMESRV_ADDR", &namesrv), "");
    assert_eq!(row(&stdout(listed), "DefaultCluster")[1], "broker-l");
    for (what, process) in [("broker", &mut broker.child), ("namesrv", &mut names.child)] {
        let out = stdout(run(&mut link("mqshutdown", &[what, "--pid", &process.id().to_string()]), ""));
        assert!(out.contains(&format!("Send shutdown request to mq{what}({}) OK", process.id())), "{out}");
        assert!(process.wait().unwrap().success());
    }
    let none = run(&mut link("mqshutdown", &["broker", "--pid", &std::process::id().to_string()]), "");
    assert_eq!(none.status.code(), Some(255));
}

/// All messages are counted, and end to end none is lost.
#[test]
fn bench_counts_every_message() {
    let server = Server::ephemeral();
    let bench = |kind: &str, rest: &[&str]| {
        let out = run(
            ferromq().args(["bench", kind, "-n", &server.namesrv, "--json", "-m", "500", "--queues", "4"]).args(rest),
            "",
        );
        serde_json::from_str::<serde_json::Value>(&stdout(out)).unwrap()
    };
    let sent = bench("producer", &["--batch", "8", "--size", "64"]);
    assert_eq!(
        (sent["messages"].as_u64(), sent["bytes"].as_u64(), sent["errors"].as_u64()),
        (Some(500), Some(32_000), Some(0))
    );
    assert!(sent["latency_us"]["p99"].as_f64().unwrap() > 0.0);
    assert_eq!(bench("consumer", &[])["messages"].as_u64(), Some(500));
    let both = bench("end-to-end", &["--rate", "5000", "--clients", "2"]);
    assert_eq!(
        (both["messages"].as_u64(), both["errors"].as_u64(), &both["error"]),
        (Some(500), Some(0), &serde_json::Value::Null)
    );
}
