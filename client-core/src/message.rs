//! A message to be sent, a message received, and the result of a send.
//!
//! Plain data. Properties are kept as the text they travel as (wire.md 6.2): nothing is converted between builder and
//! wire. The rules for names and values are those of client.md 2.16.
mod received;
mod result;

pub use received::MessageExt;
pub use result::{SendResult, SendStatus};

use crate::Error;
use bytes::Bytes;
use ferromq_protocol::properties::{self, Properties};

/// A message to be sent.
///
/// ```
/// # fn main() -> Result<(), ferromq::Error> {
/// let message = ferromq::Message::new("orders", "paid")
///     .with_tag("paid")
///     .with_key("4711")
///     .with_property("shop", "north")?;
/// assert_eq!((message.tag(), message.property("shop")), (Some("paid"), Some("north")));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(crate) topic: String,
    pub(crate) body: Bytes,
    pub(crate) flag: i32,
    pub(crate) properties: Properties,
}

impl Message {
    /// A message without properties. The body may be any bytes, but not empty when it is sent.
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), body: body.into(), flag: 0, properties: Properties::new() }
    }

    /// Another body, for those who send many messages that differ in nothing else.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The tag, one per message: what consumers filter by. An empty one removes it.
    #[must_use]
    pub fn with_tag(mut self, tag: impl AsRef<str>) -> Self {
        self.properties.set(properties::TAGS, tag.as_ref());
        self
    }

    /// A key to find the message by, in place of earlier ones. White space separates keys.
    #[must_use]
    pub fn with_key(mut self, key: impl AsRef<str>) -> Self {
        self.properties.set(properties::KEYS, key.as_ref());
        self
    }

    /// Several keys, joined by one blank as Java does.
    #[must_use]
    pub fn with_keys<K: AsRef<str>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        let mut joined = String::new();
        for key in keys {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(key.as_ref());
        }
        self.with_key(joined)
    }

    /// A property of the application. Reserved names, blank names or values, and the two separator characters are
    /// refused (client.md 2.16).
    pub fn with_property(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<Self, Error> {
        self.properties
            .set_user(name.as_ref(), value.as_ref())
            .map_err(|e| Error::validation(format!("message to topic {}: {e}", self.topic)))?;
        Ok(self)
    }

    /// The sharding key, property `__SHARDINGKEY`. Only [`Producer::send_sharded`](crate::Producer::send_sharded)
    /// chooses the queue by it.
    #[must_use]
    pub fn with_sharding_key(mut self, key: impl AsRef<str>) -> Self {
        self.properties.set(properties::SHARDING_KEY, key.as_ref());
        self
    }

    /// Delivery after the delay of this level, 1 (1 s) to 18 (2 h) with the broker's usual table; 0 or less: at once.
    #[must_use]
    pub fn with_delay_level(mut self, level: i32) -> Self {
        if level > 0 {
            self.properties.set(properties::DELAY, &level.to_string());
        } else {
            self.properties.remove(properties::DELAY);
        }
        self
    }

    /// Whether the broker answers only after flush and replication, as far as it is configured to (`waitStoreMsgOK`).
    /// Default true.
    #[must_use]
    pub fn with_wait_store_ok(mut self, wait: bool) -> Self {
        self.properties.set(properties::WAIT, if wait { "true" } else { "false" });
        self
    }

    /// The flag of the application, delivered as it is.
    #[must_use]
    pub fn with_flag(mut self, flag: i32) -> Self {
        self.flag = flag;
        self
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// The keys, separated by blanks.
    pub fn keys(&self) -> Option<&str> {
        self.property(properties::KEYS)
    }

    /// A property, reserved ones included.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)
    }

    /// All properties in the order they were set.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter()
    }

    /// The flag of the application.
    pub fn flag(&self) -> i32 {
        self.flag
    }

    /// The delay level; 0 without one.
    pub fn delay_level(&self) -> i32 {
        self.property(properties::DELAY).and_then(|level| level.parse().ok()).unwrap_or(0)
    }

    /// False only when [`Self::with_wait_store_ok`] said so.
    pub fn wait_store_ok(&self) -> bool {
        self.property(properties::WAIT) != Some("false")
    }
}
