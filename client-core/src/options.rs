//! Options that producers, consumers and the admin client have in common (client.md 1.2), and the builder methods for them.
//!
//! Plain data, fixed when an object starts: nothing here can be changed at run time. Each option's comment gives Java's
//! name. Java options without effect on this client: callback threads, VIP channel, decode switches, unit mode, trace.
use crate::platform;
use crate::Error;
use ferromq_protocol::{language, Codec};
use ferromq_remoting::Limits;
use std::net::IpAddr;
use std::time::Duration;

/// Name that stands for "no instance name given" (client.md 1.1).
pub const DEFAULT_INSTANCE: &str = "DEFAULT";
/// Environment variable with the name server list when no option gives one.
pub const NAMESRV_ENV: &str = "NAMESRV_ADDR";

/// Options of one client instance.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `namesrvAddr`: name servers, `host:port;host:port`. `None` takes the environment variable `NAMESRV_ADDR`; without
    /// either every operation that needs a route fails with [`Error::NoNameServer`].
    pub namesrv: Option<String>,
    /// `clientIP`: first part of the client id. `None` takes this machine's address on the way to the name server.
    pub client_ip: Option<String>,
    /// `instanceName`: second part of the client id. `DEFAULT` becomes `pid#nanoseconds` so that ids are unique; two
    /// members of a consumer group with equal ids would share one share of the queues.
    pub instance_name: String,
    /// `unitName`: third part of the client id.
    pub unit_name: Option<String>,
    /// `pollNameServerInterval`: how often routes are refreshed.
    pub route_interval: Duration,
    /// `heartbeatBrokerInterval`: how often brokers hear from this client. They forget it after 120 s of silence.
    pub heartbeat_interval: Duration,
    /// `mqClientApiTimeout`: budget of one route query, heartbeat, and other metadata call.
    pub api_timeout: Duration,
    /// `com.rocketmq.remoting.client.connect.timeout`: longest time for one connect; counts into the request's budget.
    pub connect_timeout: Duration,
    /// How headers are written: JSON, which every server reads, or the shorter binary form.
    pub header_codec: Codec,
    /// `language`: what this client calls itself; bindings set their own (wire.md 2.4).
    pub language: i32,
    /// Limits of the connections: requests in flight, bytes waiting, idle time.
    pub limits: Limits,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            namesrv: None,
            client_ip: None,
            instance_name: DEFAULT_INSTANCE.to_owned(),
            unit_name: None,
            route_interval: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(30),
            api_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(3),
            header_codec: Codec::Json,
            language: language::RUST,
            limits: Limits::default(),
        }
    }
}

impl ClientOptions {
    /// The configured name servers, checked. Empty when there are none.
    pub(crate) fn name_servers(&self) -> Result<Vec<String>, Error> {
        match &self.namesrv {
            Some(list) => parse_name_servers(list),
            None => std::env::var(NAMESRV_ENV).map_or(Ok(Vec::new()), |list| parse_name_servers(&list)),
        }
    }

    /// The client id (client.md 1.1). `rename`: a default instance name is replaced by a unique one, as every object does
    /// but a broadcasting consumer, whose local offsets are found by the id. `stream` marks pull consumers.
    pub(crate) fn client_id(&self, ip: &str, rename: bool, stream: bool) -> String {
        let mut id = format!("{ip}@");
        if rename && self.instance_name == DEFAULT_INSTANCE {
            id.push_str(&format!("{}#{}", std::process::id(), platform::now_ns()));
        } else {
            id.push_str(&self.instance_name);
        }
        if let Some(unit) = self.unit_name.as_deref().filter(|unit| !unit.trim().is_empty()) {
            id.push('@');
            id.push_str(unit);
        }
        if stream {
            id.push_str("@STREAM");
        }
        id
    }

    /// `client_ip`, or the address on the way to `servers`.
    pub(crate) fn ip(&self, servers: &[String]) -> (String, IpAddr) {
        let detected = || platform::local_ip(servers.iter().map(String::as_str));
        match &self.client_ip {
            Some(text) => (text.clone(), text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| detected())),
            None => {
                let ip = detected();
                let text = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
                (text, ip)
            }
        }
    }
}

