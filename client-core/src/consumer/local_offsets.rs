//! Offsets of a broadcasting consumer in a file (client.md 3.15): `<root>/<client id>/<group>/offsets.json`, in the form of
//! the Java client, so that both can take over each other's.
//!
//! A write goes to a new file that replaces the old one, whose content stays as `offsets.json.bak`: whatever moment the
//! machine stops at, one of the two is whole.
use crate::Error;
use ferromq_protocol::body::{Member, MessageQueue};
use ferromq_protocol::json::{self, Flavour, Key, Value};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const TABLE: &str = "offsetTable";

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct LocalOffsets {
    path: PathBuf,
    table: Mutex<BTreeMap<MessageQueue, i64>>,
}

/// Where offsets are kept when no folder is given: `~/.rocketmq_offsets`, as Java does.
pub(crate) fn default_root() -> PathBuf {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    home.map_or_else(std::env::temp_dir, PathBuf::from).join(".rocketmq_offsets")
}

impl LocalOffsets {
    /// Opens the offsets of a client and group. No file means no offsets; two unreadable ones are an error.
    pub(crate) fn open(root: &Path, client_id: &str, group: &str) -> Result<Self, Error> {
        let path = root.join(client_id).join(group).join("offsets.json");
        let table = match read(&path) {
            Ok(Some(table)) => table,
            // Empty, missing or damaged: the previous content counts.
            main => match (read(&backup_of(&path)), main) {
                (Ok(Some(table)), _) => table,
                (Ok(None), Ok(_)) => BTreeMap::new(),
                (Err(error), _) | (Ok(None), Err(error)) => return Err(failed(&path, "read", &error)),
            },
        };
        Ok(Self { path, table: Mutex::new(table) })
    }

    pub(crate) fn get(&self, queue: &MessageQueue) -> Option<i64> {
        self.table.lock().get(queue).copied()
    }

    /// Adds or replaces offsets and writes the file.
    pub(crate) fn put(&self, offsets: &[(MessageQueue, i64)]) -> Result<(), Error> {
        let mut table = self.table.lock();
        table.extend(offsets.iter().cloned());
        let text = Value::Object(vec![(Key::from(TABLE), table.to_value())]).write(Flavour::Java);
        replace(&self.path, &text).map_err(|error| failed(&self.path, "write", &error))
    }
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Error {
    Error::config("local_offset_dir", format!("cannot {what} {}: {error}", path.display()))
}

fn backup_of(path: &Path) -> PathBuf {
    path.with_extension("json.bak")
}

/// `None` for a missing or empty file.
fn read(path: &Path) -> io::Result<Option<BTreeMap<MessageQueue, i64>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = json::parse(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
    let table = parsed.get(TABLE).and_then(BTreeMap::from_value);
    table.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no offset table in it"))
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = path.with_extension("json.tmp");
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    match fs::rename(path, backup_of(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(id: i32) -> MessageQueue {
        MessageQueue::new("TopicTest", "broker-a", id)
    }

    /// What Java writes is read, with white space and in any order of members.
    #[test]
    fn javas_file() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("c").join("G");
        fs::create_dir_all(&folder).unwrap();
        let text =
            "{\n\t\"offsetTable\":{{\n\t\t\"topic\":\"TopicTest\",\"queueId\":3,\"brokerName\":\"broker-a\"}:1470\n,\
                    {\"brokerName\":\"broker-a\",\"queueId\":1,\"topic\":\"TopicTest\"}:1471}}";
        fs::write(folder.join("offsets.json"), text).unwrap();
        let offsets = LocalOffsets::open(root.path(), "c", "G").unwrap();
        assert_eq!(
            (offsets.get(&queue(3)), offsets.get(&queue(1)), offsets.get(&queue(0))),
            (Some(1470), Some(1471), None)
        );
    }

    /// What is written has Java's form, is read back, and keeps queues that were not named.
    #[test]
    fn round_trip() {
        let root = tempfile::tempdir().unwrap();
        let offsets = LocalOffsets::open(root.path(), "c", "G").unwrap();
        offsets.put(&[(queue(3), 1470)]).unwrap();
        offsets.put(&[(queue(1), 2)]).unwrap();
        let text = fs::read_to_string(root.path().join("c/G/offsets.json")).unwrap();
        let wanted = "{\"offsetTable\":{{\"brokerName\":\"broker-a\",\"queueId\":1,\"topic\":\"TopicTest\"}:2,\
                      {\"brokerName\":\"broker-a\",\"queueId\":3,\"topic\":\"TopicTest\"}:1470}}";
        assert_eq!(text, wanted);
        let again = LocalOffsets::open(root.path(), "c", "G").unwrap();
        assert_eq!((again.get(&queue(3)), again.get(&queue(1))), (Some(1470), Some(2)));
    }

    /// A damaged or empty file falls back to the previous content; with both damaged nothing is guessed.
    #[test]
    fn damage() {
        let root = tempfile::tempdir().unwrap();
        let offsets = LocalOffsets::open(root.path(), "c", "G").unwrap();
        offsets.put(&[(queue(0), 1)]).unwrap();
        offsets.put(&[(queue(0), 2)]).unwrap();
        let main = root.path().join("c/G/offsets.json");
        for damaged in ["", "{", "[]"] {
            fs::write(&main, damaged).unwrap();
            assert_eq!(LocalOffsets::open(root.path(), "c", "G").unwrap().get(&queue(0)), Some(1), "{damaged:?}");
        }
        fs::write(backup_of(&main), "{").unwrap();
        let error = LocalOffsets::open(root.path(), "c", "G").unwrap_err().to_string();
        assert!(error.contains("offsets.json"), "{error}");
    }
}
