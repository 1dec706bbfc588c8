//! The KV configuration: namespace, key, value; in one JSON file `{"configTable":{"<ns>":{"<k>":"<v>"}}}` (broker.md 1.9).
//!
//! Threads and locks: a read-write lock over the table. Saving happens on a blocking thread under a lock of its own,
//! which takes its copy of the table when it has the lock: the file never goes back to an older state.
use crate::files;
use ferromq_protocol::json::{self, Flavour, Key, Value};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Namespace of the order configurations: topic to `brokerA:4;brokerB:4`.
pub(crate) const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

type Table = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug)]
pub(crate) struct KvConfig {
    table: RwLock<Table>,
    file: Option<PathBuf>,
    saving: Mutex<()>,
}

impl KvConfig {
    /// Reads the file, if there is one. What is no KV configuration is an error: overwriting it would lose it.
    pub(crate) fn load(file: Option<PathBuf>) -> io::Result<Self> {
        let bytes = match file.as_ref().map(std::fs::read) {
            Some(Ok(bytes)) => bytes,
            Some(Err(e)) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => Vec::new(),
        };
        let table = if bytes.is_empty() { Table::new() } else { parse(&bytes)? };
        Ok(Self { table: RwLock::new(table), file, saving: Mutex::new(()) })
    }

    pub(crate) fn put(&self, namespace: &str, key: &str, value: &str) {
        self.table.write().entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    pub(crate) fn get(&self, namespace: &str, key: &str) -> Option<String> {
        self.table.read().get(namespace)?.get(key).cloned()
    }

    /// Removes a key; its namespace stays known.
    pub(crate) fn delete(&self, namespace: &str, key: &str) {
        if let Some(keys) = self.table.write().get_mut(namespace) {
            keys.remove(key);
        }
    }

    /// All keys of a namespace; `None` when it was never written to.
    pub(crate) fn list(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.table.read().get(namespace).cloned()
    }

    /// Writes the file. Blocks.
    pub(crate) fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let _one_at_a_time = self.saving.lock();
        let text = render(&self.table.read());
        files::replace(file, &text)
    }
}

fn parse(bytes: &[u8]) -> io::Result<Table> {
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let value = json::parse(bytes).map_err(|e| bad(e.to_string()))?;
    let mut table = Table::new();
    let Some(Value::Object(namespaces)) = value.get("configTable") else { return Ok(table) };
    for (namespace, keys) in namespaces {
        let (Key::Text(namespace), Value::Object(keys)) = (namespace, keys) else {
            return Err(bad("a namespace must be an object".into()));
        };
        let entries = table.entry(namespace.clone()).or_default();
        for (key, value) in keys {
            let (Key::Text(key), Some(value)) = (key, value.as_str()) else {
                return Err(bad(format!("a value of namespace {namespace:?} is no text")));
            };
            entries.insert(key.clone(), value.to_owned());
        }
    }
    Ok(table)
}

fn render(table: &Table) -> Vec<u8> {
    let namespaces = table.iter().map(|(namespace, keys)| {
        let keys = keys.iter().map(|(k, v)| (Key::Text(k.clone()), Value::Text(v.clone())));
        (Key::Text(namespace.clone()), Value::Object(keys.collect()))
    });
    let root = vec![(Key::Text("configTable".into()), Value::Object(namespaces.collect()))];
    Value::Object(root).write(Flavour::Quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The file holds what was put, its predecessor is kept, and a server that starts on it knows everything.
    #[test]
    fn survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub").join("kvConfig.json");
        let kv = KvConfig::load(Some(file.clone())).unwrap();
        kv.put("N", "k", "v \"1\"");
        kv.save().unwrap();
        kv.put("N", "l", "ü");
        kv.put("M", "x", "");
        kv.delete("M", "x");
        kv.save().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, r#"{"configTable":{"M":{},"N":{"k":"v \"1\"","l":"ü"}}}"#);
        let backup = std::fs::read_to_string(file.with_extension("json.bak")).unwrap();
        assert_eq!(backup, r#"{"configTable":{"N":{"k":"v \"1\""}}}"#);
        let again = KvConfig::load(Some(file)).unwrap();
        assert_eq!(again.get("N", "l").as_deref(), Some("ü"));
        assert_eq!(again.list("M"), Some(BTreeMap::new()));
        assert_eq!(again.list("never"), None);
    }

    // A damaged file stops the start instead of being replaced by an empty one later.
    #[test]
    fn refuses_a_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kvConfig.json");
        for text in ["{", r#"{"configTable":{"N":5}}"#, r#"{"configTable":{"N":{"k":[]}}}"#] {
            std::fs::write(&file, text).unwrap();
            assert!(KvConfig::load(Some(file.clone())).is_err(), "{text}");
        }
    }
}
