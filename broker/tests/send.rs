//! Sends as clients see them: answers, stored records, checks in their order.
#![allow(clippy::unwrap_used)]
mod support;

use ferromq_protocol::batch::{self, BatchMessage};
use ferromq_protocol::code::request;
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{SendMessage, SendMessageResponse};
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::{Codec, Command, ExtFields, Header};
use support::{properties, Send, TestBroker};

// A message comes back from the log as it was sent, with what the broker adds, in both codecs and with both name forms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_is_stored_and_answered() {
    let mut broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 2).await;
    let text = properties(&[("UNIQ_KEY", "0A"), ("TAGS", "t"), ("WAIT", "true")]);
    for (at, codec) in [Codec::Json, Codec::Binary].into_iter().enumerate() {
        broker.codec = codec;
        let send = Send { properties: &text, queue_id: 1, ..Send::to("T") };
        let answer = broker.send(send).await;
        assert_eq!((answer.code, answer.codec), (0, codec), "{:?}", answer.remark);
        let header = SendMessageResponse::decode(&answer.ext).unwrap();
        assert_eq!((header.queue_id, header.queue_offset), (1, at as i64));
        assert_eq!(header.transaction_id, Some("0A"));
        assert_eq!((header.msg_region, header.trace_on), (Some("DefaultRegion"), Some("true")));
        let id = OffsetMessageId::parse(header.msg_id).unwrap();
        assert_eq!(id.store_host, broker.broker().local_addr());
        let received = &broker.pull("T", 1, at as i64).await[0];
        assert_eq!((received.body.as_slice(), received.physical_offset), (&b"hello"[..], id.physical_offset));
        let expected =
            properties(&[("MSG_REGION", "DefaultRegion"), ("TRACE_ON", "true"), ("CLUSTER", "DefaultCluster")]);
        assert_eq!(received.properties, text.clone() + &expected);
    }
    let long = Send::to("T").header().to_ext();
    let answer = broker.call(request::SEND_MESSAGE, long, "long names").await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    assert!(broker.pull("T", 0, 0).await[0].property("UNIQ_KEY").is_some_and(|id| id.len() == 32));
    broker.stop().await;
}

// Requests that arrive together become one append; each one still gets its own answer, refusals between successes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_sends_is_answered_one_by_one() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 4).await;
    let commands: Vec<Command> = (0..300)
        .map(|i| match i % 10 {
            7 => Send { queue_id: 9, ..Send::to("T") }.command(Codec::Json),
            8 => Send { body: b"", ..Send::to("T") }.command(Codec::Binary),
            _ => {
                Send { queue_id: i % 4, ..Send::to("T") }.command(if i % 2 == 0 { Codec::Json } else { Codec::Binary })
            }
        })
        .collect();
    let answers = broker.call_all(commands).await;
    let mut next = [0; 4];
    for (i, answer) in answers.iter().enumerate() {
        match i % 10 {
            7 => assert_eq!(answer.code, 29),
            8 => assert_eq!((answer.code, answer.ext.get("MSG_REGION")), (1, None)),
            _ => {
                let header = SendMessageResponse::decode(&answer.ext).unwrap();
                assert_eq!(header.queue_offset, next[i % 4], "request {i}");
                next[i % 4] += 1;
            }
        }
    }
    for (queue_id, next) in next.into_iter().enumerate() {
        assert_eq!(broker.max_offset("T", queue_id as i32).await, next);
    }
    broker.stop().await;
}

