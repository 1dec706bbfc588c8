//! A name server on a free port, asked with raw requests of the protocol.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "helpers of tests")]
use ferromq_namesrv::{NameServer, NameServerConfig};
use ferromq_protocol::{Command, ExtFields};
use ferromq_remoting::{Client, ClientOptions, NoRequests};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Fixture {
    pub server: NameServer,
    pub addr: String,
    client: Client,
}

pub fn client() -> Client {
    Client::new(ClientOptions::default(), Arc::new(NoRequests))
}

pub async fn start(config: NameServerConfig) -> Fixture {
    let server = NameServer::start(config).await.unwrap();
    let addr = server.local_addr().to_string();
    Fixture { server, addr, client: client() }
}

pub async fn fixture() -> Fixture {
    start(NameServerConfig::ephemeral()).await
}

pub fn command(code: i32, fields: &[(&str, &str)], body: &str) -> Command {
    Command::request(code, ExtFields::from_iter(fields.iter().copied()), body.to_owned().into())
}

impl Fixture {
    pub async fn call(&self, command: Command) -> Command {
        self.client.call(&self.addr, command, TIMEOUT).await.unwrap()
    }

    /// Code and body of the answer.
    pub async fn ask(&self, code: i32, fields: &[(&str, &str)]) -> (i32, String) {
        let answer = self.call(command(code, fields, "")).await;
        (answer.code, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    pub async fn route(&self, topic: &str) -> (i32, String) {
        self.ask(105, &[("topic", topic)]).await
    }

    /// Waits until a topic has no route.
    pub async fn gone(&self, topic: &str) {
        let start = Instant::now();
        while self.route(topic).await.0 != 17 {
            assert!(start.elapsed() < TIMEOUT, "the route of {topic} should go");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Registers a broker with topics T and U on the fixture's own connection.
    pub async fn register(&self, name: &str, id: &str, addr: &str, perm: i32, counter: i64) -> Command {
        self.call(registration(name, id, addr, perm, counter)).await
    }
}

pub fn registration(name: &str, id: &str, addr: &str, perm: i32, counter: i64) -> Command {
    let topic = |t: &str| {
        format!(
            r#""{t}":{{"topicName":"{t}","readQueueNums":4,"writeQueueNums":4,"perm":{perm},"topicFilterType":"SINGLE_TAG","topicSysFlag":0,"order":false}}"#
        )
    };
    let body = format!(
        r#"{{"filterServerList":[],"topicConfigSerializeWrapper":{{"dataVersion":{{"counter":{counter},"stateVersion":0,"timestamp":1700000000000}},"topicConfigTable":{{{},{}}}}}}}"#,
        topic("T"),
        topic("U")
    );
    let fields = [
        ("brokerName", name),
        ("brokerAddr", addr),
        ("clusterName", "c"),
        ("haServerAddr", "ha:1"),
        ("brokerId", id),
        ("compressed", "false"),
        ("bodyCrc32", "0"),
    ];
    command(103, &fields, &body)
}

/// The route of topic T of one broker.
pub const ROUTE_T: &str = r#"{"brokerDatas":[{"brokerAddrs":{"0":"a:1"},"brokerName":"b","cluster":"c","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"b","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#;
