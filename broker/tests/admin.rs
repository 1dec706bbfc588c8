//! Administration of topics, groups and configuration.
#![allow(clippy::unwrap_used)]
mod support;

use ferromq_protocol::body::{KvTable, SubscriptionGroupConfig, TopicConfig, TopicConfigTable};
use ferromq_protocol::code::request;
use ferromq_protocol::ExtFields;
use support::{Send, TestBroker};

fn create(topic: &str, attributes: &str) -> ExtFields {
    create_with("1", topic, attributes)
}

fn create_with(queues: &str, topic: &str, attributes: &str) -> ExtFields {
    ExtFields::from_iter([
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", queues),
        ("writeQueueNums", queues),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
        ("attributes", attributes),
    ])
}

// Names and attributes that are refused, with the reference's words; and more queues than a topic may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_refused() {
    let broker = TestBroker::start(&[]).await;
    let cases = [
        ("", "", 29, "The specified topic is blank."),
        ("TBW102", "", 29, "The topic[TBW102] is conflict with system topic."),
        ("rmq_sys_x", "", 29, "The topic[rmq_sys_x] is conflict with system topic."),
        ("broker-t", "", 29, "The topic[broker-t] is conflict with system topic."),
        ("DefaultCluster_REPLY_TOPIC", "", 29, "The topic[DefaultCluster_REPLY_TOPIC] is conflict"),
        ("T", "+no.such=1", 1, "unsupported key: no.such"),
        ("T", "-message.type", 1, "only add attribute is supported while creating topic."),
        ("T", "+message.type=MIXED", 29, "MIXED message type is not supported."),
    ];
    for (topic, attributes, code, remark) in cases {
        let answer = broker.call(request::UPDATE_AND_CREATE_TOPIC, create(topic, attributes), "").await;
        let text = answer.remark.unwrap_or_default();
        assert!(answer.code == code && text.starts_with(remark), "{topic} {attributes}: {} {text}", answer.code);
    }
    let answer = broker.call(request::UPDATE_AND_CREATE_TOPIC, create_with("65537", "T", ""), "").await;
    let expected = "topic T with 65537 queues: there may be 65536 at most";
    assert_eq!((answer.code, answer.remark.as_deref()), (29, Some(expected)));
    broker.stop().await;
}

// A topic is created, read back, changed and deleted; deleting it takes its messages along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_topic() {
    let broker = TestBroker::start(&[]).await;
    let answer = broker.call(request::UPDATE_AND_CREATE_TOPIC, create("T", "+message.type=FIFO"), "").await;
    assert_eq!((answer.code, answer.remark.as_deref()), (0, Some("not set any response code")));
    let topic = || ExtFields::from_iter([("topic", "T")]);
    let answer = broker.call(request::GET_TOPIC_CONFIG, topic(), "").await;
    let config = TopicConfig::decode(&answer.body).unwrap();
    assert_eq!((config.write_queue_nums, config.attributes["message.type"].as_str()), (1, "FIFO"));
    broker.call(request::UPDATE_AND_CREATE_TOPIC, create("T", "-message.type"), "").await;
    let answer = broker.call(request::GET_ALL_TOPIC_CONFIG, ExtFields::empty(), "").await;
    let all = TopicConfigTable::decode(&answer.body).unwrap();
    assert!(all.topic_config_table["T"].attributes.is_empty());
    assert_eq!(answer.ext.get("totalTopicNum"), Some(all.topic_config_table.len().to_string().as_str()));
    assert_eq!(broker.send(Send::to("T")).await.code, 0);
    assert_eq!(broker.call(request::DELETE_TOPIC_IN_BROKER, topic(), "").await.code, 0);
    assert_eq!(broker.call(request::GET_TOPIC_CONFIG, topic(), "").await.code, 17);
    broker.create_topic("T", 1).await;
    assert_eq!(broker.max_offset("T", 0).await, 0);
    broker.stop().await;
}