/// Splits `host:port;host:port`. An address in URL form keeps what follows the last `/` (client.md 1.4).
fn parse_name_servers(list: &str) -> Result<Vec<String>, Error> {
    let mut servers: Vec<String> = Vec::new();
    for part in list.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let part = part.trim_end_matches('/');
        let addr = part.rsplit_once('/').map_or(part, |(_, addr)| addr);
        let port = addr.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(Error::config("namesrv", format!("{part:?} is not host:port (several are separated by ';')")));
        }
        if !servers.iter().any(|known| known == addr) {
            servers.push(addr.to_owned());
        }
    }
    Ok(servers)
}

/// The builder methods for [`ClientOptions`], for every builder that has them in a field `client`.
macro_rules! client_builder_methods {
    () => {
        /// `namesrvAddr`: name servers, `host:port;host:port`. Default: the environment variable `NAMESRV_ADDR`.
        pub fn namesrv(mut self, list: impl Into<String>) -> Self {
            self.client.namesrv = Some(list.into());
            self
        }
        /// `clientIP`: first part of the client id. Default: this machine's address on the way to the name server.
        pub fn client_ip(mut self, ip: impl Into<String>) -> Self {
            self.client.client_ip = Some(ip.into());
            self
        }
        /// `instanceName`: second part of the client id. Default: unique.
        pub fn instance_name(mut self, name: impl Into<String>) -> Self {
            self.client.instance_name = name.into();
            self
        }
        /// `unitName`: third part of the client id. Default: none.
        pub fn unit_name(mut self, name: impl Into<String>) -> Self {
            self.client.unit_name = Some(name.into());
            self
        }
        /// `pollNameServerInterval`: how often routes are refreshed. Default 30 s.
        pub fn route_interval(mut self, interval: std::time::Duration) -> Self {
            self.client.route_interval = interval;
            self
        }
        /// `heartbeatBrokerInterval`: how often brokers hear from this client. Default 30 s.
        pub fn heartbeat_interval(mut self, interval: std::time::Duration) -> Self {
            self.client.heartbeat_interval = interval;
            self
        }
        /// `mqClientApiTimeout`: budget of one metadata call. Default 3 s.
        pub fn api_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.client.api_timeout = timeout;
            self
        }
        /// Longest time for one connect; it counts into the request's budget. Default 3 s.
        pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.client.connect_timeout = timeout;
            self
        }
        /// How headers are written. Default JSON, which every server reads.
        pub fn header_codec(mut self, codec: ferromq_protocol::Codec) -> Self {
            self.client.header_codec = codec;
            self
        }
        /// All common options at once.
        pub fn client_options(mut self, options: $crate::ClientOptions) -> Self {
            self.client = options;
            self
        }
    };
}
pub(crate) use client_builder_methods;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists are trimmed, doubles removed, URLs reduced to their address, and nonsense is refused with the part at fault.
    #[test]
    fn name_server_lists() {
        assert_eq!(parse_name_servers(" a:1 ; b:2;;a:1 ").unwrap(), ["a:1", "b:2"]);
        assert_eq!(parse_name_servers("http://ns.example:9876").unwrap(), ["ns.example:9876"]);
        assert_eq!(parse_name_servers("").unwrap(), Vec::<String>::new());
        for bad in ["a", "a:", ":1", "a:0", "a:1;b"] {
            let error = parse_name_servers(bad).unwrap_err();
            assert!(error.to_string().starts_with("option namesrv"), "{error}");
        }
    }

    /// Ids of default instances differ; a given name, unit and stream mark appear as Java writes them.
    #[test]
    fn client_ids() {
        let options = ClientOptions::default();
        let id = options.client_id("10.0.0.1", true, false);
        assert!(id.starts_with(&format!("10.0.0.1@{}#", std::process::id())), "{id}");
        assert_eq!(options.client_id("10.0.0.1", false, false), "10.0.0.1@DEFAULT");
        let named = ClientOptions { instance_name: "i".into(), unit_name: Some("u".into()), ..options };
        assert_eq!(named.client_id("10.0.0.1", true, true), "10.0.0.1@i@u@STREAM");
    }
}
