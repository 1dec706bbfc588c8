//! Transactions: half messages, their ends, checks of producers, and what survives restarts and kills.
#![allow(clippy::unwrap_used)]
mod support;

use bytes::Bytes;
use ferromq_protocol::code::request;
use ferromq_protocol::{record, topic, Codec, Command, ExtFields};
use ferromq_remoting::{Client, ClientOptions, Connection, Handler, OutFrame};
use std::sync::Arc;
use std::time::Duration;
use support::{properties, Received, Send, TestBroker, DEADLINE};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;
const GROUP: &str = "P";

/// Settings under which checks come at once.
const HASTY: [(&str, &str); 2] = [("transactionTimeOut", "100"), ("transactionCheckInterval", "50")];

/// Where a half message lies.
#[derive(Debug, Clone, Copy)]
struct Half {
    queue_offset: i64,
    log_offset: i64,
}

fn half_properties(more: &[(&str, &str)]) -> String {
    let base = [("TRAN_MSG", "true"), ("PGROUP", GROUP), ("UNIQ_KEY", "0A0B"), ("TAGS", "t")];
    properties(&[&base, more].concat())
}

async fn prepare_with(broker: &TestBroker, more: &[(&str, &str)]) -> Half {
    let text = half_properties(more);
    let answer = broker.send(Send { queue_id: 1, sys_flag: 4, properties: &text, ..Send::to("T") }).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    let id = answer.ext.get("msgId").unwrap().parse::<ferromq_protocol::ids::OffsetMessageId>().unwrap();
    Half { queue_offset: answer.ext.get("queueOffset").unwrap().parse().unwrap(), log_offset: id.physical_offset }
}

async fn prepare(broker: &TestBroker) -> Half {
    prepare_with(broker, &[]).await
}

fn fields(half: Half, how: i32) -> ExtFields {
    let (queue, log, how) = (half.queue_offset.to_string(), half.log_offset.to_string(), how.to_string());
    ExtFields::from_iter([
        ("producerGroup", GROUP),
        ("tranStateTableOffset", &queue),
        ("commitLogOffset", &log),
        ("commitOrRollback", &how),
        ("fromTransactionCheck", "false"),
        ("msgId", "0A0B"),
        ("transactionId", "0A0B"),
    ])
}

async fn end(broker: &TestBroker, half: Half, how: i32) -> Command {
    broker.call(request::END_TRANSACTION, fields(half, how), "").await
}

/// The records of a queue of the half, op or given-up topic.
fn stored(broker: &TestBroker, topic: &str) -> Vec<Bytes> {
    let store = &broker.broker().service().store;
    (0..store.max_offset(topic, 0)).filter_map(|offset| store.record_of(topic, 0, offset)).collect()
}

fn ops(broker: &TestBroker) -> Vec<String> {
    let bodies = stored(broker, topic::TRANS_OP_HALF);
    bodies.iter().map(|op| String::from_utf8(record::parse(op, true).unwrap().body().to_vec()).unwrap()).collect()
}

/// A producer that is connected and notes what it is asked.
struct Producer {
    client: Arc<Client>,
    asked: UnboundedReceiver<Command>,
}

struct Notes(UnboundedSender<Command>);

impl Handler for Notes {
    fn requests(&self, _: &Arc<Connection>, requests: &mut Vec<Command>, _: &mut Vec<OutFrame>) {
        requests.drain(..).for_each(|request| self.0.send(request).unwrap_or_default());
    }
}

impl Producer {
    async fn connect(broker: &TestBroker, group: &str) -> Self {
        let (sender, asked) = unbounded_channel();
        let client = Arc::new(Client::new(ClientOptions::default(), Arc::new(Notes(sender))));
        let body = format!(
            r#"{{"clientID":"c","producerDataSet":[{{"groupName":"{group}"}}],"consumerDataSet":[],"heartbeatFingerprint":0}}"#
        );
        let beat = Command::request(request::HEART_BEAT, ExtFields::empty(), body.into());
        let answer = client.call(&broker.broker().local_addr().to_string(), beat, DEADLINE).await.unwrap();
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        Self { client, asked }
    }

    /// The next check: where the half message lies, and the record shown.
    async fn next_check(&mut self) -> (Half, Received) {
        let asked = tokio::time::timeout(DEADLINE, self.asked.recv()).await.unwrap().unwrap();
        assert_eq!((asked.code, asked.is_oneway()), (request::CHECK_TRANSACTION_STATE, true));
        assert_eq!((asked.ext.get("msgId"), asked.ext.get("transactionId")), (Some("0A0B"), Some("0A0B")));
        assert_eq!((asked.ext.get("bname"), asked.ext.get("topic")), (Some("broker-t"), Some(topic::TRANS_HALF)));
        let number = |name| asked.ext.get(name).unwrap().parse().unwrap();
        let half = Half { queue_offset: number("tranStateTableOffset"), log_offset: number("commitLogOffset") };
        (half, Received::of(&record::parse(&asked.body, true).unwrap()))
    }

