//! The requests over the wire, with the answers that were recorded from Apache RocketMQ 5.4.0.
mod support;

use bytes::BytesMut;
use ferromq_namesrv::{NameServer, NameServerConfig, StartError};
use ferromq_protocol::Codec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{client, command, fixture, registration, start, ROUTE_T, TIMEOUT};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A client older than V4_9_4 gets Java's dialect.
const OLD: i32 = 399;

// A registered topic is routed in the dialect that the client's version asks for, in both codecs.
#[tokio::test]
async fn routes_in_both_dialects_and_codecs() {
    let f = fixture().await;
    let answer = f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!((answer.code, answer.ext.len(), answer.body.len()), (0, 0, 0));
    assert!(answer.ext.is_present());
    assert_eq!(f.route("T").await, (0, ROUTE_T.to_owned()));
    for codec in [Codec::Json, Codec::Binary] {
        let mut old = command(105, &[("topic", "T")], "");
        (old.version, old.codec) = (OLD, codec);
        let answer = f.call(old.clone()).await;
        assert_eq!(answer.body, ROUTE_T.replace("\"0\":", "0:"));
        assert_eq!(answer.codec, codec);
        old.ext.push("acceptStandardJsonOnly", "true");
        assert_eq!(f.call(old).await.body, ROUTE_T);
    }
}

#[tokio::test]
async fn missing_routes_name_the_topic() {
    let f = fixture().await;
    for (fields, name) in [(&[("topic", "nix")][..], "nix"), (&[("topic", " ")], " "), (&[], "null")] {
        let answer = f.call(command(105, fields, "")).await;
        let expected = format!("No topic route info in name server for the topic: {name}\nSee https://");
        assert_eq!(answer.code, 17);
        assert!(answer.remark.as_deref().unwrap().starts_with(&expected), "{:?}", answer.remark);
    }
}

#[tokio::test]
async fn unknown_codes_are_answered() {
    let f = fixture().await;
    for code in [9999, -1, 34, 1001] {
        let answer = f.call(command(code, &[], "")).await;
        let remark = format!(" request type {code} not supported");
        assert_eq!((answer.code, answer.remark), (3, Some(remark)));
    }
}

#[tokio::test]
async fn registrations_are_checked() {
    let f = fixture().await;
    let with = |name: &str, value: &str| {
        let mut request = registration("b", "0", "a:1", 6, 1);
        request.ext.push(name, value);
        request
    };
    let wrong_crc = f.call(with("bodyCrc32", "12345")).await;
    assert_eq!((wrong_crc.code, wrong_crc.remark.as_deref()), (1, Some("crc32 not match")));
    assert_eq!(f.call(with("brokerId", "abc")).await.code, 1);
    let mut garbage = registration("b", "0", "a:1", 6, 1);
    garbage.body = "{not json".into();
    assert_eq!(f.call(garbage).await.code, 1);
    let unnamed =
        command(103, &[("brokerAddr", "a:1"), ("clusterName", "c"), ("haServerAddr", ""), ("brokerId", "0")], "");
    assert_eq!(f.call(unnamed).await.code, 0);
    let nothing = r#"{"brokerAddrTable":{},"clusterAddrTable":{}}"#;
    assert_eq!(f.ask(106, &[]).await, (0, nothing.to_owned()));
    let crc = ferromq_protocol::crc::crc32(&registration("b", "0", "a:1", 6, 1).body).to_string();
    assert_eq!(f.call(with("bodyCrc32", &crc)).await.code, 0);
    assert_eq!(f.route("T").await.0, 0);
}

#[tokio::test]
async fn compressed_registrations_are_read() {
    use ferromq_protocol::body::{RegisterBrokerBody, TopicConfig, TopicConfigTable};
    let f = fixture().await;
    let table = ["T", "U"].map(|t| (t.to_owned(), TopicConfig::new(t, 4))).into();
    let topic_config_table = TopicConfigTable { topic_config_table: table, ..TopicConfigTable::default() };
    let body = RegisterBrokerBody { topic_config_table, ..RegisterBrokerBody::default() };
    let mut request = registration("b", "0", "a:1", 6, 1);
    request.ext.push("compressed", "true");
    request.body = body.encode_compressed().unwrap().into();
    assert_eq!(f.call(request).await.code, 0);
    assert_eq!(f.route("T").await, (0, ROUTE_T.to_owned()));
}

