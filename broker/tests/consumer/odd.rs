//! Requests with values that no sane client sends.
use super::rig::{Rig, PATIENCE};
use bytes::Bytes;
use ferromq_protocol::code::request as code;
use ferromq_protocol::Codec;

/// Every request of the consumer side.
const CODES: &[i32] = &[
    code::PULL_MESSAGE,
    code::LITE_PULL_MESSAGE,
    code::QUERY_MESSAGE,
    code::QUERY_CONSUMER_OFFSET,
    code::UPDATE_CONSUMER_OFFSET,
    code::SEARCH_OFFSET_BY_TIMESTAMP,
    code::GET_MAX_OFFSET,
    code::GET_MIN_OFFSET,
    code::GET_EARLIEST_MSG_STORETIME,
    code::VIEW_MESSAGE_BY_ID,
    code::HEART_BEAT,
    code::UNREGISTER_CLIENT,
    code::GET_CONSUMER_LIST_BY_GROUP,
    code::LOCK_BATCH_MQ,
    code::UNLOCK_BATCH_MQ,
    code::GET_ALL_CONSUMER_OFFSET,
    code::CHECK_CLIENT_CONFIG,
    code::GET_TOPIC_STATS_INFO,
    code::GET_CONSUMER_CONNECTION_LIST,
    code::GET_PRODUCER_CONNECTION_LIST,
    code::GET_CONSUME_STATS,
    code::INVOKE_BROKER_TO_RESET_OFFSET,
    code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
    code::QUERY_TOPIC_CONSUME_BY_WHO,
    code::QUERY_CONSUME_TIME_SPAN,
    code::GET_CONSUMER_RUNNING_INFO,
    code::QUERY_CORRECTION_OFFSET,
    code::CONSUME_MESSAGE_DIRECTLY,
    code::CLONE_GROUP_OFFSET,
    code::VIEW_BROKER_STATS_DATA,
    code::GET_BROKER_CONSUME_STATS,
    code::QUERY_CONSUME_QUEUE,
    code::GET_ALL_PRODUCER_INFO,
    code::QUERY_TOPICS_BY_CONSUMER,
    code::QUERY_SUBSCRIPTION_BY_CONSUMER,
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "x",
    "",
];
const NAMES: &[&str] = &["t", "g", "", "none", "%RETRY%g", "a@b", "\u{1}\u{2}", "ünïcödé"];
const BODIES: &[&str] = &[
    "",
    "{}",
    "[]",
    "null",
    "{",
    r#"{"clientID":null,"consumerDataSet":[{"groupName":null,"subscriptionDataSet":[{}]}],"heartbeatFingerprint":-1}"#,
    r#"{"clientId":"c","consumerGroup":"g","mqSet":[{"queueId":-2147483648},{},null]}"#,
    r#"{"group":"g","subscriptionData":{"expressionType":"","subString":null,"codeSet":[-1]}}"#,
];

// Whatever a request says, it is answered, and the broker goes on: every field of every request with every odd value.
#[tokio::test]
async fn nonsense_is_answered() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    client.create_topic("t", 1).await;
    client.create_group("g", "").await;
    for round in 0..NUMBERS.len() * NAMES.len() {
        client.codec = if round % 2 == 0 { Codec::Json } else { Codec::Binary };
        let number = |shift: usize| NUMBERS[(round + shift) % NUMBERS.len()];
        let name = |shift: usize| NAMES[(round / NUMBERS.len() + shift) % NAMES.len()];
        // The first numbers make headers readable in part of the rounds, so that odd values reach every later field.
        let fields = [
            ("consumerGroup", name(1)),
            ("group", name(1)),
            ("topic", name(0)),
            ("queueId", if round % 3 == 0 { "0" } else { number(0) }),
            ("queueOffset", number(1)),
            ("maxMsgNums", number(2)),
            ("sysFlag", ["1", "2", "4", "7"][round % 4]),
            ("commitOffset", number(3)),
            ("suspendTimeoutMillis", "1"),
            ("subVersion", number(4)),
            ("subscription", name(2)),
            ("expressionType", ["TAG", "", "SQL92", "?"][round % 4]),
            ("timestamp", number(5)),
            ("boundaryType", name(3)),
            ("isForce", name(0)),
            ("isOrder", "true"),
            ("offset", number(1)),
            ("key", name(2)),
            ("maxNum", number(2)),
            ("beginTimestamp", number(3)),
            ("endTimestamp", number(4)),
            ("clientID", name(3)),
            ("clientId", name(3)),
            ("producerGroup", name(2)),
            ("srcGroup", name(1)),
            ("destGroup", name(2)),
            ("compareGroup", name(1)),
            ("filterGroups", ","),
            ("statsName", "GROUP_GET_NUMS"),
            ("statsKey", name(0)),
            ("index", number(1)),
            ("count", number(2)),
            ("topicList", ";t;"),
            ("msgId", name(2)),
        ];
        let body = Bytes::from_static(BODIES[round % BODIES.len()].as_bytes());
        for code in CODES {
            let answer = tokio::time::timeout(PATIENCE, client.try_call(*code, &fields, body.clone())).await;
            let answer = answer.unwrap_or_else(|_| panic!("no answer to {code} with {fields:?}"));
            answer.unwrap_or_else(|error| panic!("{error}: {code} with {fields:?}"));
        }
    }
    client.codec = Codec::Json;
    assert_eq!(client.send("t", 0, "x", "a").await.code, 0);
    rig.stop().await;
}
