//! Our `mqadmin` and the official one print the same about one Apache broker.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::mqadmin::transcript::{self, compare, Step};
use crate::support::{apache, our_binary, skipped, Clients};
use ferromq_interop::{HeaderCodec, Java, Release};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our binary under the name `mqadmin`.
fn our_tool(folder: &Path) -> PathBuf {
    let link = folder.join("mqadmin");
    std::os::unix::fs::symlink(our_binary(), &link).unwrap();
    link
}

/// What stands behind `mark` in what the official tool says about the message with an offset id.
fn told(official: &[Step], mark: &str) -> String {
    let lines = official.iter().filter(|step| step.words.starts_with("queryMsgById")).flat_map(|step| &step.lines);
    let found = lines.into_iter().find_map(|line| line.split_once(mark)).unwrap_or_else(|| panic!("no {mark}")).1;
    found.trim_start().split([',', '}', ' ']).next().unwrap().to_owned()
}

/// One step with our tool, with the values of the names in braces.
fn ask(tool: &Path, words: &str, namesrv: &str, values: &[(&str, &str)]) -> Step {
    let fill = |words: String, (name, value): &(&str, &str)| words.replace(&format!("{{{name}}}"), value);
    let filled = values.iter().fold(words.to_owned(), fill);
    let out = Command::new(tool).args(filled.split(' ')).args(["-n", namesrv]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8_lossy(&out.stderr);
    let exit = out.status.code().unwrap().to_string();
    Step { words: words.to_owned(), lines: text.lines().map(str::to_owned).collect(), exit }
}

/// A step of which only what is printed before a failure is compared: each tool has its own words for the failure itself, and the official
/// one ends as if there was none.
fn until_failure(step: Step) -> Step {
    let fails = |line: &String| line.starts_with("org.apache.rocketmq.") || line.starts_with("ferromq:");
    match step.lines.iter().position(fails) {
        Some(at) => Step { lines: step.lines[..at].to_vec(), exit: "failed".to_owned(), ..step },
        None => step,
    }
}

/// Tables, sentences and exit codes agree with those of mqadmin 5.4.0.
#[test]
fn our_mqadmin_prints_what_the_official_one_prints() {
    if skipped("our_mqadmin_prints_what_the_official_one_prints") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let release = Release::V5_4_0;
    let (namesrv, broker) = apache(release, folder.path(), "broker-a", "waitTimeMillsInSendQueue=60000");
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/mqadmin").join("same.txt");
    let values = [("namesrv", namesrv.address.as_str()), ("broker", broker.address.as_str())];
    // Clients that both tools find connected.
    let mut clients = Clients::java(release, HeaderCodec::Json, &namesrv.address);
    clients.run("producer there PG_there");
    clients.run("send there There sync 1");
    clients.run("push here G_there There");
    clients.wait_for("here GOT", &["sync-0".to_owned()].into(), 1);
    let official = transcript::parse(&Java::operate(release, &steps, &values).unwrap());
    let (official, prepared): (Vec<Step>, Vec<Step>) =
        official.into_iter().partition(|step| !step.words.starts_with('!'));
    assert!(prepared.iter().all(|step| step.exit == "0"), "the messages were produced and consumed");
    let tool = our_tool(folder.path());
    let (offset, unique) = (told(&official, "OffsetID:"), told(&official, "UNIQ_KEY="));
    let values = [("broker", broker.address.as_str()), ("offset", &offset), ("unique", &unique)];
    let ours: Vec<Step> = official.iter().map(|step| ask(&tool, &step.words, &namesrv.address, &values)).collect();
    clients.finish();
    let until_failure = |steps: Vec<Step>| steps.into_iter().map(until_failure).collect::<Vec<_>>();
    let differences = compare(&until_failure(ours), &until_failure(official), release);
    assert!(differences.is_empty(), "{} steps differ\n{}", differences.len(), differences.join("\n"));
}