// A broker leaves by request, by closing its connection, or by being silent.
#[tokio::test]
async fn brokers_leave() {
    let config = NameServerConfig { scan_not_active_broker_interval: 20, ..NameServerConfig::ephemeral() };
    let f = start(config).await;
    f.register("b", "0", "a:1", 6, 1).await;
    let by_request = [("brokerName", "b"), ("brokerAddr", "a:1"), ("clusterName", "c"), ("brokerId", "0")];
    assert_eq!(f.ask(104, &by_request).await.0, 0);
    assert_eq!(f.route("T").await.0, 17);
    let broker = client();
    broker.call(&f.addr, registration("b", "0", "a:1", 6, 1), TIMEOUT).await.unwrap();
    assert_eq!(f.route("T").await.0, 0);
    broker.shutdown().await;
    f.gone("T").await;
    let silent = client();
    let mut request = registration("b", "0", "a:1", 6, 1);
    request.ext.push("heartbeatTimeoutMillis", "50");
    silent.call(&f.addr, request, TIMEOUT).await.unwrap();
    let connection = silent.open_connection(&f.addr).unwrap();
    f.gone("T").await;
    let start = Instant::now();
    while connection.is_open() {
        assert!(start.elapsed() < TIMEOUT, "the connection of a silent broker is closed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn versions_and_heartbeats() {
    let f = fixture().await;
    let fields = [("brokerName", "b"), ("brokerAddr", "a:1"), ("clusterName", "c"), ("brokerId", "0")];
    let version = r#"{"counter":1,"stateVersion":0,"timestamp":1700000000000}"#;
    let unknown = f.call(command(322, &fields, version)).await;
    assert_eq!((unknown.code, unknown.ext.get("changed"), unknown.body.len()), (0, Some("true"), 0));
    assert_eq!(f.ask(904, &fields).await.0, 0);
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.ask(904, &fields).await.0, 0);
    let same = f.call(command(322, &fields, version)).await;
    assert_eq!((same.ext.get("changed"), &same.body[..]), (Some("false"), version.as_bytes()));
    let other = f.call(command(322, &fields, &version.replace(":1,", ":2,"))).await;
    assert_eq!((other.ext.get("changed"), &other.body[..]), (Some("true"), version.as_bytes()));
}

// An unchanged version changes nothing, so that a wiped permission lasts until something changes.
#[tokio::test]
async fn permissions() {
    let f = fixture().await;
    f.register("b", "0", "a:1", 6, 1).await;
    let wiped = f.call(command(205, &[("brokerName", "b")], "")).await;
    assert_eq!((wiped.code, wiped.ext.get("wipeTopicCount")), (0, Some("2")));
    let read_only = ROUTE_T.replace("\"perm\":6", "\"perm\":4");
    assert_eq!(f.route("T").await.1, read_only);
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.route("T").await.1, read_only);
    let added = f.call(command(327, &[("brokerName", "b")], "")).await;
    assert_eq!((added.code, added.ext.get("addTopicCount")), (0, Some("2")));
    assert_eq!(f.route("T").await.1, ROUTE_T);
    let none = f.call(command(205, &[("brokerName", "nobody")], "")).await;
    assert_eq!((none.code, none.ext.get("wipeTopicCount")), (0, Some("0")));
}

#[tokio::test]
async fn topics_are_deleted_per_cluster_and_registered() {
    let f = fixture().await;
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.ask(216, &[("topic", "T"), ("clusterName", "other")]).await.0, 0);
    assert_eq!(f.route("T").await.0, 0);
    assert_eq!(f.ask(216, &[("topic", "T"), ("clusterName", "c")]).await.0, 0);
    assert_eq!(f.route("T").await.0, 17);
    assert_eq!(f.ask(216, &[("topic", "U")]).await.0, 0);
    f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(f.route("T").await, (0, ROUTE_T.to_owned()));
    let queues =
        r#"{"queueDatas":[{"brokerName":"b","readQueueNums":3,"writeQueueNums":3,"perm":6,"topicSysFlag":0}]}"#;
    f.call(command(217, &[("topic", "V")], queues)).await;
    f.call(command(217, &[("topic", "W")], &queues.replace("\"b\"", "\"nobody\""))).await;
    assert!(f.route("V").await.1.contains("\"readQueueNums\":3"));
    assert_eq!(f.route("W").await.0, 17);
}