    async fn leave(self) {
        self.client.shutdown().await;
    }
}

// A half message is stored as Apache stores it, is not visible, and becomes its message when it is committed; with both codecs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_delivers_what_was_prepared() {
    for codec in [Codec::Json, Codec::Binary] {
        let mut broker = TestBroker::start(&[]).await;
        broker.codec = codec;
        broker.create_topic("T", 4).await;
        let half = prepare_with(&broker, &[("REAL_TOPIC", "forged"), ("WAIT", "true")]).await;
        assert_eq!(broker.max_offset("T", 1).await, 0);
        let waiting = stored(&broker, topic::TRANS_HALF);
        let waiting = Received::of(&record::parse(&waiting[0], true).unwrap());
        assert_eq!((waiting.sys_flag, waiting.queue_id), (0, 0));
        for (name, value) in
            [("REAL_TOPIC", "T"), ("REAL_QID", "1"), ("__transactionId__", "0A0B"), ("TRAN_MSG", "true")]
        {
            assert_eq!(waiting.property(name), Some(value), "{name}");
        }
        let answer = end(&broker, half, COMMIT).await;
        assert_eq!((answer.code, answer.remark), (0, None));
        let message = broker.pull("T", 1, 0).await.remove(0);
        assert_eq!((message.sys_flag, message.body.as_slice()), (COMMIT, &b"hello"[..]));
        assert_eq!((message.property("REAL_TOPIC"), message.property("TRAN_MSG")), (None, Some("true")));
        assert_eq!(ops(&broker), ["0,"]);
        broker.stop().await;
    }
}

// A half message is delivered once however often it is ended, and what was decided first stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transaction_ends_once() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 4).await;
    let committed = prepare(&broker).await;
    let again: Vec<Command> = (0..50)
        .map(|at| {
            let how = if at % 5 == 4 { ROLLBACK } else { COMMIT };
            Command::request(request::END_TRANSACTION, fields(committed, how), Bytes::new())
        })
        .collect();
    assert!(broker.call_all(again).await.iter().all(|answer| answer.code == 0));
    let forgotten = prepare(&broker).await;
    assert_eq!(end(&broker, forgotten, ROLLBACK).await.remark.as_deref(), Some("not set any response code"));
    assert_eq!(end(&broker, forgotten, COMMIT).await.code, 0);
    assert_eq!(broker.max_offset("T", 1).await, 1);
    assert_eq!(ops(&broker), ["0,", "1,"]);
    broker.stop().await;
}

// Ends that arrive together are one append with one op record that names them all, cut at its largest size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_of_one_read_share_an_op_record() {
    let broker = TestBroker::start(&[("transactionOpMsgMaxSize", "64")]).await;
    broker.create_topic("T", 4).await;
    let mut ends = Vec::new();
    for _ in 0..200 {
        ends.push(Command::request(request::END_TRANSACTION, fields(prepare(&broker).await, COMMIT), Bytes::new()));
    }
    assert!(broker.call_all(ends).await.iter().all(|answer| answer.code == 0));
    assert_eq!(broker.max_offset("T", 1).await, 200);
    let ops = ops(&broker);
    assert!(ops.len() < 200 && ops.iter().all(|body| body.len() <= 64), "{ops:?}");
    let mut named: Vec<i64> =
        ops.iter().flat_map(|body| body.split_terminator(',')).map(|n| n.parse().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, (0..200).collect::<Vec<i64>>());
    broker.stop().await;
}

// What waits and what has ended is the same after a restart and after a kill; the progress is stored as Apache stores it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_kills_change_nothing() {
    let mut broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 4).await;
    let mut waiting = Vec::new();
    let mut ended = Vec::new();
    for round in 0..4 {
        ended.push(prepare(&broker).await);
        waiting.push(prepare(&broker).await);
        let how = if round % 2 == 0 { COMMIT } else { ROLLBACK };
        assert_eq!(end(&broker, *ended.last().unwrap(), how).await.code, 0);
        if round % 2 == 0 {
            broker.kill_and_restart().await;
        } else {
            broker.restart().await;
        }
        assert_eq!(broker.broker().service().transactions.waiting(), waiting.len() as u64);
        for half in &ended {
            assert_eq!(end(&broker, *half, COMMIT).await.code, 0);
        }
        assert_eq!(broker.max_offset("T", 1).await, 1 + round / 2);
    }
    let offsets = std::fs::read_to_string(broker.dir.path().join("config/consumerOffset.json")).unwrap();
    assert!(offsets.contains("\"RMQ_SYS_TRANS_HALF_TOPIC@CID_RMQ_SYS_TRANS\":{0:1"), "{offsets}");
    for half in &waiting {
        assert_eq!(end(&broker, *half, COMMIT).await.code, 0);
    }
    assert_eq!(broker.max_offset("T", 1).await, 6);
    broker.restart().await;
    let offsets = std::fs::read_to_string(broker.dir.path().join("config/consumerOffset.json")).unwrap();
    for progress in ["HALF_TOPIC@CID_RMQ_SYS_TRANS\":{0:8", "OP_HALF_TOPIC@CID_RMQ_SYS_TRANS\":{0:8"] {
        assert!(offsets.contains(progress), "{offsets}");
    }
    assert_eq!(broker.broker().service().transactions.waiting(), 0);
    broker.stop().await;
}

