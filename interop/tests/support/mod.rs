//! What the interop tests share: skipping with a reason, reading the lines of `Peer`, checking them.
#![allow(dead_code)] // each test file uses its part
use ferromq_interop::missing_tools;
use std::collections::{BTreeMap, BTreeSet};

/// True when the machine lacks a JDK or Maven; says so in a line that `cargo xtask test` counts.
pub fn skipped(test: &str) -> bool {
    match missing_tools() {
        Some(reason) => {
            println!("SKIPPED {test}: {reason}");
            eprintln!("SKIPPED {test}: {reason}");
            true
        }
        None => false,
    }
}

/// One `SENT` or `GOT` line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub key: String,
    pub queue: i32,
    pub offset: i64,
    pub tag: String,
    pub reconsumed: i32,
    pub broker: String,
}

/// The events of all lines that begin with `prefix`.
pub fn events(lines: &[String], prefix: &str) -> Vec<Event> {
    lines.iter().filter_map(|l| event(l, prefix)).collect()
}

fn event(line: &str, prefix: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    match (*words.first()?, words.len()) {
        (w, 5) if w == prefix => Some(Event {
            key: words[1].into(),
            queue: words[2].parse().unwrap(),
            offset: words[3].parse().unwrap(),
            tag: String::new(),
            reconsumed: 0,
            broker: words[4].into(),
        }),
        (w, 7) if w == prefix => Some(Event {
            key: words[1].into(),
            queue: words[2].parse().unwrap(),
            offset: words[3].parse().unwrap(),
            tag: words[4].into(),
            reconsumed: words[5].parse().unwrap(),
            broker: words[6].into(),
        }),
        _ => None,
    }
}

/// Keys without repetition.
pub fn keys(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|e| e.key.clone()).collect()
}

/// Every queue's events came in the order of their offsets, each once.
pub fn assert_in_order(events: &[Event]) {
    let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for e in events {
        if let Some(before) = last.insert((e.broker.clone(), e.queue), e.offset) {
            assert!(before < e.offset, "queue {} of {}: {before} before {}", e.queue, e.broker, e.offset);
        }
    }
}

/// Every queue's offsets are 0, 1, 2 ... without gap or double.
pub fn assert_gapless(events: &[Event]) {
    let mut queues: BTreeMap<(String, i32), BTreeSet<i64>> = BTreeMap::new();
    for e in events {
        assert!(queues.entry((e.broker.clone(), e.queue)).or_default().insert(e.offset), "twice: {e:?}");
    }
    for (queue, offsets) in queues {
        assert_eq!(offsets.last().copied(), Some(offsets.len() as i64 - 1), "gap in {queue:?}");
    }
}
