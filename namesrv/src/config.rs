//! The options of the name server: one table with name, default and documentation, which also gives parsing, listing,
//! and what the requests 318 and 319 change and show (broker.md 1.2, 1.11).
use ferromq_protocol::java_properties::{self, PropertiesError};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The value has the wrong type.
    #[error("property {name} cannot be {value:?}: {expected} is needed")]
    Value {
        /// Name of the property.
        name: &'static str,
        /// The value given.
        value: String,
        /// What is needed.
        expected: &'static str,
    },
    /// The text is no properties text.
    #[error("not a properties text")]
    Syntax(#[from] PropertiesError),
}

/// A type that an option can have.
trait OptionValue: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn show(&self) -> String;
}

impl OptionValue for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(text: &str) -> Option<Self> {
        [("true", true), ("false", false)].iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for i64 {
    const EXPECTED: &'static str = "a whole number";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for u16 {
    const EXPECTED: &'static str = "a port, 0 to 65535,";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for String {
    const EXPECTED: &'static str = "a text";
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

/// An option as documentation shows it.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// Name in properties files.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
}

macro_rules! options {
    ($($field:ident: $type:ty = $default:expr, $name:literal, $doc:literal;)*) => {
        /// The options with their values. Fields named in the documentation as without effect exist because real
        /// configuration files carry them.
        #[derive(Debug, Clone)]
        pub struct NameServerConfig {
            $(#[doc = concat!("`", $name, "`: ", $doc)] pub $field: $type,)*
        }

        impl Default for NameServerConfig {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// All options in the order of the table.
        pub const OPTIONS: &[OptionInfo] = &[$(OptionInfo { name: $name, doc: $doc },)*];

        impl NameServerConfig {
            /// Sets an option by name. `Ok(false)`: there is no such option.
            pub fn set(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
                let value = value.trim();
                match name {
                    $($name => {
                        self.$field = OptionValue::read(value).ok_or_else(|| ConfigError::Value {
                            name: $name, value: value.to_owned(), expected: <$type as OptionValue>::EXPECTED,
                        })?;
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// All options with their values, in the order of the table.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$(($name, self.$field.show()),)*]
            }
        }
    };
}

options! {
    listen_port: u16 = 9876, "listenPort", "TCP port; 0 takes a free one";
    bind_address: String = "0.0.0.0".into(), "bindAddress", "address to listen on";
    rocketmq_home: String = home_of_rocketmq(), "rocketmqHome", "accepted for compatibility; no effect";
    kv_config_path: String = in_home("kvConfig.json"), "kvConfigPath", "file of the KV configuration; empty keeps it in memory only";
    config_store_path: String = in_home("namesrv.properties"), "configStorePath", "file to which changed options are written; empty writes none";
    product_env_name: String = "center".into(), "productEnvName", "accepted for compatibility; no effect";
    cluster_test: bool = false, "clusterTest", "attach order configurations to routes as orderMessageEnable does";
    order_message_enable: bool = false, "orderMessageEnable", "attach the order configuration of a topic to its route";
    return_order_topic_config_to_broker: bool = true, "returnOrderTopicConfigToBroker", "answer registrations with the order configuration";
    client_request_thread_pool_nums: i64 = 8, "clientRequestThreadPoolNums", "accepted for compatibility; no effect";
    client_request_thread_pool_queue_capacity: i64 = 50_000, "clientRequestThreadPoolQueueCapacity", "accepted for compatibility; no effect";
    default_thread_pool_nums: i64 = 16, "defaultThreadPoolNums", "accepted for compatibility; no effect";
    default_thread_pool_queue_capacity: i64 = 10_000, "defaultThreadPoolQueueCapacity", "accepted for compatibility; no effect";
    scan_not_active_broker_interval: i64 = 5_000, "scanNotActiveBrokerInterval", "milliseconds between two scans for silent brokers";
    un_register_broker_queue_capacity: i64 = 3_000, "unRegisterBrokerQueueCapacity", "accepted for compatibility; brokers are unregistered at once";
    support_acting_master: bool = false, "supportActingMaster", "offer the lowest slave as master of a group without one";
    enable_all_topic_list: bool = true, "enableAllTopicList", "answer requests for the list of all topics";
    enable_topic_list: bool = true, "enableTopicList", "answer requests for other lists of topics";
    notify_min_broker_id_changed: bool = false, "notifyMinBrokerIdChanged", "tell the brokers of a group when its lowest broker id changes";
    enable_controller_in_namesrv: bool = false, "enableControllerInNamesrv", "accepted for compatibility; there is no controller";
    need_wait_for_service: bool = false, "needWaitForService", "refuse route queries for waitSecondsForService after the start";
    wait_seconds_for_service: i64 = 45, "waitSecondsForService", "see needWaitForService";
    delete_topic_with_broker_registration: bool = false, "deleteTopicWithBrokerRegistration", "a registration removes the topics it does not name";
    config_black_list: String = "configBlackList;configStorePath;kvConfigPath".into(), "configBlackList", "options that requests cannot change, separated by semicolons";
    server_channel_max_idle_time_seconds: i64 = 120, "serverChannelMaxIdleTimeSeconds", "a connection without traffic for this long is closed";
    server_worker_threads: i64 = 8, "serverWorkerThreads", "accepted for compatibility; no effect";
    server_callback_executor_threads: i64 = 0, "serverCallbackExecutorThreads", "accepted for compatibility; no effect";
    server_selector_threads: i64 = 3, "serverSelectorThreads", "accepted for compatibility; no effect";
    server_oneway_semaphore_value: i64 = 256, "serverOnewaySemaphoreValue", "accepted for compatibility; no effect";
    server_async_semaphore_value: i64 = 64, "serverAsyncSemaphoreValue", "accepted for compatibility; no effect";
    server_socket_snd_buf_size: i64 = 0, "serverSocketSndBufSize", "accepted for compatibility; no effect";
    server_socket_rcv_buf_size: i64 = 0, "serverSocketRcvBufSize", "accepted for compatibility; no effect";
    server_socket_backlog: i64 = 1024, "serverSocketBacklog", "accepted for compatibility; no effect";
}

/// Options that no request may change whatever the black list says (broker.md 1.11).
const NEVER_CHANGED: &[&str] = &["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"];

/// Options whose default depends on the machine.
const COMPUTED: &[&str] = &["rocketmqHome", "kvConfigPath", "configStorePath"];

impl NameServerConfig {
    /// The reference page of all options, in Markdown.
    pub fn reference() -> String {
        let mut page = String::from(
            "# Name server configuration\n\nGenerated by `cargo xtask gen`. Options of the properties file that \
             `ferromq namesrv -c FILE` reads; `-p` prints the current values.\n\n| option | default | meaning |\n|---|---|---|\n",
        );
        for (option, (_, value)) in OPTIONS.iter().zip(Self::default().entries()) {
            let value =
                if COMPUTED.contains(&option.name) { "in the home directory".to_owned() } else { format!("`{value}`") };
            page.push_str(&format!("| `{}` | {value} | {} |\n", option.name, option.doc));
        }
        page
    }

    /// A name server on a free port of 127.0.0.1 that writes no files.
    pub fn ephemeral() -> Self {
        Self {
            listen_port: 0,
            bind_address: "127.0.0.1".into(),
            kv_config_path: String::new(),
            config_store_path: String::new(),
            ..Self::default()
        }
    }

    /// Reads properties text over the defaults. Gives the names that are no options too: real files carry many.
    pub fn from_properties(text: &str) -> Result<(Self, Vec<String>), ConfigError> {
        let mut config = Self::default();
        let unknown = config.apply(text)?;
        Ok((config, unknown))
    }

    /// Sets all options that the text names. Gives the names that are no options. After an error nothing has changed.
    pub fn apply(&mut self, text: &str) -> Result<Vec<String>, ConfigError> {
        let mut changed = self.clone();
        let mut unknown = Vec::new();
        for (name, value) in java_properties::parse(text)? {
            if !changed.set(&name, &value)? {
                unknown.push(name);
            }
        }
        *self = changed;
        Ok(unknown)
    }

    /// All options as properties text.
    pub fn to_properties(&self) -> String {
        let entries = self.entries();
        java_properties::write(entries.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// The address to listen on.
    pub fn listen_address(&self) -> Result<SocketAddr, ConfigError> {
        let ip: IpAddr = self.bind_address.parse().map_err(|_| ConfigError::Value {
            name: "bindAddress",
            value: self.bind_address.clone(),
            expected: "an IP address",
        })?;
        Ok(SocketAddr::new(ip, self.listen_port))
    }

    /// True when a request may change the option.
    pub fn is_changeable(&self, name: &str) -> bool {
        !NEVER_CHANGED.contains(&name) && !self.config_black_list.split(';').any(|listed| listed.trim() == name)
    }

    /// File of the KV configuration, if it is kept in one.
    pub(crate) fn kv_file(&self) -> Option<PathBuf> {
        path_of(&self.kv_config_path)
    }

    /// File of changed options, if they are kept.
    pub(crate) fn store_file(&self) -> Option<PathBuf> {
        path_of(&self.config_store_path)
    }
}

fn path_of(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty())
}

/// `~/namesrv/<file>`; nothing when the user has no home.
fn in_home(file: &str) -> String {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    home.map(|home| PathBuf::from(home).join("namesrv").join(file).to_string_lossy().into_owned()).unwrap_or_default()
}

fn home_of_rocketmq() -> String {
    std::env::var("ROCKETMQ_HOME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every option is listed with its value, can be set to that value, and survives a round through properties text.
    #[test]
    fn options_round_trip() {
        let config = NameServerConfig::default();
        assert_eq!(config.entries().len(), OPTIONS.len());
        let (again, unknown) = NameServerConfig::from_properties(&config.to_properties()).unwrap();
        assert_eq!(again.entries(), config.entries());
        assert!(unknown.is_empty());
    }

    // Unknown names are reported, wrong values refused as a whole with the name and what is needed.
    #[test]
    fn unknown_names_and_wrong_values() {
        let (config, unknown) = NameServerConfig::from_properties("listenPort=1\nbrokerName=x\n").unwrap();
        assert_eq!((config.listen_port, unknown), (1, vec!["brokerName".to_owned()]));
        let mut config = NameServerConfig::default();
        let error = config.apply("orderMessageEnable=true\nlistenPort=many").unwrap_err();
        assert!(error.to_string().contains("listenPort") && error.to_string().contains("many"), "{error}");
        assert!(!config.order_message_enable);
    }

    #[test]
    fn listed_options_cannot_be_changed() {
        let config = NameServerConfig { config_black_list: "a; listenPort".into(), ..NameServerConfig::default() };
        assert!(!config.is_changeable("listenPort") && !config.is_changeable("kvConfigPath"));
        assert!(config.is_changeable("clusterTest"));
    }
}