// Any live producer of the group is asked when the sender is gone, again until it knows, and its answer ends the transaction
// however late the sender's own comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_producer_of_the_group_is_asked() {
    let broker = TestBroker::start(&HASTY).await;
    broker.create_topic("T", 4).await;
    let gone = Producer::connect(&broker, GROUP).await;
    let half = prepare(&broker).await;
    gone.leave().await;
    let mut stranger = Producer::connect(&broker, "other").await;
    let mut producer = Producer::connect(&broker, GROUP).await;
    let (first, shown) = producer.next_check().await;
    assert_eq!((first.queue_offset, first.log_offset), (half.queue_offset, half.log_offset));
    assert_eq!((shown.topic.as_str(), shown.queue_id, shown.body.as_slice()), ("T", 1, &b"hello"[..]));
    let count: i32 = shown.property("TRANSACTION_CHECK_TIMES").unwrap().parse().unwrap();
    broker.oneway(request::END_TRANSACTION, fields(first, 0), "").await;
    let (second, shown) = producer.next_check().await;
    assert_eq!(shown.property("TRANSACTION_CHECK_TIMES"), Some((count + 1).to_string().as_str()));
    broker.oneway(request::END_TRANSACTION, fields(second, COMMIT), "").await;
    broker.wait_for_offset("T", 1, 1).await;
    assert_eq!(end(&broker, half, COMMIT).await.code, 0);
    assert_eq!(broker.max_offset("T", 1).await, 1);
    assert!(stranger.asked.try_recv().is_err(), "another group's producer was asked");
    stranger.leave().await;
    producer.leave().await;
    broker.stop().await;
}

// A message with an immunity time is left alone that long, while younger ones are checked; behind that time only an answer
// to a check may end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_immune_message_is_left_alone() {
    let broker = TestBroker::start(&HASTY).await;
    broker.create_topic("T", 4).await;
    let mut producer = Producer::connect(&broker, GROUP).await;
    let immune = prepare_with(&broker, &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "600")]).await;
    let brief = prepare_with(&broker, &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "0")]).await;
    let usual = prepare(&broker).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        let (half, _) = producer.next_check().await;
        assert_ne!(half.queue_offset, immune.queue_offset);
        seen.insert(half.queue_offset);
    }
    assert_eq!(seen, [brief.queue_offset, usual.queue_offset].into());
    assert_eq!(end(&broker, immune, COMMIT).await.code, 0);
    assert_eq!(end(&broker, brief, COMMIT).await.code, 604);
    let mut checked = fields(brief, COMMIT);
    checked = checked
        .iter()
        .map(|(name, value)| match name {
            "fromTransactionCheck" => (name, "true"),
            _ => (name, value.unwrap_or_default()),
        })
        .collect();
    assert_eq!(broker.call(request::END_TRANSACTION, checked, "").await.code, 0);
    assert_eq!(broker.max_offset("T", 1).await, 2);
    producer.leave().await;
    broker.stop().await;
}

// Nobody answers: after the last check the message is given up, once; an operator can have it checked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_without_producers_is_given_up_and_resumed() {
    let mut broker = TestBroker::start(&[HASTY[0], HASTY[1], ("transactionCheckMax", "2")]).await;
    broker.create_topic("T", 4).await;
    let half = prepare(&broker).await;
    broker.wait_for_offset(topic::TRANS_CHECK_MAX_TIME, 0, 1).await;
    assert_eq!(end(&broker, half, COMMIT).await.code, 0);
    assert_eq!(broker.max_offset("T", 1).await, 0, "what was given up is not delivered by a late commit");
    broker.restart().await;
    let given_up = broker.pull(topic::TRANS_CHECK_MAX_TIME, 0, 0).await.remove(0);
    assert_eq!(given_up.property("TRANSACTION_CHECK_TIMES"), Some("2"));
    assert_eq!((given_up.property("REAL_TOPIC"), given_up.property("PGROUP")), (Some("T"), Some(GROUP)));
    let mut producer = Producer::connect(&broker, GROUP).await;
    let store_host = broker.broker().service().identity.store_host;
    let id = |physical_offset| ferromq_protocol::ids::OffsetMessageId { store_host, physical_offset }.to_string();
    let resume = |id: String| ExtFields::from_iter([("msgId", id.as_str())]);
    let answer = broker.call(request::RESUME_CHECK_HALF_MESSAGE, resume(id(given_up.physical_offset)), "").await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    let (half, shown) = producer.next_check().await;
    assert_eq!((half.queue_offset, shown.property("TRANSACTION_CHECK_TIMES")), (1, Some("1")));
    assert_eq!(end(&broker, half, COMMIT).await.code, 0);
    assert_eq!(broker.max_offset("T", 1).await, 1);
    for (log_offset, remark) in [(half.log_offset, "Put message back"), (7, "Exception was thrown")] {
        let refused = broker.call(request::RESUME_CHECK_HALF_MESSAGE, resume(id(log_offset)), "").await;
        assert!(refused.code == 1 && refused.remark.clone().unwrap().starts_with(remark), "{:?}", refused.remark);
    }
    producer.leave().await;
    broker.stop().await;
}