#[tokio::test]
async fn listings() {
    let f = fixture().await;
    f.register("b", "0", "a:1", 6, 1).await;
    f.register("b", "1", "a:2", 6, 1).await;
    let topics = (0, r#"{"topicList":["T","U"]}"#.to_owned());
    assert_eq!(f.ask(206, &[]).await, topics);
    assert_eq!(f.ask(224, &[("cluster", "c")]).await, topics);
    assert_eq!(f.ask(224, &[("cluster", "x")]).await.1, r#"{"topicList":[]}"#);
    assert_eq!(f.ask(304, &[]).await.1, r#"{"brokerAddr":"a:1","topicList":["c","b"]}"#);
    for code in [311, 312, 313] {
        assert_eq!(f.ask(code, &[]).await, (0, r#"{"topicList":[]}"#.to_owned()));
    }
    assert_eq!(
        f.ask(106, &[]).await.1,
        r#"{"brokerAddrTable":{"b":{"brokerAddrs":{0:"a:1",1:"a:2"},"brokerName":"b","cluster":"c","enableActingMaster":false}},"clusterAddrTable":{"c":["b"]}}"#
    );
    let members = f.call(command(901, &[("clusterName", "c"), ("brokerName", "b")], "")).await;
    assert_eq!(members.remark.as_deref(), Some("not set any response code"));
    assert_eq!(
        members.body,
        r#"{"brokerMemberGroup":{"brokerAddrs":{0:"a:1",1:"a:2"},"brokerName":"b","cluster":"c"}}"#
    );
}

#[tokio::test]
async fn zones_narrow_routes() {
    let f = fixture().await;
    for (name, addr, zone) in [("b", "a:1", "z1"), ("b2", "a:2", "z2")] {
        let mut request = registration(name, "0", addr, 6, 1);
        request.ext.push("__ZONE_NAME", zone);
        f.call(request).await;
    }
    let all = f.route("T").await.1;
    assert!(all.contains("\"zoneName\":\"z1\"") && all.contains("\"zoneName\":\"z2\""));
    let zone = [("topic", "T"), ("__ZONE_MODE", "true"), ("__ZONE_NAME", "Z1")];
    let one = f.ask(105, &zone).await.1;
    assert!(one.contains("a:1") && !one.contains("b2"), "{one}");
    assert_eq!(f.route("T").await.1, all);
}

#[tokio::test]
async fn kv_configuration_is_kept_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kvConfig.json");
    let config = NameServerConfig { kv_config_path: path.to_string_lossy().into(), ..NameServerConfig::ephemeral() };
    let f = start(config.clone()).await;
    assert_eq!(f.ask(219, &[("namespace", "N")]).await.0, 22);
    let put = f.call(command(100, &[("namespace", "N"), ("key", "k"), ("value", "v 1")], "")).await;
    assert_eq!(put.code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"configTable":{"N":{"k":"v 1"}}}"#);
    f.server.shutdown().await;
    let f = start(config.clone()).await;
    let got = f.call(command(101, &[("namespace", "N"), ("key", "k")], "")).await;
    assert_eq!((got.code, got.ext.get("value")), (0, Some("v 1")));
    assert_eq!(f.ask(219, &[("namespace", "N")]).await, (0, r#"{"table":{"k":"v 1"}}"#.to_owned()));
    assert_eq!(f.ask(102, &[("namespace", "N"), ("key", "k")]).await.0, 0);
    let missing = f.call(command(101, &[("namespace", "N"), ("key", "k")], "")).await;
    assert_eq!((missing.code, missing.remark.as_deref()), (22, Some("No config item, Namespace: N Key: k")));
    assert_eq!(f.ask(219, &[("namespace", "N")]).await, (0, r#"{"table":{}}"#.to_owned()));
    let unnamed = f.call(command(100, &[("namespace", "N"), ("value", "1")], "")).await;
    assert_eq!((unnamed.code, unnamed.remark.as_deref()), (1, Some("namespace or key is null")));
    std::fs::write(&path, "{broken").unwrap();
    let error = NameServer::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::KvConfig { .. }), "{error}");
}

// Options are shown, changed and kept, but for those that no request may change.
#[tokio::test]
async fn options_over_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("namesrv.properties");
    let config = NameServerConfig { config_store_path: path.to_string_lossy().into(), ..NameServerConfig::ephemeral() };
    let f = start(config).await;
    let shown = f.ask(319, &[]).await.1;
    for line in ["orderMessageEnable=false", "clusterTest=false", "productEnvName=center"] {
        assert!(shown.lines().any(|l| l == line), "{shown}");
    }
    assert_eq!(f.ask(318, &[]).await.0, 0);
    let refused = f.call(command(318, &[], "orderMessageEnable=true\nkvConfigPath=/x\n")).await;
    assert_eq!((refused.code, refused.remark.as_deref()), (16, Some("Can not update config in black list.")));
    let unreadable = f.call(command(318, &[], "a=\\u12")).await;
    assert_eq!((unreadable.code, unreadable.remark.as_deref()), (1, Some("string2Properties error")));
    f.register("b", "0", "a:1", 6, 1).await;
    f.call(command(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "b:4")], "")).await;
    assert_eq!(f.route("T").await.1, ROUTE_T);
    assert_eq!(f.call(command(318, &[], "orderMessageEnable=true\nunknown=1\n")).await.code, 0);
    assert!(f.route("T").await.1.contains("\"orderTopicConf\":\"b:4\""));
    assert!(f.server.config().order_message_enable);
    assert!(std::fs::read_to_string(&path).unwrap().contains("orderMessageEnable=true\n"));
    let told = f.register("b", "0", "a:1", 6, 1).await;
    assert_eq!(told.body, r#"{"table":{"T":"b:4"}}"#);
}

#[tokio::test]
async fn switched_off_lists_and_waiting_are_refused() {
    let config = NameServerConfig {
        enable_all_topic_list: false,
        enable_topic_list: false,
        need_wait_for_service: true,
        ..NameServerConfig::ephemeral()
    };
    let f = start(config).await;
    for code in [206, 224, 311] {
        let answer = f.call(command(code, &[("cluster", "c")], "")).await;
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("disable")), "{code}");
    }
    let route = f.call(command(105, &[("topic", "T")], "")).await;
    assert_eq!((route.code, route.remark.as_deref()), (1, Some("name server not ready")));
}

#[tokio::test]
async fn a_port_in_use_and_a_wrong_address_stop_the_start() {
    let f = fixture().await;
    let config = NameServerConfig { listen_port: f.server.local_addr().port(), ..NameServerConfig::ephemeral() };
    let error = NameServer::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::Bind(_)) && error.to_string().contains(&f.addr), "{error}");
    let config = NameServerConfig { bind_address: "nowhere".into(), ..NameServerConfig::ephemeral() };
    let error = NameServer::start(config).await.unwrap_err();
    assert!(error.to_string().contains("bindAddress"), "{error}");
    assert!(f.server.boot_message().contains("boot success. serializeType=JSON"));
}