// Each refusal has the reference's code and remark; the first failing check decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_and_how() {
    let broker = TestBroker::start(&[("maxMessageSize", "1000"), ("rejectTransactionMessage", "true")]).await;
    broker.create_topic("T", 2).await;
    let (transaction, timer) = (properties(&[("TRAN_MSG", "true")]), properties(&[("TIMER_DELAY_SEC", "1")]));
    let (inner, delay) = (properties(&[("INNER_NUM", "3")]), properties(&[("DELAY", "x")]));
    let long = "a\u{1}".to_owned() + &"x".repeat(40_000);
    let large = [b'x'; 1001];
    let illegal =
        "the message is illegal, maybe msg body or properties length not matched. msg body length limit 1000B";
    let t = Send::to("T");
    let cases: &[(Send<'_>, i32, &str)] = &[
        (Send::to(" "), 29, "The specified topic is blank."),
        (Send::to("a b"), 29, "The specified topic: a b, contains illegal characters, allowing only"),
        (Send::to("SCHEDULE_TOPIC_XXXX"), 16, "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden."),
        (Send::to("rmq_sys_wheel_timer"), 16, "Sending message to topic[rmq_sys_wheel_timer] is forbidden."),
        (Send { default_topic: "none", ..Send::to("U") }, 17, "topic[U] not exist, apply first please!\nSee https://"),
        (
            Send { queue_id: 2, ..t },
            29,
            "request queueId[2] is illegal, TopicConfig [topicName=T, readQueueNums=2, writeQueueNums=2, perm=RW-,",
        ),
        (Send { properties: &transaction, ..t }, 16, "the broker[127.0.0.1] sending transaction message is forbidden"),
        (Send { properties: &timer, ..t }, 1, "accurate timer message is not enabled, timerWheelEnable is false"),
        (Send { properties: &inner, ..t }, 13, illegal),
        (Send { sys_flag: 0x80, ..t }, 13, illegal),
        (Send { properties: &long, ..t }, 13, illegal),
        (Send { body: &large, ..t }, 13, illegal),
        (Send { properties: &delay, ..t }, 1, "property DELAY is no number"),
    ];
    for (send, code, remark) in cases {
        let answer = broker.send(*send).await;
        let text = answer.remark.unwrap_or_default();
        assert!(answer.code == *code && text.starts_with(remark), "{send:?}: {} {text}", answer.code);
    }
    assert_eq!(broker.max_offset("T", 0).await, 0);
    broker.stop().await;
}

// A forged host bit of the sysFlag is masked, so that the record and its neighbours stay readable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_host_bits_are_masked() {
    let broker = TestBroker::start(&[]).await;
    for sys_flag in [0x10, 0x20, 0x30] {
        assert_eq!(broker.send(Send { sys_flag, ..Send::to("T") }).await.code, 0);
    }
    let received = broker.pull("T", 0, 0).await;
    assert_eq!(received.iter().map(|m| m.sys_flag).collect::<Vec<_>>(), [0, 0, 0]);
    broker.stop().await;
}

// A batch is stored as adjacent records that keep just their own properties; a damaged one stores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 1).await;
    let mut body = Vec::new();
    let tags = properties(&[("TAGS", "x")]);
    let messages = [
        BatchMessage { flag: 0, body: b"a", properties: &tags },
        BatchMessage { flag: 5, body: b"bb", properties: "" },
    ];
    batch::encode(&mut body, &messages).unwrap();
    let send = Send { batch: true, body: &body, ..Send::to("T") };
    let (ext, bytes) = send.parts();
    let answer = broker.call(request::SEND_BATCH_MESSAGE, ext.clone(), bytes).await;
    let header = SendMessageResponse::decode(&answer.ext).unwrap();
    assert_eq!((answer.code, header.queue_offset, header.transaction_id), (0, 0, None));
    let ids: Vec<i64> =
        header.msg_id.split(',').map(|id| OffsetMessageId::parse(id).unwrap().physical_offset).collect();
    let received = broker.pull("T", 0, 0).await;
    assert_eq!(received.iter().map(|m| m.physical_offset).collect::<Vec<_>>(), ids);
    assert_eq!((received[0].properties.as_str(), received[1].properties.as_str()), (tags.as_str(), ""));
    assert_eq!((received[1].flag, received[1].body.as_slice()), (5, &b"bb"[..]));

    let truncated = body[..body.len() - 3].to_vec();
    assert_eq!(broker.call(request::SEND_BATCH_MESSAGE, ext, truncated).await.code, 1);
    let delay = properties(&[("DELAY", "2")]);
    let (ext, bytes) = Send { properties: &delay, ..send }.parts();
    assert_eq!(broker.call(request::SEND_BATCH_MESSAGE, ext, bytes).await.code, 13);
    let retry = Send { topic: "%RETRY%G", ..send };
    let (ext, bytes) = retry.parts();
    assert_eq!(broker.call(request::SEND_BATCH_MESSAGE, ext, bytes).await.code, 13);
    assert_eq!(broker.max_offset("T", 0).await, 2);
    broker.stop().await;
}