// A delay level waits with the half message and takes effect at the commit, instead of losing the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_transaction_is_delivered_late() {
    let broker = TestBroker::start(&[("messageDelayLevel", "1s 1h")]).await;
    broker.create_topic("T", 4).await;
    let half = prepare_with(&broker, &[("DELAY", "1")]).await;
    assert_eq!(broker.max_offset(topic::SCHEDULE, 0).await, 0);
    assert_eq!(end(&broker, half, COMMIT).await.code, 0);
    assert_eq!((broker.max_offset(topic::SCHEDULE, 0).await, broker.max_offset("T", 1).await), (1, 0));
    broker.wait_for_offset("T", 1, 1).await;
    broker.stop().await;
}

// Requests that lie about where a half message is, in whatever way, end nothing and get the reference's answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_end_nothing() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 4).await;
    let (half, other) = (prepare(&broker).await, prepare(&broker).await);
    // A whole half message, at the right offset, in the body of another message.
    let forged = stored(&broker, topic::TRANS_HALF)[0].to_vec();
    let answer = broker.send(Send { body: &forged, ..Send::to("T") }).await;
    let id = answer.ext.get("msgId").unwrap().parse::<ferromq_protocol::ids::OffsetMessageId>().unwrap();
    let inside = |by: i64| Half { log_offset: id.physical_offset + by, ..half };
    let missing = "Find prepared transaction message failed";
    let table = "The transaction state table offset wrong";
    let lies = [
        (Half { log_offset: other.log_offset, ..half }, table),
        (Half { queue_offset: 99, ..half }, table),
        (Half { queue_offset: -1, ..half }, table),
        (Half { log_offset: half.log_offset + 1, ..half }, missing),
        (Half { log_offset: -1, ..half }, missing),
        (Half { log_offset: i64::MAX, ..half }, missing),
        (Half { log_offset: i64::MIN, ..half }, missing),
        (inside(0), missing),
        (inside(88), missing),
    ];
    for (lie, remark) in lies {
        let answer = end(&broker, lie, COMMIT).await;
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some(remark)), "{lie:?}");
    }
    let odd =
        [("commitOrRollback", "5"), ("commitOrRollback", "x"), ("producerGroup", "Q"), ("tranStateTableOffset", "")];
    for (field, value) in odd {
        let ext: ExtFields = fields(half, COMMIT)
            .iter()
            .map(|(name, old)| (name, if name == field { value } else { old.unwrap_or_default() }))
            .collect();
        assert_eq!(broker.call(request::END_TRANSACTION, ext, "").await.code, 1, "{field}={value}");
    }
    assert_eq!((broker.max_offset("T", 1).await, broker.broker().service().transactions.waiting()), (0, 2));
    assert_eq!(end(&broker, half, COMMIT).await.code, 0);
    broker.stop().await;
}

// The switch of the operator, live; and a consumer's own retry of a transactional message, which is no transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_can_be_refused() {
    let broker = TestBroker::start(&[]).await;
    broker.create_topic("T", 4).await;
    assert_eq!(
        broker.call(request::UPDATE_BROKER_CONFIG, ExtFields::empty(), "rejectTransactionMessage=true").await.code,
        0
    );
    let text = half_properties(&[]);
    assert_eq!(broker.send(Send { properties: &text, ..Send::to("T") }).await.code, 16);
    let retry = half_properties(&[("DELAY", "2")]);
    let answer = broker.send(Send { properties: &retry, reconsume_times: 1, ..Send::to("T") }).await;
    assert_eq!((answer.code, broker.max_offset(topic::SCHEDULE, 1).await), (0, 1));
    tokio::time::timeout(Duration::from_secs(5), broker.stop()).await.unwrap();
}
