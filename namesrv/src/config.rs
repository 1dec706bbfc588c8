//! The options of the name server: one table with type, default, range and documentation, which also gives parsing, listing, the
//! reference page, and what the requests 318 and 319 change and show (broker.md 1.2, 1.11; [`ferromq_protocol::settings`]).
pub use ferromq_protocol::settings::{SettingError as ConfigError, Warning};

use ferromq_protocol::settings;
use ferromq_protocol::settings::{LogLevel, WithoutEffect};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Largest value of the options that count something.
const INT_MAX: i64 = i32::MAX as i64;

settings! {
    /// The options with their values.
    pub struct NameServerConfig, without effect WITHOUT_EFFECT;

    /// TCP port; 0 takes a free one.
    listen_port: u16 = "listenPort", 9876, in 0..=65535;
    /// Address to listen on.
    bind_address: String = "bindAddress", "0.0.0.0".into();
    /// File of the KV configuration; empty keeps it in memory only. Default: in the home directory.
    kv_config_path: String = "kvConfigPath", in_home("kvConfig.json"), [computed];
    /// File to which changed options are written; empty writes none. Default: the file that was read, or one in the home directory.
    config_store_path: String = "configStorePath", in_home("namesrv.properties"), [computed];
    /// Directory of the installation; shown to tools. It may be absent.
    rocketmq_home: String = "rocketmqHome", home_of_rocketmq(), [computed];
    /// Name of the environment; shown to tools.
    product_env_name: String = "productEnvName", "center".into(), [live];
    /// Attach order configurations to routes as orderMessageEnable does.
    cluster_test: bool = "clusterTest", false, [live];
    /// Attach the order configuration of a topic to its route.
    order_message_enable: bool = "orderMessageEnable", false, [live];
    /// Answer registrations with the order configuration.
    return_order_topic_config_to_broker: bool = "returnOrderTopicConfigToBroker", true, [live];
    /// Milliseconds between two scans for silent brokers.
    scan_not_active_broker_interval: i64 = "scanNotActiveBrokerInterval", 5_000, in 1..=i64::MAX;
    /// Offer the lowest slave as master of a group without one.
    support_acting_master: bool = "supportActingMaster", false, [live];
    /// Answer requests for the list of all topics.
    enable_all_topic_list: bool = "enableAllTopicList", true, [live];
    /// Answer requests for other lists of topics.
    enable_topic_list: bool = "enableTopicList", true, [live];
    /// Tell the brokers of a group when its lowest broker id changes.
    notify_min_broker_id_changed: bool = "notifyMinBrokerIdChanged", false, [live];
    /// Refuse route queries for waitSecondsForService after the start.
    need_wait_for_service: bool = "needWaitForService", false, [live];
    /// Seconds of needWaitForService.
    wait_seconds_for_service: i64 = "waitSecondsForService", 45, in 0..=i64::MAX, [live];
    /// A registration removes the topics it does not name.
    delete_topic_with_broker_registration: bool = "deleteTopicWithBrokerRegistration", false, [live];
    /// Options that requests cannot change, separated by semicolons.
    config_black_list: String = "configBlackList", "configBlackList;configStorePath;kvConfigPath".into();
    /// Seconds after which a connection without traffic is closed.
    server_channel_max_idle_time_seconds: i64 = "serverChannelMaxIdleTimeSeconds", 120, in 1..=INT_MAX;
    /// FerroMQ: what is logged: error, warn, info, debug or trace. Empty: what the environment variable FERROMQ_LOG says, or warn.
    log_level: LogLevel = "logLevel", LogLevel::Environment, [live];
}

/// Options of Apache's name server that have no effect here, by reason.
const WITHOUT_EFFECT: &[WithoutEffect] = &[
    WithoutEffect {
        reason: "there are no pools of threads with queues; the tasks of the connections serve requests",
        names: "clientRequestThreadPoolNums clientRequestThreadPoolQueueCapacity defaultThreadPoolNums \
                defaultThreadPoolQueueCapacity unRegisterBrokerQueueCapacity",
    },
    WithoutEffect {
        reason: "it belongs to Netty, which is not used",
        names: "serverWorkerThreads serverCallbackExecutorThreads serverSelectorThreads serverOnewaySemaphoreValue \
                serverAsyncSemaphoreValue serverSocketSndBufSize serverSocketRcvBufSize serverSocketBacklog \
                serverNettyWorkerGroupEnable serverPooledByteBufAllocatorEnable writeBufferHighWaterMark \
                writeBufferLowWaterMark useEpollNativeSelector enableShutdownGracefully shutdownWaitTimeSeconds",
    },
    WithoutEffect { reason: "there is no controller", names: "enableControllerInNamesrv" },
];

/// Options that no request may change whatever the black list says (broker.md 1.11).
const NEVER_CHANGED: &[&str] = &["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"];

impl NameServerConfig {
    /// The reference page of all options, in Markdown.
    pub fn reference() -> String {
        settings::reference::<Self>("Name server properties")
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

    /// All options as properties text.
    pub fn to_properties(&self) -> String {
        settings::text(&self.entries())
    }

    /// The address to listen on.
    pub fn listen_address(&self) -> Result<SocketAddr, ConfigError> {
        let ip: IpAddr = self.bind_address.parse().map_err(|_| ConfigError::Value {
            name: "bindAddress".into(),
            value: self.bind_address.clone(),
            expected: "an IP address".into(),
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

    // What has an effect is not listed as having none.
    #[test]
    fn no_option_is_in_both_lists() {
        let listed = WITHOUT_EFFECT.iter().flat_map(|group| group.names.split_whitespace());
        assert_eq!(listed.filter(|name| NameServerConfig::property(name).is_some()).collect::<Vec<_>>(), [""; 0]);
    }

    // Every option is listed with its value, can be set to that value, and survives a round through properties text.
    #[test]
    fn options_round_trip() {
        let config = NameServerConfig::default();
        assert_eq!(config.entries().len(), NameServerConfig::TABLE.len());
        let (again, warnings) = NameServerConfig::from_properties(&config.to_properties()).unwrap();
        assert_eq!(again, config);
        assert_eq!(warnings, []);
    }

    // Names without effect are warnings, wrong values refused as a whole with line, name and what is needed.
    #[test]
    fn unknown_names_and_wrong_values() {
        let text = "listenPort=1\nlistenPrt=2\nserverSelectorThreads=3\n";
        let (config, warnings) = NameServerConfig::from_properties(text).unwrap();
        assert_eq!((config.listen_port, warnings.len()), (1, 2));
        assert!(
            warnings[0].text.contains("is listenPort meant?") && warnings[1].text.contains("Netty"),
            "{warnings:?}"
        );
        let mut config = NameServerConfig::default();
        let error = config.apply("orderMessageEnable=true\nlistenPort=many").unwrap_err();
        assert!(error.to_string().starts_with("line 2: property listenPort has the value \"many\""), "{error}");
        assert!(!config.order_message_enable);
    }

    #[test]
    fn listed_options_cannot_be_changed() {
        let config = NameServerConfig { config_black_list: "a; listenPort".into(), ..NameServerConfig::default() };
        assert!(!config.is_changeable("listenPort") && !config.is_changeable("kvConfigPath"));
        assert!(config.is_changeable("clusterTest"));
    }
}
