//! The configuration of the broker: one table ([`BrokerConfig::TABLE`]) from which parsing, validation, listings, the sample file and
//! the reference page come ([`ferromq_protocol::settings`]), and what administration requests read and change.
//!
//! A [`BrokerConfig`] is a plain value. The running broker holds the current one behind [`LiveConfig`]; readers take a
//! snapshot (one reference count) per request batch, a change replaces the whole value.
pub mod properties;
mod table;
mod value;
mod without_effect;

pub use ferromq_protocol::java_properties::PropertiesError;
pub use ferromq_protocol::settings::{Entry, SettingError as ConfigError, Traits, Warning};
pub use table::{BrokerConfig, Property};
pub use value::{BrokerRole, FlushDiskType};

use ferromq_protocol::settings;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// Properties of brokers for tests: files so small that starting and removing one costs nothing, and a send is not refused
/// because a machine that runs tests stood still for a moment.
pub const THROW_AWAY: &[(&str, &str)] = &[
    ("mappedFileSizeCommitLog", "16777216"),
    ("mappedFileSizeConsumeQueue", "200000"),
    ("maxHashSlotNum", "10000"),
    ("maxIndexNum", "40000"),
    ("waitTimeMillsInSendQueue", "60000"),
];

/// A `broker.conf` in which every property stands as a comment with its default and meaning.
pub fn sample() -> String {
    settings::sample::<BrokerConfig>("FerroMQ broker.")
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    settings::reference::<BrokerConfig>("Broker properties")
}

/// Called with the values that a change replaces and the new ones.
type Watcher = Box<dyn Fn(&BrokerConfig, &BrokerConfig) + Send + Sync>;

/// The configuration of a running broker.
///
/// Locks: `current` is held only to copy or replace the pointer; `watchers` serialises writers and is held while they are told.
pub struct LiveConfig {
    current: RwLock<Arc<BrokerConfig>>,
    watchers: Mutex<Vec<Watcher>>,
}

impl LiveConfig {
    /// Starts from `config`.
    pub fn new(config: BrokerConfig) -> Self {
        Self { current: RwLock::new(Arc::new(config)), watchers: Mutex::default() }
    }

    /// The current values.
    pub fn snapshot(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Replaces the values by what `change` makes of them.
    pub fn change<R>(&self, change: impl FnOnce(&mut BrokerConfig) -> R) -> R {
        let watchers = self.watchers.lock();
        let before = self.snapshot();
        let mut next = BrokerConfig::clone(&before);
        let result = change(&mut next);
        let next = Arc::new(next);
        *self.current.write() = Arc::clone(&next);
        watchers.iter().for_each(|watcher| watcher(&before, &next));
        result
    }

    /// Tells `watcher` of every change from now on: the values before and after it. It must not change the configuration itself.
    pub fn watch(&self, watcher: impl Fn(&BrokerConfig, &BrokerConfig) + Send + Sync + 'static) {
        self.watchers.lock().push(Box::new(watcher));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What a file says counts over the default; names without effect warn with the line, the reason or the nearest name.
    #[test]
    fn a_file_is_read_over_the_defaults_and_unknown_names_only_warn() {
        let text = "brokerName=broker-x\nlistenPort = 0\n\nlistenPrt=1\ntimerWheelEnable=true\nnoSuchThingAtAll=1\n";
        let (config, warnings) = BrokerConfig::from_properties(text).expect("valid");
        assert_eq!((config.broker_name.as_str(), config.listen_port), ("broker-x", 0));
        let texts: Vec<&str> = warnings.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert_eq!(texts[0], "line 4: property listenPrt is not known and has no effect; is listenPort meant?");
        assert!(texts[1].starts_with("line 5: property timerWheelEnable has no effect here: "), "{texts:?}");
        assert_eq!(texts[2], "line 6: property noSuchThingAtAll is not known and has no effect");
    }

    // A value that does not fit names line, property, value and expectation, and nothing of the file counts.
    #[test]
    fn a_value_that_does_not_fit_is_named() {
        let mut config = BrokerConfig::default();
        let error = config.apply("brokerName=x\n# port\nlistenPort=many").unwrap_err().to_string();
        assert_eq!(error, "line 3: property listenPort has the value \"many\"; expected is int from 0 to 65535");
        assert_ne!(config.broker_name, "x");
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

    #[test]
    fn the_sample_is_a_file_the_broker_reads_without_a_warning() {
        let active = sample().lines().map(|l| l.strip_prefix('#').unwrap_or(l).to_owned()).collect::<Vec<_>>();
        let settings = active.iter().filter(|l| l.contains('=') && !l.starts_with(' ') && !l.ends_with('='));
        let text: String = settings.map(|l| format!("{l}\n")).collect();
        let (_, warnings) = BrokerConfig::from_properties(&text).expect("sample is valid");
        assert_eq!(warnings, []);
    }

    #[test]
    fn the_reference_has_one_line_per_property() {
        assert_eq!(reference().lines().filter(|l| l.starts_with("| ")).count(), BrokerConfig::TABLE.len() + 1);
    }

    // What has an effect is not listed as having none.
    #[test]
    fn no_property_is_in_both_lists() {
        let listed = without_effect::WITHOUT_EFFECT.iter().flat_map(|group| group.names.split_whitespace());
        assert_eq!(listed.filter(|name| BrokerConfig::property(name).is_some()).collect::<Vec<_>>(), [""; 0]);
    }

    // Whoever watches is told of each change with the values before and after.
    #[test]
    fn changes_are_told() {
        let live = LiveConfig::new(BrokerConfig::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        live.watch(move |before, after| sender.send((before.trace_on, after.trace_on)).unwrap_or_default());
        live.change(|config| config.trace_on = false);
        assert_eq!(receiver.recv(), Ok((true, false)));
        assert!(!live.snapshot().trace_on);
    }
}
