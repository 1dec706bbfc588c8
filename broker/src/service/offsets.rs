//! Committed consumer offsets (broker.md 5.6); stored as `config/consumerOffset.json` (store.md 6.4).

/// Offset table: topic and group, queue, next offset to consume.
#[derive(Default)]
pub struct Offsets {}

impl Offsets {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the content of `consumerOffset.json`; the error is a sentence for the log and stops the start.
    pub fn load(&self, _json: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// The content of `consumerOffset.json`.
    pub fn to_file(&self) -> Vec<u8> {
        Vec::new()
    }

    /// True once after the table changed since the last call: whether a periodic write is needed.
    pub fn take_dirty(&self) -> bool {
        false
    }

    /// Forgets everything about a topic that was deleted.
    pub fn remove_topic(&self, _topic: &str) {}

    /// Forgets everything about a group that was deleted with its offsets.
    pub fn remove_group(&self, _group: &str) {}
}
