//! Several clusters, masters and slaves, and what brokers and clients learn of their changes, over the wire (broker.md 1.1, 1.3, 1.6,
//! 1.10).
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod support;

use ferromq_namesrv::NameServerConfig;
use ferromq_protocol::code::request;
use ferromq_protocol::Command;
use ferromq_remoting::{Client, ClientOptions, Connection, Handler, OutFrame};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{command, fixture, registration, start, TIMEOUT};

/// A registration in another cluster.
fn in_cluster(cluster: &str, name: &str, id: &str, addr: &str, counter: i64) -> Command {
    let mut request = registration(name, id, addr, 6, counter);
    request.ext.push("clusterName", cluster);
    request
}

/// A registration of exactly one topic, as brokers send when a topic changes.
fn incremental(name: &str, addr: &str, counter: i64) -> Command {
    let mut request = registration(name, "0", addr, 6, counter);
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let (head, rest) = body.split_once("\"topicConfigTable\":{").unwrap();
    let one = rest.split_once("},").unwrap().0.replace("\"T\"", "\"New\"");
    request.body = format!("{head}\"topicConfigTable\":{{{one}}}}}}}}}").into();
    request
}

// Clusters keep their brokers apart, even with equal addresses; a topic of both is routed to both, and one leaves without the other.
#[tokio::test]
async fn several_clusters() {
    let f = fixture().await;
    assert_eq!(f.call(in_cluster("c1", "b1", "0", "a:1", 1)).await.code, 0);
    assert_eq!(f.call(in_cluster("c2", "b2", "0", "a:1", 1)).await.code, 0);
    let info = f.ask(106, &[]).await.1;
    assert!(info.contains(r#""clusterAddrTable":{"c1":["b1"],"c2":["b2"]}"#), "{info}");
    for (cluster, topics) in [("c1", r#"["T","U"]"#), ("c2", r#"["T","U"]"#), ("c3", "[]")] {
        assert_eq!(f.ask(224, &[("cluster", cluster)]).await.1, format!("{{\"topicList\":{topics}}}"));
    }
    let route = f.route("T").await.1;
    assert!(route.contains("\"b1\"") && route.contains("\"b2\""), "{route}");
    let leave = [("brokerName", "b1"), ("brokerAddr", "a:1"), ("clusterName", "c1"), ("brokerId", "0")];
    assert_eq!(f.ask(104, &leave).await.0, 0);
    let route = f.route("T").await.1;
    assert!(!route.contains("\"b1\"") && route.contains("\"b2\""), "{route}");
}

// A registration of one topic adds it for a known broker, visible to the next query, and is refused for an unknown one.
#[tokio::test]
async fn incremental_registrations() {
    let f = fixture().await;
    let refused = f.call(incremental("b", "a:1", 1)).await;
    assert_eq!((refused.code, refused.remark.as_deref()), (1, Some("register broker failed")));
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.route("New").await.0, 17);
    assert_eq!(f.call(incremental("b", "a:1", 2)).await.code, 0);
    assert_eq!(f.route("New").await.0, 0);
    assert_eq!(f.route("T").await.0, 0, "the other topics stay");
}

// A slave learns its master's addresses, is part of the routes, and stays when the master goes; which then has no address.
#[tokio::test]
async fn masters_and_slaves() {
    let f = fixture().await;
    f.register("b", "0", "a:1", 6, 1).await;
    let slave = f.register("b", "1", "a:2", 6, 1).await;
    assert_eq!((slave.ext.get("haServerAddr"), slave.ext.get("masterAddr")), (Some("ha:1"), Some("a:1")));
    assert!(f.route("T").await.1.contains(r#""brokerAddrs":{"0":"a:1","1":"a:2"}"#));
    let leave = [("brokerName", "b"), ("brokerAddr", "a:1"), ("clusterName", "c"), ("brokerId", "0")];
    f.ask(104, &leave).await;
    assert!(f.route("T").await.1.contains(r#""brokerAddrs":{"1":"a:2"}"#));
    let alone = f.register("b", "1", "a:2", 6, 1).await;
    assert_eq!(alone.ext.get("masterAddr"), None);
}

/// A broker that remembers what the name server tells it.
#[derive(Default)]
struct Told(Mutex<Vec<Command>>);

impl Handler for Told {
    fn requests(&self, _: &Arc<Connection>, requests: &mut Vec<Command>, _: &mut Vec<OutFrame>) {
        self.0.lock().append(requests);
    }
}

// With acting masters a group without master offers its lowest slave, read-only, and its brokers are told when the lowest id changes.
#[tokio::test]
async fn acting_masters() {
    let config = NameServerConfig {
        support_acting_master: true,
        notify_min_broker_id_changed: true,
        ..NameServerConfig::ephemeral()
    };
    let f = start(config).await;
    let acting = |id: &str, addr: &str| {
        let mut request = registration("b", id, addr, 6, 1);
        request.ext.push("enableActingMaster", "true");
        request
    };
    let told = Arc::new(Told::default());
    let slave = Client::new(ClientOptions::default(), told.clone());
    f.call(acting("0", "a:1")).await;
    assert_eq!(slave.call(&f.addr, acting("1", "a:2"), TIMEOUT).await.unwrap().code, 0);
    let leave = [("brokerName", "b"), ("brokerAddr", "a:1"), ("clusterName", "c"), ("brokerId", "0")];
    f.call(command(104, &leave, "")).await;
    let route = f.route("T").await.1;
    assert!(route.contains(r#""brokerAddrs":{"0":"a:2"}"#) && route.contains("\"perm\":4"), "{route}");
    let deadline = Instant::now() + TIMEOUT;
    while told.0.lock().is_empty() {
        assert!(Instant::now() < deadline, "the slave is told");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let notice = told.0.lock().remove(0);
    assert_eq!(notice.code, request::NOTIFY_MIN_BROKER_ID_CHANGE);
    let fields = ["minBrokerId", "minBrokerAddr", "offlineBrokerAddr"].map(|name| notice.ext.get(name));
    assert_eq!(fields, [Some("1"), Some("a:2"), Some("a:1")]);
    slave.shutdown().await;
}

// A registration removes the topics that it does not name when the option, which a request may change, says so.
#[tokio::test]
async fn topics_that_are_no_longer_named() {
    let f = fixture().await;
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.call(incremental("b", "a:1", 2)).await.code, 0);
    f.register("b", "0", "a:1", 6, 3).await;
    assert_eq!(f.route("New").await.0, 0, "it stays by default");
    assert_eq!(f.call(command(318, &[], "deleteTopicWithBrokerRegistration=true\n")).await.code, 0);
    f.register("b", "0", "a:1", 6, 4).await;
    assert_eq!(f.route("New").await.0, 17);
    assert_eq!(f.route("T").await.0, 0);
}
