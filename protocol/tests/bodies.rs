//! Bodies in the dialect of the protocol: what peers send is read, what is written is what they expect.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests do")]
use ferromq_protocol::body::*;
use ferromq_protocol::crc;
use ferromq_protocol::json::{self, Flavour, Key, Value};

/// True when `whole` has everything that `part` has. Order of lists is free: most are sets in Java. Numbers are equal by
/// value, integer keys whether quoted or not.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(_), Value::Object(members)) => members.iter().all(|(key, value)| {
            value.is_null()
                || whole.entries().iter().any(|(other, member)| same_key(other, key) && contains(member, value))
        }),
        (Value::Array(items), Value::Array(parts)) => {
            items.len() == parts.len() && parts.iter().all(|part| items.iter().any(|item| contains(item, part)))
        }
        (Value::Float(_), _) | (_, Value::Float(_)) => whole.as_f64() == part.as_f64(),
        _ => whole == part,
    }
}

fn same_key(one: &Key, other: &Key) -> bool {
    match (one.object(), other.object()) {
        (Some(one), Some(other)) => contains(&one, &other) && contains(&other, &one),
        _ => one.text() == other.text(),
    }
}

/// Decodes, encodes and compares; then once more, to see that nothing changes.
macro_rules! round_trip {
    ($type:ty, $bytes:expr) => {{
        let bytes: &[u8] = $bytes;
        let body = <$type>::decode(bytes).unwrap();
        let original = json::parse(bytes).unwrap();
        let written = body.to_json();
        assert!(
            contains(&written, &original),
            "{}\nread:    {}\nwritten: {}",
            stringify!($type),
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&written.write(Flavour::Java))
        );
        for flavour in [Flavour::Java, Flavour::Quoted, Flavour::Standard] {
            assert_eq!(<$type>::decode(&body.encode_as(flavour)).unwrap(), body, "{flavour:?}");
        }
        assert_eq!(<$type>::decode(&body.encode_pretty()).unwrap(), body);
        body
    }};
}

/// Routes in both forms, byte for byte as the fact sheet gives them.
#[test]
fn routes() {
    let java = r#"{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"orderTopicConf":"broker-a:4","queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#;
    let route = round_trip!(TopicRouteData, java.as_bytes());
    assert_eq!(route.encode(false), java.as_bytes());
    assert_eq!(route.encode(true), java.replace("{0:", "{\"0\":").replace(",1:", ",\"1\":").as_bytes());
    assert_eq!(route.broker_datas[0].master(), Some("10.0.0.1:10911"));
    let mapped = br#"{"topicQueueMappingByBroker":{"broker-a":{"bname":"broker-a","currIdMap":{0:0,1:2},"dirty":false,"epoch":1,"scope":"__global__","topic":"T","totalQueues":4}}}"#;
    assert_eq!(
        round_trip!(TopicRouteData, mapped).topic_queue_mapping_by_broker.unwrap()["broker-a"].curr_id_map[&1],
        2
    );
    for one in [r#"{"brokerAddrs":{0:"10.0.0.1:10911"}}"#, r#"{"brokerAddrs":{"0":"10.0.0.1:10911"}}"#] {
        let data = BrokerData::from_json(&json::parse(one.as_bytes()).unwrap()).unwrap();
        assert_eq!(data.master(), Some("10.0.0.1:10911"));
    }
}

/// A heartbeat as Java sends it, and the same as C++ sends it: numbers for enums, texts for numbers, members missing.
#[test]
fn heartbeats() {
    let java = r#"{"clientID":"10.0.0.9@1234#5678","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"CG","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[2598919,2598920],"expressionType":"TAG","subString":"TagA || TagB","subVersion":1700000000000,"tagsSet":["TagA","TagB"],"topic":"TopicTest"}],"unitMode":false}],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"PG"}],"withoutSub":false}"#;
    let heartbeat = round_trip!(HeartbeatData, java.as_bytes());
    assert_eq!(heartbeat.encode(), java.as_bytes());
    let mut parsed = SubscriptionData::parse_tag("TopicTest", "TagA || TagB").unwrap();
    parsed.sub_version = 1_700_000_000_000;
    assert_eq!(heartbeat.consumer_data_set[0].subscription_data_set, [parsed]);

    let cpp = r#"{"clientID":"10.0.0.9@1234#5678","consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,"groupName":"CG","messageModel":1,"subscriptionDataSet":[{"codeSet":["2598919",2598920],"subString":"TagA || TagB","subVersion":"1700000000000","tagsSet":["TagA","TagB"],"topic":"TopicTest"}]}],"producerDataSet":[{"groupName":"PG"}]}
"#;
    assert_eq!(HeartbeatData::decode(cpp.as_bytes()).unwrap(), heartbeat);
    let odd = r#"{"clientID":"c","consumerDataSet":[{"consumeType":"consume_pop","messageModel":"NEW","subscriptionDataSet":null}],"isWithoutSub":true,"unknown":[1]}"#;
    let odd = HeartbeatData::decode(odd.as_bytes()).unwrap();
    assert_eq!(odd.consumer_data_set[0].consume_type, ConsumeType::Pop);
    assert_eq!(odd.consumer_data_set[0].message_model, MessageModel::Clustering);
    assert!(odd.without_sub);
}