/// Memory of this process that no file holds, in bytes.
#[cfg(target_os = "linux")]
#[expect(clippy::unwrap_used, reason = "tests")]
fn anonymous_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

// Clients that ask for a long route without end and never read an answer keep a bounded amount of memory: the name server stops reading
// them, and serves others.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_read_cannot_grow_our_memory() {
    const DEAF: usize = 4;
    const BROKERS: usize = 200;
    const AT_ONCE: usize = 16;
    let f = fixture().await;
    for number in 0..BROKERS {
        f.register(&format!("broker-{number}"), "0", "a:1", 6, 1).await;
    }
    assert!(f.route("T").await.1.len() > 20_000);
    let mut requests = BytesMut::new();
    command(105, &[("topic", "T")], "").encode(&mut requests).unwrap();
    let (requests, asked) = (requests.repeat(AT_ONCE), Arc::new(AtomicUsize::new(0)));
    let before = anonymous_bytes();
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        let (requests, asked) = (requests.clone(), Arc::clone(&asked));
        let (read, mut write) = TcpStream::connect(&f.addr).await.unwrap().into_split();
        let writing = tokio::spawn(async move {
            while write.write_all(&requests).await.is_ok() {
                asked.fetch_add(AT_ONCE, Ordering::Relaxed);
            }
        });
        deaf.push((read, writing));
    }
    let began = Instant::now();
    loop {
        let at_first = asked.load(Ordering::Relaxed);
        for _ in 0..100 {
            assert_eq!(f.route("T").await.0, 0);
        }
        if asked.load(Ordering::Relaxed) == at_first && at_first > 0 {
            break;
        }
        assert!(began.elapsed() < TIMEOUT, "the name server goes on reading");
    }
    let grown = anonymous_bytes().saturating_sub(before);
    // Four times what one connection may have unread, and what their next requests get.
    assert!(grown < 100_000_000, "{grown} bytes more");
    deaf.into_iter().for_each(|(_, writing)| writing.abort());
}
