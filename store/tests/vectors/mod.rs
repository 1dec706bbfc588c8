//! The recorded data directories of Apache RocketMQ (`testdata/data`) and their ground truth, for the tests beside.
//!
//! Every call unpacks into a directory of its own, so tests may change what they get and run in parallel.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::Deserialize;

/// All recordings: two versions, each after a clean stop and after SIGKILL in the middle of sending.
pub const ALL: [&str; 4] = ["4.9.7", "5.4.0", "4.9.7-crash", "5.4.0-crash"];
/// Those after a clean stop.
pub const CLEAN: [&str; 2] = ["4.9.7", "5.4.0"];

/// One unpacked data directory; gone when dropped.
pub struct Recording {
    pub name: &'static str,
    temp: tempfile::TempDir,
    pub config: Config,
}

/// The settings a broker needs to open the directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub version: String,
    pub config: Sizes,
}

/// Segment sizes of a recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    pub mapped_file_size_commit_log: u64,
    pub mapped_file_size_consume_queue: u64,
    pub max_hash_slot_num: u32,
    pub max_index_num: u32,
}

/// A message as the official client saw it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub topic: String,
    pub queue_id: i32,
    pub queue_offset: i64,
    pub commit_log_offset: i64,
    pub store_size: i32,
    pub flag: i32,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub store_timestamp: i64,
    pub born_host: String,
    pub store_host: String,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    #[serde(rename = "bodyCRC")]
    pub body_crc: i32,
    pub properties: BTreeMap<String, String>,
    pub body: Body,
    pub msg_id: String,
    pub offset_msg_id: String,
}

/// The uncompressed body: in full, or its SHA-256.
#[derive(Debug, Clone, Deserialize)]
pub struct Body {
    pub len: usize,
    pub hex: Option<String>,
    pub sha256: Option<String>,
}

/// What the official broker answered about the directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub message_count: usize,
    pub queues: Vec<QueueFact>,
    pub consume_queues: Vec<UnitsFact>,
    pub search_offset: Vec<SearchFact>,
    pub query_message: Vec<QueryFact>,
    pub consumer_offsets: BTreeMap<String, BTreeMap<String, i64>>,
    pub consumer_offset_body: String,
    pub delay_offset_body: String,
    pub topics: Vec<serde_json::Value>,
    pub groups: Vec<serde_json::Value>,
    pub problems: Vec<serde_json::Value>,
}

/// Smallest and next offset of a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueFact {
    pub topic: String,
    pub queue_id: i32,
    pub min: i64,
    pub max: i64,
}

/// Units of a queue: physical offset, size, tags code.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitsFact {
    pub topic: String,
    pub queue_id: i32,
    pub from: i64,
    pub units: Vec<(i64, i32, i64)>,
}

/// An answer by time: either the offset for a timestamp or the earliest store time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchFact {
    pub topic: String,
    pub queue_id: i32,
    pub timestamp: Option<i64>,
    pub offset: Option<i64>,
    pub earliest_msg_store_time: Option<i64>,
}

/// An answer to QUERY_MESSAGE.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryFact {
    pub topic: String,
    pub key: String,
    /// Asked by unique id: the official client then gives the oldest match only.
    pub unique: bool,
    pub offset_msg_ids: Vec<String>,
}

/// A send that was acknowledged before the kill.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    pub topic: String,
    pub status: String,
    pub offset_msg_id: String,
    pub queue_id: i32,
    pub queue_offset: i64,
}

impl Recording {
    /// Unpacks the recording of that name.
    pub fn unpack(name: &'static str) -> Recording {
        let temp = tempfile::tempdir().unwrap();
        let mut archive = tar::Archive::new(decoder(&format!("{name}.tar.zst")));
        archive.set_preserve_mtime(false);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            // 38 MB of zeros that no test of this crate reads.
            if !entry.path().unwrap().ends_with("timerwheel") {
                assert!(entry.unpack_in(temp.path()).unwrap());
            }
        }
        let version = name.trim_end_matches("-crash");
        let config = serde_json::from_reader(decoder(&format!("{version}.config.json.zst"))).unwrap();
        Recording { name, temp, config }
    }

    /// The root of the data directory (`storePathRootDir`).
    pub fn root(&self) -> PathBuf {
        self.temp.path().join("store")
    }

    pub fn is_crash(&self) -> bool {
        self.name.ends_with("-crash")
    }

    pub fn facts(&self) -> Facts {
        serde_json::from_reader(decoder(&format!("{}.facts.json.zst", self.name))).unwrap()
    }

    pub fn messages(&self) -> Vec<Message> {
        lines(&format!("{}.messages.jsonl.zst", self.name))
    }

    pub fn sent(&self) -> Vec<Sent> {
        lines(&format!("{}.sent.jsonl.zst", self.name))
    }
}

impl Message {
    /// Every key the index must know it by: the unique id and the user keys.
    pub fn index_keys(&self) -> Vec<&str> {
        let keys = self.properties.get("KEYS").map_or("", String::as_str);
        let unique = self.properties.get("UNIQ_KEY").map(String::as_str);
        unique.into_iter().chain(keys.split(' ')).filter(|key| !key.is_empty()).collect()
    }
}

/// The physical offset in an offset message id (IPv4: 16 hex digits of host and port, 16 of offset).
pub fn physical_of(offset_msg_id: &str) -> i64 {
    i64::from_str_radix(&offset_msg_id[16..], 16).unwrap()
}

/// Bytes of a hex text.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Paths below `root` with their lengths, sorted; directories are not listed.
pub fn files_below(root: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, entry.metadata().unwrap().len());
            }
        }
    }
    found
}

fn decoder(file: &str) -> zstd::Decoder<'static, BufReader<std::fs::File>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/data").join(file);
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    zstd::Decoder::new(file).unwrap()
}

fn lines<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let mut text = String::new();
    decoder(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
