//! `produce` and `consume` as a shell user sees them.
mod support;

use std::io::{Read, Write};
use std::process::Stdio;
use support::{failure, ferromq, run, stdout, Server};

fn produce(server: &Server, args: &[&str], input: &str) -> std::process::Output {
    run(ferromq().args(["produce", "--namesrv", &server.namesrv]).args(args), input)
}

fn consume(server: &Server, args: &[&str]) -> std::process::Output {
    run(ferromq().args(["consume", "--namesrv", &server.namesrv]).args(args), "")
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Lines go in and come out, each once, and `--exit` ends at the end of the queues.
#[test]
fn lines_in_lines_out() {
    let server = Server::ephemeral();
    let lines: Vec<String> = (0..500).map(|n| format!("line {n:03}")).collect();
    stdout(produce(&server, &["--topic", "lines"], &lines.join("\n")));
    let out = stdout(consume(&server, &["--topic", "lines", "--from", "first", "--exit"]));
    assert_eq!(sorted(&out), lines);
    assert!(server.close_stdin());
}

/// Tag, keys, properties, formats, JSON and the count limit.
#[test]
fn fields_and_formats() {
    let server = Server::ephemeral();
    let args = ["-t", "f", "--tag", "A", "--key", "k1", "--key", "k2", "--property", "colour=red"];
    stdout(produce(&server, &args, "hello\n"));
    stdout(produce(&server, &["-t", "f", "--tag", "B"], "other\n"));
    let read = ["-t", "f", "-f", "first", "-e"];
    let format = ["--format", "%t|%g|%k|%s|%S|%r\\n", "--filter", "A"];
    assert_eq!(stdout(consume(&server, &[&read[..], &format].concat())), "f|A|k1 k2|hello|5|0\n");
    let json = stdout(consume(&server, &[&read[..], &["--json", "--filter", "A || C"]].concat()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["body"].as_str(), json["properties"]["colour"].as_str()), (Some("hello"), Some("red")));
    assert_eq!(stdout(consume(&server, &["-t", "f", "-f", "first", "--count", "1"])).lines().count(), 1);
}

/// Messages with one sharding key stay in order in one queue.
#[test]
fn sharding_key_keeps_order() {
    let server = Server::ephemeral();
    let lines: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    stdout(produce(&server, &["-t", "o", "--sharding-key", "x"], &lines.join("\n")));
    let out = stdout(consume(&server, &["-t", "o", "-f", "first", "-e", "--format", "%q %s\\n"]));
    let queue = out.split(' ').next().unwrap();
    assert_eq!(out, lines.iter().map(|l| format!("{queue} {l}\n")).collect::<String>());
}

/// A topic is made with its queues before anybody sends to it; a wrong name is refused.
#[test]
fn topics_are_made() {
    let server = Server::ephemeral();
    stdout(run(ferromq().args(["topic", "--namesrv", &server.namesrv, "made", "also", "--queues", "1"]), ""));
    stdout(produce(&server, &["-t", "made"], "a\nb\n"));
    let out = stdout(consume(&server, &["-t", "made", "-f", "first", "-e", "--format", "%q%s\\n"]));
    assert_eq!(sorted(&out), ["0a", "0b"]);
    let refused = run(ferromq().args(["topic", "--namesrv", &server.namesrv, "no such/name"]), "");
    assert!(failure(refused, 1).contains("no such/name"));
}

/// A group continues where it stopped.
#[test]
fn a_group_continues() {
    let server = Server::ephemeral();
    stdout(produce(&server, &["-t", "g"], "1\n2\n3\n"));
    let group = ["-t", "g", "-f", "first", "--group", "readers", "--exit"];
    assert_eq!(sorted(&stdout(consume(&server, &group))), ["1", "2", "3"]);
    stdout(produce(&server, &["-t", "g"], "4\n5\n"));
    assert_eq!(sorted(&stdout(consume(&server, &group))), ["4", "5"]);
}

/// A member that ends after some messages leaves the others to the next one: nothing is lost, nothing comes twice.
#[test]
fn a_count_leaves_the_rest() {
    let server = Server::ephemeral();
    let lines: Vec<String> = (100..140).map(|n| n.to_string()).collect();
    stdout(produce(&server, &["-t", "c"], &lines.join("\n")));
    let group = ["-t", "c", "-f", "first", "--group", "some"];
    let first = stdout(consume(&server, &[&group[..], &["-c", "5"]].concat()));
    assert_eq!(first.lines().count(), 5);
    let rest = stdout(consume(&server, &[&group[..], &["--exit"]].concat()));
    assert_eq!(sorted(&(first + &rest)), lines);
}

/// A failed send ends the command while its input is still open.
#[test]
fn a_failure_does_not_wait_for_input() {
    let mut child = ferromq()
        .args(["produce", "-t", "x", "-n", "127.0.0.1:1"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"line\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    drop(input);
}

/// A delayed message comes when its level's time has passed, not before.
#[test]
fn delay_level() {
    let server = Server::ephemeral();
    stdout(produce(&server, &["-t", "d", "--delay-level", "1"], "later\n"));
    assert_eq!(stdout(consume(&server, &["-t", "d", "-f", "first", "-e"])), "");
    let out = stdout(consume(&server, &["-t", "d", "-f", "first", "-c", "1", "--format", "%B %T %s"]));
    let words: Vec<&str> = out.split(' ').collect();
    let waited = words[1].parse::<i64>().unwrap() - words[0].parse::<i64>().unwrap();
    assert!(words[2] == "later" && waited >= 1000, "{out}");
}

/// `consume | head` ends cleanly when the reader goes away.
#[test]
fn a_closed_pipe_ends_cleanly() {
    let server = Server::ephemeral();
    let many: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    stdout(produce(&server, &["-t", "p"], &many));
    let mut child = ferromq()
        .args(["consume", "--namesrv", &server.namesrv, "-t", "p", "-f", "first"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 100]).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Mistakes are one line that names them, with an exit code for scripts.
#[test]
fn mistakes() {
    let server = Server::ephemeral();
    let text = failure(consume(&server, &["-t", "absent", "-e"]), 1);
    assert!(text.contains("absent"), "{text}");
    let text = failure(consume(&server, &["-t", "x", "--format", "%z"]), 2);
    assert!(text.contains("%z"), "{text}");
    let text = failure(produce(&server, &["-t", "x", "--property", "novalue"], "a\n"), 2);
    assert!(text.contains("novalue"), "{text}");
    let text = failure(produce(&server, &["-t", "x"], &"long".repeat(2 << 20)), 1);
    assert!(text.contains("standard input") && text.contains("4194304"), "{text}");
    let text = failure(run(ferromq().args(["produce", "-t", "x", "-n", "127.0.0.1:1"]), "a\n"), 1);
    assert!(text.contains("127.0.0.1:1"), "{text}");
    let text = failure(run(ferromq().args(["produce", "-t", "x", "-n", "nonsense"]), "a\n"), 253);
    assert!(text.contains("nonsense"), "{text}");
}

/// The shell commands of README.md do what it says, as they stand there.
#[test]
fn the_readme_works() {
    let server = Server::ephemeral();
    let readme = include_str!("../../README.md");
    let commands =
        readme.split("```sh\n").find(|block| block.starts_with("seq ")).and_then(|b| b.split_once("```")).unwrap().0;
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_ferromq")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-e", "-c", commands]).env("PATH", path).env("NAMESRV_ADDR", &server.namesrv);
    let out = stdout(run(&mut shell, ""));
    let (numbers, audit): (Vec<&str>, Vec<&str>) = out.lines().partition(|l| l.parse::<u32>().is_ok());
    assert_eq!((numbers.len(), audit.len()), (1000, 10), "{out}");
    assert!(audit.iter().all(|l| l.starts_with("numbers ") && l.contains(" shell ")), "{audit:?}");
}
