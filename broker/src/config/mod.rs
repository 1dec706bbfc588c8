//! The configuration of the broker: one table from which parsing, validation, listings, the sample file and the reference
//! page come, and what administration requests read and change.
//!
//! A [`BrokerConfig`] is a plain value. The running broker holds the current one behind [`LiveConfig`]; readers take a
//! snapshot (one reference count) per request batch, a change replaces the whole value.
pub mod document;
pub mod properties;
mod table;
mod value;

pub use properties::PropertiesError;
pub use table::{BrokerConfig, Property};
pub use value::{BrokerRole, FlushDiskType, PropertyValue};

use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// A property that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value does not fit the property.
    #[error("property {name} has the value {value:?}; expected is {expected}")]
    Value {
        /// Property name.
        name: String,
        /// The text found.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// There is no such property.
    #[error("there is no property {name}")]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The file is no properties file.
    #[error(transparent)]
    Syntax(#[from] PropertiesError),
}

/// Something in a file that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of the property that has no effect here.
    pub name: String,
    /// One sentence for the log.
    pub text: String,
}

/// How a property counts: whether a running broker takes a change, and whether `-m` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// A change by administration takes effect at once; otherwise at the next start.
    pub reloadable: bool,
    /// Listed by `-m`.
    pub important: bool,
}

/// One listed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Property name.
    pub name: &'static str,
    /// Its current value as text.
    pub value: String,
}

impl BrokerConfig {
    /// Reads the text of a `broker.conf` over the defaults. Unknown properties are warnings, since real files carry many.
    pub fn from_properties(text: &str) -> Result<(Self, Vec<Warning>), ConfigError> {
        let mut config = Self::default();
        let warnings = config.apply(text)?;
        Ok((config, warnings))
    }

    /// Applies the text of a properties file to this configuration.
    pub fn apply(&mut self, text: &str) -> Result<Vec<Warning>, ConfigError> {
        let mut warnings = Vec::new();
        for (name, value) in properties::parse(text)? {
            match self.set(&name, value.trim()) {
                Err(ConfigError::Unknown { name }) => {
                    let text = format!("property {name} is not known to this broker and has no effect");
                    warnings.push(Warning { name, text });
                }
                other => other?,
            }
        }
        Ok(warnings)
    }

    /// Sets one property from its text.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        match Self::property(name) {
            Some(property) => (property.set)(self, value),
            None => Err(ConfigError::Unknown { name: name.to_owned() }),
        }
    }

    /// The text of one property.
    pub fn get(&self, name: &str) -> Option<String> {
        Self::property(name).map(|property| (property.get)(self))
    }

    /// The table line of a property.
    pub fn property(name: &str) -> Option<&'static Property> {
        Self::TABLE.iter().find(|property| property.name == name)
    }

    /// Every setting, in the order of the table (`-p`).
    pub fn entries(&self) -> Vec<Entry> {
        Self::TABLE.iter().map(|p| Entry { name: p.name, value: (p.get)(self) }).collect()
    }

    /// The settings an operator looks at first (`-m`).
    pub fn important(&self) -> Vec<Entry> {
        let important = Self::TABLE.iter().filter(|p| p.traits.important);
        important.map(|p| Entry { name: p.name, value: (p.get)(self) }).collect()
    }
}

/// The configuration of a running broker.
///
/// Lock: `current` is held only to copy or replace the pointer; `changes` serialises writers.
#[derive(Debug)]
pub struct LiveConfig {
    current: RwLock<Arc<BrokerConfig>>,
    changes: Mutex<()>,
}

impl LiveConfig {
    /// Starts from `config`.
    pub fn new(config: BrokerConfig) -> Self {
        Self { current: RwLock::new(Arc::new(config)), changes: Mutex::new(()) }
    }

    /// The current values.
    pub fn snapshot(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Replaces the values by what `change` makes of them.
    pub fn change<R>(&self, change: impl FnOnce(&mut BrokerConfig) -> R) -> R {
        let _one_writer = self.changes.lock();
        let mut next = BrokerConfig::clone(&self.snapshot());
        let result = change(&mut next);
        *self.current.write() = Arc::new(next);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_over_the_defaults_and_unknown_names_only_warn() {
        let (config, warnings) =
            BrokerConfig::from_properties("brokerName=broker-x\nlistenPort = 0\nnoSuchThing=1\n").expect("valid");
        assert_eq!((config.broker_name.as_str(), config.listen_port), ("broker-x", 0));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].text.contains("noSuchThing"), "{warnings:?}");
    }

    #[test]
    fn a_value_that_does_not_fit_names_property_value_and_expectation() {
        let error = BrokerConfig::from_properties("listenPort=many").unwrap_err().to_string();
        assert_eq!(error, "property listenPort has the value \"many\"; expected is int from 0 to 65535");
        let error = BrokerConfig::from_properties("flushDiskType=LATER").unwrap_err().to_string();
        assert!(error.contains("ASYNC_FLUSH | SYNC_FLUSH"), "{error}");
    }

    #[test]
    fn every_default_is_within_its_own_range_and_reads_back() {
        let config = BrokerConfig::default();
        let mut copy = BrokerConfig::default();
        for entry in config.entries() {
            copy.set(entry.name, &entry.value).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(copy.get(entry.name), Some(entry.value));
        }
    }
}
