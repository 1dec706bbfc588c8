//! Connected producers and consumers (broker.md 5.1 to 5.4).

/// Producer and consumer tables.
#[derive(Default)]
pub struct Members {}

impl Members {
    /// No client.
    pub fn new() -> Self {
        Self::default()
    }
}
