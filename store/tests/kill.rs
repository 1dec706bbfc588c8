//! A process that appends is killed with SIGKILL, again and again: what it had reported as appended is there each time, and
//! queue offsets have no gap and no double.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{bodies, message, open, tiny};
use ferromq_store::{FlushMode, FlushOutcome, NoListener, OpenError, Store, StoreOptions};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Set for the child: the directory, and whether it flushes synchronously.
const DIR: &str = "FERROMQ_KILL_DIR";
const SYNC: &str = "FERROMQ_KILL_SYNC";
const QUEUES: i32 = 4;
const ROUNDS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(60);

fn options(root: &Path, sync: bool) -> StoreOptions {
    let mut options = tiny(root);
    if sync {
        options.flush = FlushMode::Sync { timeout: PATIENCE };
    }
    options
}

/// Not a test by itself: the process that is killed. Appends on four threads and prints what was acknowledged.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let sync = std::env::var(SYNC).is_ok();
    let store = open(&options(Path::new(&dir), sync));
    std::thread::scope(|scope| {
        for queue in 0..QUEUES {
            let store = &store;
            scope.spawn(move || append_for_ever(store, queue));
        }
    });
}

fn append_for_ever(store: &Store, queue: i32) {
    let mut batch = store.new_batch();
    for number in 0.. {
        let texts: Vec<String> = (0..1 + number % 3)
            .map(|i| format!("{}-{number}-{i}", std::process::id()).repeat(1 + number % 20))
            .collect();
        batch.clear();
        texts.iter().for_each(|text| batch.push(&message("K", queue, text.as_bytes())).unwrap());
        let end = store.append(&mut batch).unwrap().end_offset;
        let (tell, told) = channel();
        store.when_flushed(end, Instant::now() + PATIENCE, Box::new(move |outcome| tell.send(outcome).unwrap()));
        assert_eq!(told.recv().unwrap(), FlushOutcome::Flushed);
        let mut lines = String::new();
        for (text, result) in texts.iter().zip(batch.results()) {
            lines += &format!("ack {queue} {} {text}\n", result.queue_offset);
        }
        // One write: a line is there as a whole or not at all.
        std::io::stdout().lock().write_all(lines.as_bytes()).unwrap();
    }
}

/// Lets a child append until it has acknowledged `count` records, kills it, and returns everything it acknowledged.
fn killed(dir: &Path, sync: bool, count: usize) -> Vec<(i32, i64, String)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(DIR, dir);
    if sync {
        command.env(SYNC, "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(rest) = line.strip_prefix("ack ") else { continue };
        let parts: Vec<&str> = rest.split(' ').collect();
        if let [queue, offset, text] = parts[..] {
            acknowledged.push((queue.parse().unwrap(), offset.parse().unwrap(), text.to_owned()));
        }
        if acknowledged.len() == count {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    assert!(acknowledged.len() >= count);
    acknowledged
}

fn survive(sync: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut all: BTreeMap<(i32, i64), String> = BTreeMap::new();
    for round in 0..ROUNDS {
        for (queue, offset, text) in killed(dir.path(), sync, 50 + round * 173) {
            assert_eq!(all.insert((queue, offset), text), None, "an offset was given twice");
        }
        let store = open(&options(dir.path(), sync));
        for queue in 0..QUEUES {
            let found = bodies(&store, "K", queue);
            assert!(found.iter().map(|(offset, _)| *offset).eq(0..found.len() as i64), "no gap, no double");
            for (offset, body) in found {
                let text = all.remove(&(queue, offset));
                assert!(text.is_none_or(|text| text.as_bytes() == body), "round {round}: {queue} {offset}");
            }
        }
        assert!(all.is_empty(), "round {round}: acknowledged and lost: {:?}", all.keys());
        // The next round starts after a kill as well as after a clean stop.
        if round % 2 == 0 {
            store.shutdown().unwrap();
        }
    }
}

/// With asynchronous flush: the page cache outlives the process.
#[test]
fn acknowledged_records_survive_a_kill() {
    survive(false);
}

/// With synchronous flush.
#[test]
fn flushed_records_survive_a_kill() {
    survive(true);
}

/// A directory in use is refused in the same process and in another one, and free again after the stop.
#[test]
fn a_directory_has_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let again = Store::open(options.clone(), Arc::new(NoListener)).map(|_| ());
    assert!(matches!(&again, Err(OpenError::InUse { root, .. }) if root == dir.path()), "{again:?}");
    assert!(again.unwrap_err().to_string().contains(dir.path().to_str().unwrap()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(DIR, dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("InUse"), "{said}");
    // The refused ones did not disturb the owner.
    common::append(&store, "T", 0, b"x");
    store.shutdown().unwrap();
    open(&options).shutdown().unwrap();
    drop(store);
    let store = open(&options);
    assert_eq!(bodies(&store, "T", 0).len(), 1);
    store.shutdown().unwrap();
}