// Groups are created with defaults for what is missing, listed, and deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups() {
    let broker = TestBroker::start(&[]).await;
    let set = |body: &'static str| broker.call(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, ExtFields::empty(), body);
    assert_eq!(set(r#"{"groupName":"G","retryMaxTimes":3}"#).await.code, 0);
    assert_eq!(set("").await.code, 0);
    assert_eq!(set(r#"{"groupName":"bad group"}"#).await.code, 29);
    assert_eq!(set("[").await.code, 1);
    let group = || ExtFields::from_iter([("group", "G"), ("groupName", "G")]);
    let answer = broker.call(request::GET_SUBSCRIPTIONGROUP_CONFIG, group(), "").await;
    let config = SubscriptionGroupConfig::decode(&answer.body).unwrap();
    assert_eq!((config.retry_max_times, config.retry_queue_nums, config.consume_enable), (3, 1, true));
    assert_eq!(broker.call(request::DELETE_SUBSCRIPTIONGROUP, group(), "").await.code, 0);
    assert!(broker.broker().service().groups.get("G").is_none());
    broker.stop().await;
}

// A running broker takes what is reloadable, keeps what is not, and refuses what is black-listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configuration() {
    let broker = TestBroker::start(&[]).await;
    let update = |body: &'static str| broker.call(request::UPDATE_BROKER_CONFIG, ExtFields::empty(), body);
    assert_eq!(update("regionId=elsewhere\ndefaultTopicQueueNums=abc\nnoSuch=1\n").await.code, 0);
    let answer = broker.call(request::GET_BROKER_CONFIG, ExtFields::empty(), "").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("regionId=elsewhere\n") && text.contains("defaultTopicQueueNums=8\n"), "{text}");
    assert!(answer.ext.get("version").is_some_and(|v| v.contains("stateVersion")));
    assert_eq!(broker.send(Send::to("T")).await.ext.get("MSG_REGION"), Some("elsewhere"));
    let answer = update("brokerConfigPath=x\n").await;
    assert_eq!((answer.code, answer.remark.as_deref()), (16, Some("Can not update config in black list.")));
    assert_eq!(update("a=\\u00").await.code, 1);
    let answer = broker.call(request::GET_BROKER_RUNTIME_INFO, ExtFields::empty(), "").await;
    let info = KvTable::decode(&answer.body).unwrap().table;
    assert_eq!((info["brokerVersionDesc"].as_str(), info["msgPutTotalTodayNow"].as_str()), ("V5_4_0", "1"));
    broker.stop().await;
}

// Cleaning on demand: expired log files go although it is not their hour, offsets move, and expired queues that a topic no longer
// has go with their files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cleaning_on_demand() {
    let now = ["deleteWhen", "fileReservedTime"];
    let sizes = [("mappedFileSizeCommitLog", "65536"), ("cleanResourceInterval", "10")];
    let broker = TestBroker::start(&[(now[0], ""), (now[1], "0"), sizes[0], sizes[1]]).await;
    let body = "x".repeat(1000);
    broker.create_topic("T", 2).await;
    broker.send(Send { queue_id: 1, ..Send::to("T") }).await;
    for _ in 0..200 {
        broker.send(Send { body: body.as_bytes(), ..Send::to("T") }).await;
    }
    let earliest = || async {
        let queue = ExtFields::from_iter([("topic", "T"), ("queueId", "0")]);
        let answer = broker.call(request::GET_MIN_OFFSET, queue, "").await;
        answer.ext.get("offset").unwrap().parse::<i64>().unwrap()
    };
    assert_eq!(earliest().await, 0, "nobody asked, and it is nobody's hour");
    assert_eq!(broker.call(request::DELETE_EXPIRED_COMMITLOG, ExtFields::empty(), "").await.code, 0);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(70);
    while earliest().await == 0 {
        assert!(tokio::time::Instant::now() < deadline, "old messages go");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Queue 1 has only expired messages, and is kept while the topic has it.
    for queues in [2, 1] {
        assert_eq!(broker.max_offset("T", 1).await, 1, "offsets are kept");
        broker.create_topic("T", queues).await;
        assert_eq!(broker.call(request::CLEAN_EXPIRED_CONSUMEQUEUE, ExtFields::empty(), "").await.code, 0);
    }
    assert_eq!(broker.max_offset("T", 1).await, 0, "the queue is gone");
    assert_eq!(broker.call(request::CLEAN_UNUSED_TOPIC, ExtFields::empty(), "").await.code, 0);
    assert!(broker.max_offset("T", 0).await == 200, "a topic in use stays");
    broker.stop().await;
}

// How a group wants the messages of a topic is kept over a restart, told to who asks, and refused for retry topics and topics that
// are not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_modes() {
    let mut broker = TestBroker::start(&[]).await;
    broker.call(request::UPDATE_AND_CREATE_TOPIC, create("T", ""), "").await;
    let mode = |topic: &str| format!(r#"{{"consumerGroup":"G","mode":"POP","popShareQueueNum":2,"topic":"{topic}"}}"#);
    for (topic, code) in [("%RETRY%G", 16), ("Missing", 17), ("T", 0)] {
        let answer = broker.call(request::SET_MESSAGE_REQUEST_MODE, ExtFields::empty(), mode(topic)).await;
        assert_eq!(answer.code, code, "{topic}: {:?}", answer.remark);
    }
    let wanted = format!(r#"{{"messageRequestModeMap":{{"T":{{"G":{}}}}}}}"#, mode("T"));
    broker.restart().await;
    let answer = broker.call(request::GET_ALL_MESSAGE_REQUEST_MODE, ExtFields::empty(), "").await;
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), wanted);
    broker.stop().await;
}