/// Offsets keyed by queues: object keys, keys with the JSON of one, pairs, and the list for C++.
#[test]
fn reset_offsets() {
    let map = r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:5}}"#;
    let list = r#"{"offsetTable":[{"brokerName":"broker-a","offset":5,"queueId":0,"topic":"TopicTest"}]}"#;
    let pairs = r#"{"offsetTable":[[{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"},5]]}"#;
    let text = r#"{"offsetTable":{"{\"brokerName\":\"broker-a\",\"queueId\":0,\"topic\":\"TopicTest\"}":5}}"#;
    let body = round_trip!(ResetOffsetBody, map.as_bytes());
    assert_eq!(body.offset_table[&MessageQueue::new("TopicTest", "broker-a", 0)], 5);
    for other in [list, pairs, text] {
        assert_eq!(ResetOffsetBody::decode(other.as_bytes()).unwrap(), body, "{other}");
    }
    assert_eq!((body.encode(), body.encode_list()), (map.into(), list.into()));
    assert!(ResetOffsetBody::decode(br#"{"offsetTable":[{"offset":"x"}]}"#).is_err());
    assert!(ResetOffsetBody::decode(b"{}").unwrap().offset_table.is_empty());
}

/// The examples of the fact sheet for the smaller bodies.
#[test]
fn examples() {
    round_trip!(DataVersion, br#"{"counter":3,"stateVersion":0,"timestamp":1700000000000}"#);
    let lock = br#"{"clientId":"10.0.0.9@1","consumerGroup":"CG","mqSet":[{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}],"onlyThisBroker":false}"#;
    assert_eq!(&round_trip!(LockBatchRequest, lock).encode()[..], lock);
    assert!(LockBatchRequest::decode(br#"{"clientId":"c","consumerGroup":"CG"}"#).unwrap().mq_set.is_empty());
    round_trip!(LockBatchResponse, br#"{"lockOKMQSet":[{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}]}"#);
    round_trip!(ConsumerIdList, br#"{"consumerIdList":["10.0.0.9@1#2","10.0.0.8@7#9"]}"#);
    round_trip!(KvTable, br#"{"table":{"key":"value"}}"#);
    round_trip!(TopicList, br#"{"brokerAddr":"10.0.0.1:10911","topicList":["TopicTest"]}"#);
    round_trip!(ClusterInfo, br#"{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}"#);
    round_trip!(GetBrokerMemberGroupBody, br#"{"brokerMemberGroup":{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster"}}"#);
    let group = br#"{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"CG","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#;
    assert_eq!(round_trip!(SubscriptionGroupConfig, group), SubscriptionGroupConfig::new("CG"));
    assert_eq!(&SubscriptionGroupConfig::new("CG").encode()[..], group);
    round_trip!(SubscriptionGroupTable, br#"{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":2},"forbiddenTable":{"CG":{"TopicTest":4}},"subscriptionGroupTable":{"CG":{"groupName":"CG","groupRetryPolicy":{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2}},"subscriptionDataSet":[{"expression":"*","expressionType":"TAG","topic":"T","version":1}]}}}"#);
    round_trip!(GetConsumerStatusBody, br#"{"consumerTable":{"c":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:5}},"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:5}}"#);
    let running = round_trip!(ConsumerRunningInfo, br#"{"jstack":"..","mqPopTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:{"droped":false,"lastPopTimestamp":0,"waitAckCount":0}},"mqTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:{"cachedMsgCount":0,"droped":true}},"properties":{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY"},"statusTable":{"TopicTest":{"consumeFailedMsgs":0,"consumeFailedTPS":0.0,"pullTPS":1.5}},"subscriptionSet":[],"userConsumerInfo":{}}"#);
    assert!(running.mq_table.values().all(|queue| queue.dropped));
    round_trip!(
        ConsumeMessageDirectlyResult,
        br#"{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"remark":"..","spentTimeMills":12}"#
    );
    let number = ConsumeMessageDirectlyResult::decode(br#"{"consumeResult":1}"#).unwrap();
    assert_eq!(number.consume_result, Some(ConsumeResult::Later));
    round_trip!(TopicStatsTable, br#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:{"lastUpdateTimestamp":1700000000000,"maxOffset":10,"minOffset":0}},"topicPutTps":0.0}"#);
    let stats = round_trip!(ConsumeStats, br#"{"consumeTps":1.5,"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:{"brokerOffset":10,"consumerOffset":7,"lastTimestamp":1700000000000,"pullOffset":7}}}"#);
    assert_eq!(stats.total_lag(), 3);
    round_trip!(ConsumerConnection, br#"{"connectionSet":[{"clientAddr":"10.0.0.9:51234","clientId":"c","language":"JAVA","version":479}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{}}"#);
    round_trip!(ProducerTable, br#"{"data":{"PG":[{"clientId":"c","language":"GO","lastUpdateTimestamp":1700000000000,"remoteIP":"10.0.0.9:51234","version":317}]}}"#);
    round_trip!(BrokerStatsData, br#"{"statsDay":{"avgpt":0.0,"sum":0,"tps":0.0},"statsHour":{"avgpt":0.0,"sum":0,"tps":0.0},"statsMinute":{"avgpt":0.0,"sum":0,"tps":0.0}}"#);
    let offsets = br#"{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":2},"groupTopicMap":{"CG":["TopicTest"]},"offsetTable":{"TopicTest@CG":{0:5,1:6}}}"#;
    let mut table = round_trip!(ConsumerOffsetTable, offsets);
    assert_eq!(table.offset_table["TopicTest@CG"][&1], 6);
    table.group_topic_map = None;
    table.derive_group_topics();
    assert_eq!(&table.encode_as(Flavour::Java)[..], offsets);
}

/// Unsuitable bodies are errors that name the member; references to nowhere are empty.
#[test]
fn errors() {
    assert!(matches!(TopicConfig::decode(b""), Err(BodyError::Json { .. })));
    assert!(matches!(TopicConfig::decode(b"[]"), Err(BodyError::NoObject { body: "TopicConfig" })));
    let wrong = TopicConfig::decode(br#"{"perm":{}}"#);
    assert!(matches!(wrong, Err(BodyError::Member { member: "perm", .. })));
    let reference = TopicConfig::decode(br#"{"attributes":{"$ref":"$.a"},"order":"true","perm":"4"}"#).unwrap();
    assert!(reference.attributes.is_empty() && reference.order && reference.perm == 4);
    assert_eq!((reference.read_queue_nums, reference.write_queue_nums), (16, 16));
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The official compressed registration, and one of our own; damage is an error.
#[test]
fn compressed_registrations() {
    let official = unhex("78da636060b0a8564ace2fcd2b492d52b232d6512a2e492c490d4b2d2acecccf53b232d0512ac9cc4d050ae6162859199a1b20402d03030323101b85e41764268700d5285800a19942b0a79fbb8f6b7c88a3bb42b512506f71627aaa5e496541aa9295929ba79bbf12482753742c906400001a1b223b");
    assert_eq!(crc::crc32(&official), 1_234_716_982);
    let body = RegisterBrokerBody::decode_compressed(&official, 493).unwrap();
    let topic = &body.topic_config_table.topic_config_table["TopicTest"];
    assert_eq!((topic.read_queue_nums, topic.write_queue_nums, topic.perm), (8, 8, 6));
    assert_eq!(topic.attributes["message.type"], "FIFO");
    assert_eq!(
        body.topic_config_table.data_version,
        DataVersion { counter: 3, state_version: 0, timestamp: 1_700_000_000_000 }
    );

    let again = body.encode_compressed().unwrap();
    assert_eq!(RegisterBrokerBody::decode_compressed(&again, 493).unwrap(), body);
    let inflated = unhex("000000387b22636f756e746572223a332c22737461746556657273696f6e223a302c2274696d657374616d70223a313730303030303030303030307d0000000100000032546f706963546573742038203820362053494e474c455f544147207b226d6573736167652e74797065223a224649464f227d000000025b5d00000000");
    let plain =
        ferromq_protocol::compress::decompress(ferromq_protocol::compress::Compression::Zlib, &again, 1000).unwrap();
    assert_eq!(plain, inflated);
    for at in 0..inflated.len() {
        let cut =
            ferromq_protocol::compress::compress(ferromq_protocol::compress::Compression::Zlib, 9, &inflated[..at])
                .unwrap();
        assert!(RegisterBrokerBody::decode_compressed(&cut, 493).is_err(), "cut at {at}");
    }
    // Before version 413 there are no mappings.
    let old = ferromq_protocol::compress::compress(ferromq_protocol::compress::Compression::Zlib, 9, &inflated[..124])
        .unwrap();
    assert!(RegisterBrokerBody::decode_compressed(&old, 412).is_ok());
}

/// Configuration files written by official brokers are read completely; what is written has the same content.
#[test]
fn configuration_files() {
    for version in ["4.9.7", "5.4.0"] {
        let file = |name: &str| {
            std::fs::read(format!("{}/../testdata/config/{version}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        assert!(round_trip!(TopicConfigTable, &file("topics.json")).topic_config_table.len() > 10);
        assert!(
            round_trip!(SubscriptionGroupTable, &file("subscriptionGroup.json")).subscription_group_table.len() > 5
        );
        assert!(!round_trip!(ConsumerOffsetTable, &file("consumerOffset.json")).offset_table.is_empty());
        round_trip!(DelayOffsetTable, &file("delayOffset.json"));
    }
    let written = String::from_utf8(DelayOffsetTable::decode(b"{}").unwrap().encode_pretty()).unwrap();
    assert!(written.starts_with("{\n\t\"dataVersion\":{\n\t\t\"counter\":0,"), "{written}");
}