// One-way sends are stored and never answered, not even when they are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oneway() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 1).await;
    let (ext, body) = Send { queue_id: 7, ..Send::to("T") }.parts();
    broker.oneway(request::SEND_MESSAGE_V2, ext, body).await;
    let (ext, body) = Send::to("T").parts();
    broker.oneway(request::SEND_MESSAGE_V2, ext, body).await;
    broker.oneway(9999, ExtFields::empty(), "").await;
    broker.wait_for_offset("T", 0, 1).await;
    broker.stop().await;
}

// A topic is created as its template allows: queues, permission, and not at all without INHERIT.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_created_by_sends() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("plain", 3).await;
    assert_eq!(broker.send(Send { queues: 16, ..Send::to("A") }).await.code, 0);
    assert_eq!(broker.send(Send { default_topic: "plain", ..Send::to("B") }).await.code, 17);
    assert_eq!(broker.send(Send { queues: -3, ..Send::to("C") }).await.code, 29);
    let topics = &broker.broker().service().topics;
    let queues = |topic: &str| topics.get(topic).map(|c| (c.write_queue_nums, c.perm));
    assert_eq!((queues("A"), queues("B"), queues("C")), (Some((8, 6)), None, Some((0, 6))));
    let answer = broker.send(Send { queue_id: -1, ..Send::to("A") }).await;
    assert!((0..8).contains(&SendMessageResponse::decode(&answer.ext).unwrap().queue_id));
    broker.stop().await;
}

// A consumer's own retry goes to the dead-letter topic when it was tried too often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_and_dead_letters() {
    let broker = TestBroker::start(&[]).await;
    let retry = Send::to("%RETRY%G");
    assert_eq!(broker.send(Send { reconsume_times: 16, ..retry }).await.code, 0);
    let delay = properties(&[("DELAY", "5"), ("RETRY_TOPIC", "T")]);
    let dead = Send { reconsume_times: 3, max_reconsume_times: Some(2), properties: &delay, ..retry };
    assert_eq!(broker.send(dead).await.code, 0);
    assert_eq!((broker.max_offset("%RETRY%G", 0).await, broker.max_offset("%DLQ%G", 0).await), (1, 1));
    let letter = &broker.pull("%DLQ%G", 0, 0).await[0];
    assert_eq!((letter.property("DELAY"), letter.property("RETRY_TOPIC")), (Some("-1"), Some("T")));
    broker.stop().await;
}

// Names in the header may be the letters or the long ones; what is missing is an error without the fields of a send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_lack_something() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 1).await;
    let mut all = ExtFields::empty();
    Send::to("T").header().encode_named(&mut all, Naming::Short);
    for (letter, code) in
        [("a", 0), ("b", 1), ("c", 0), ("d", 0), ("e", 1), ("f", 1), ("g", 1), ("j", 0), ("k", 0), ("m", 0)]
    {
        let ext: ExtFields = all.iter().filter(|(n, _)| *n != letter).filter_map(|(n, v)| Some((n, v?))).collect();
        let answer = broker.call(request::SEND_MESSAGE_V2, ext, "x").await;
        assert_eq!(answer.code, code, "without {letter}: {:?}", answer.remark);
        assert_eq!(answer.ext.get("MSG_REGION").is_some(), code == 0);
    }
    let decoded = SendMessage::decode_named(&all, Naming::Short).unwrap();
    assert_eq!(decoded.topic, "T");
    broker.stop().await;
}
