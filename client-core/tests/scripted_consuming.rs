//! Consumers against a scripted broker: what real brokers do seldom. Offsets out of range, refused send-backs, locks of
//! others, old brokers, and the requests a broker sends to its clients.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod support;

use bytes::Bytes;
use ferromq::{
    ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, LitePullConsumer, MessageQueue, PushConsumer,
    PushConsumerBuilder,
};
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumeResult, ConsumerIdList, ConsumerRunningInfo, GetConsumerStatusBody,
    HeartbeatData, LockBatchRequest, LockBatchResponse, ResetOffsetBody,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{
    ConsumeMessageDirectly, GetConsumerRunningInfo, GetConsumerStatus, OffsetResponse, PullMessage,
    PullMessageResponse, QueryConsumerOffset, ResetOffset, SendMessage, UpdateConsumerOffset,
};
use ferromq_protocol::{properties, record, Command, ExtFields, Header};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;

const WAIT: Duration = Duration::from_secs(5);

/// One queue with numbered messages, a group with one member, and a few switches.
#[derive(Default)]
struct Model {
    members: Vec<String>,
    /// Smallest offset, and the one after the last.
    bounds: (i64, i64),
    committed: Option<i64>,
    refuse_send_back: bool,
    refuse_locks: bool,
    knows_lite: bool,
    /// The subscription is forgotten at so many pulls; a heartbeat brings it back.
    forgets: usize,
    forgotten: bool,
    pulled_from: Vec<i64>,
}

impl Model {
    fn answer(&mut self, request: &Command) -> Reply {
        match request.code {
            request::HEART_BEAT => {
                self.members = vec![HeartbeatData::decode(&request.body).unwrap().client_id];
                self.forgotten = false;
                Reply::Answer(ok(request))
            }
            request::GET_CONSUMER_LIST_BY_GROUP => {
                let list = ConsumerIdList { consumer_id_list: self.members.clone() };
                Reply::Answer(Command { body: list.encode(), ..ok(request) })
            }
            request::QUERY_CONSUMER_OFFSET => match self.committed {
                _ if QueryConsumerOffset::decode(&request.ext).unwrap().topic != "T" => offset(request, 0),
                Some(committed) => offset(request, committed),
                None => Reply::Answer(error(request, response::QUERY_NOT_FOUND, "none")),
            },
            request::UPDATE_CONSUMER_OFFSET => {
                let header = UpdateConsumerOffset::decode(&request.ext).unwrap();
                if header.topic == "T" {
                    self.committed = Some(header.commit_offset);
                }
                Reply::Answer(ok(request))
            }
            request::LOCK_BATCH_MQ => {
                let wanted = LockBatchRequest::decode(&request.body).unwrap().mq_set;
                let granted = if self.refuse_locks { Vec::new() } else { wanted };
                let body = LockBatchResponse { lock_ok_mq_set: granted }.encode();
                Reply::Answer(Command { body, ..ok(request) })
            }
            request::CONSUMER_SEND_MSG_BACK if self.refuse_send_back => {
                Reply::Answer(error(request, response::SYSTEM_ERROR, "as the test wants"))
            }
            request::LITE_PULL_MESSAGE if !self.knows_lite => {
                Reply::Answer(error(request, response::REQUEST_CODE_NOT_SUPPORTED, "unknown"))
            }
            request::PULL_MESSAGE | request::LITE_PULL_MESSAGE => self.pull(request),
            _ => stored(request),
        }
    }

    /// At the end of the queue, and for the retry topic, the request is held.
    fn pull(&mut self, request: &Command) -> Reply {
        let header = PullMessage::decode(&request.ext).unwrap();
        if header.topic != "T" {
            return Reply::Silence;
        }
        self.pulled_from.push(header.queue_offset);
        if self.forgets > 0 {
            self.forgets -= 1;
            self.forgotten = true;
        }
        if self.forgotten {
            let remark = "the consumer's subscription not exist";
            return Reply::Answer(error(request, response::SUBSCRIPTION_NOT_EXIST, remark));
        }
        let (min, end) = self.bounds;
        let at = header.queue_offset;
        let (code, next, body) = match at {
            _ if at < min => (response::PULL_OFFSET_MOVED, min, Bytes::new()),
            _ if at > end => (response::PULL_OFFSET_MOVED, end, Bytes::new()),
            _ if at == end => return Reply::Silence,
            _ => (response::SUCCESS, end, (at..end).flat_map(stored_record).collect()),
        };
        let answer = PullMessageResponse {
            suggest_which_broker_id: 0,
            next_begin_offset: next,
            min_offset: min,
            max_offset: end,
            offset_delta: None,
            topic_sys_flag: None,
            group_sys_flag: None,
            forbidden_type: None,
        };
        Reply::Answer(Command { ext: answer.to_ext(), body, ..Command::response_to(request, code, None) })
    }
}

fn offset(request: &Command, offset: i64) -> Reply {
    Reply::Answer(Command { ext: OffsetResponse { offset }.to_ext(), ..ok(request) })
}

fn stored_record(queue_offset: i64) -> Vec<u8> {
    let (host, body): (SocketAddr, _) = ("127.0.0.1:1".parse().unwrap(), queue_offset.to_string());
    let message = record::Message {
        topic: "T",
        queue_id: 0,
        flag: 7,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 1,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: "UNIQ_KEY\u{1}ID\u{2}",
        queue_offset,
        physical_offset: queue_offset * 100,
    };
    let mut out = Vec::new();
    record::encode(&mut out, &message).unwrap();
    out
}

struct Scene {
    model: Arc<Mutex<Model>>,
    broker: Fake,
    names: Fake,
}

impl Scene {
    async fn new(model: Model) -> Scene {
        let model = Arc::new(Mutex::new(model));
        let answering = model.clone();
        let broker = Fake::start(move |request| answering.lock().unwrap().answer(request)).await;
        let book = RouteBook::default();
        book.set("T", &[("b", &broker.addr(), 1)]);
        book.set("%RETRY%G", &[("b", &broker.addr(), 1)]);
        let names = book.serve().await;
        Scene { model, broker, names }
    }

    fn consumer(&self) -> PushConsumerBuilder {
        let builder = PushConsumer::builder("G").namesrv(self.names.addr()).subscribe("T", "*");
        builder.consume_from(ConsumeFrom::First).pull_error_pause(Duration::from_millis(20))
    }

    /// Asks the client, over the connection it made.
    async fn ask(&self, code: i32, ext: ExtFields, body: Bytes) -> Command {
        let open = self.broker.connections().into_iter().find(|connection| connection.is_open()).unwrap();
        open.call(Command::request(code, ext, body), WAIT).await.unwrap()
    }
}

fn queue() -> MessageQueue {
    MessageQueue::new("T", "b", 0)
}

/// A stored offset below the queue's first message is replaced by the broker's, committed, and consuming goes on there.
#[tokio::test]
async fn offset_outside_the_queue() {
    let scene = Scene::new(Model { bounds: (50, 52), committed: Some(3), ..Model::default() }).await;
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = seen.clone();
    let member = scene.consumer().concurrent(move |messages, _| {
        noted.lock().unwrap().extend(messages.iter().map(|message| message.queue_offset()));
        ConsumeConcurrentlyStatus::Success
    });
    let member = member.start().await.unwrap();
    eventually("both messages", || async { seen.lock().unwrap().len() == 2 }).await;
    assert_eq!(scene.model.lock().unwrap().pulled_from[..2], [3, 50]);
    member.shutdown().await;
    assert_eq!(scene.model.lock().unwrap().committed, Some(52));
}

/// A broker that has forgotten the subscription is told at once, and asked again at once.
#[tokio::test]
async fn forgotten_by_the_broker() {
    let scene = Scene::new(Model { bounds: (0, 2), committed: Some(0), forgets: 1, ..Model::default() }).await;
    let seen: Arc<Mutex<usize>> = Arc::default();
    let noted = seen.clone();
    let member = scene.consumer().pull_error_pause(Duration::from_secs(3600)).concurrent(move |messages, _| {
        *noted.lock().unwrap() += messages.len();
        ConsumeConcurrentlyStatus::Success
    });
    let member = member.start().await.unwrap();
    eventually("both messages", || async { *seen.lock().unwrap() == 2 }).await;
    assert_eq!(scene.model.lock().unwrap().pulled_from[..2], [0, 0]);
    member.shutdown().await;
}

/// A broker that forgets always is not flooded with heartbeats.
#[tokio::test]
async fn forgotten_again_and_again() {
    const PULLS: usize = 100;
    let scene = Scene::new(Model { bounds: (0, 2), committed: Some(0), forgets: usize::MAX, ..Model::default() }).await;
    let began = Instant::now();
    let member = scene.consumer().pull_error_pause(Duration::from_millis(1));
    let member = member.concurrent(|_, _| ConsumeConcurrentlyStatus::Success).start().await.unwrap();
    eventually("many pulls", || async { scene.model.lock().unwrap().pulled_from.len() >= PULLS }).await;
    let heartbeats = scene.broker.seen(request::HEART_BEAT).len();
    // One per second because of the pulls, and those of the start.
    assert!(heartbeats as u64 <= began.elapsed().as_secs() + 4, "{heartbeats} in {:?}", began.elapsed());
    member.shutdown().await;
}

/// A message that cannot be sent back is sent anew to the retry topic, with everything that belongs to it.
#[tokio::test]
async fn send_back_refused() {
    let model = Model { bounds: (0, 1), committed: Some(0), refuse_send_back: true, ..Model::default() };
    let scene = Scene::new(model).await;
    let member = scene.consumer().concurrent(|_, _| ConsumeConcurrentlyStatus::ReconsumeLater).start().await.unwrap();
    eventually("a new message", || async { !scene.broker.seen(request::SEND_MESSAGE_V2).is_empty() }).await;
    member.shutdown().await;
    assert_eq!(scene.model.lock().unwrap().committed, Some(1));
    let sent = &scene.broker.seen(request::SEND_MESSAGE_V2)[0];
    let header = SendMessage::decode_named(&sent.ext, Naming::Short).unwrap();
    assert_eq!((header.topic, &sent.body[..], header.flag), ("%RETRY%G", &b"0"[..], 7));
    assert_eq!((header.reconsume_times, header.max_reconsume_times), (1, Some(16)));
    let text = header.properties.unwrap_or_default();
    let property = |name| properties::get(text, name);
    assert_eq!(property(properties::RETRY_TOPIC), Some("T"));
    assert_eq!(property(properties::ORIGIN_MESSAGE_ID), Some("ID"));
    assert_eq!(property(properties::DELAY), Some("3"));
}

/// Without the lock an orderly queue is not pulled; once it is granted, it is, and it is given back at the end.
#[tokio::test]
async fn locked_by_another() {
    let model = Model { bounds: (0, 2), committed: Some(0), refuse_locks: true, ..Model::default() };
    let scene = Scene::new(model).await;
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = seen.clone();
    let member = scene.consumer().orderly(move |messages, _| {
        noted.lock().unwrap().extend(messages.iter().map(|message| message.queue_offset()));
        ConsumeOrderlyStatus::Success
    });
    let member = member.start().await.unwrap();
    eventually("two refusals", || async { scene.broker.seen(request::LOCK_BATCH_MQ).len() >= 3 }).await;
    assert!(member.assigned_queues().is_empty() && scene.model.lock().unwrap().pulled_from.is_empty());
    scene.model.lock().unwrap().refuse_locks = false;
    eventually("both messages", || async { *seen.lock().unwrap() == [0, 1] }).await;
    member.shutdown().await;
    assert_eq!(scene.model.lock().unwrap().committed, Some(2));
    assert!(!scene.broker.seen(request::UNLOCK_BATCH_MQ).is_empty());
}

/// A broker that does not know the lite pull is asked with the old request, with the expression in it.
#[tokio::test]
async fn lite_pull_at_an_old_broker() {
    for knows_lite in [false, true] {
        let scene = Scene::new(Model { bounds: (0, 3), knows_lite, ..Model::default() }).await;
        let builder = LitePullConsumer::builder("G").namesrv(scene.names.addr()).consume_from(ConsumeFrom::First);
        let member = builder.start().await.unwrap();
        member.assign(&[queue()]).await.unwrap();
        assert_eq!(member.poll(WAIT).await.unwrap().len(), 3);
        member.shutdown().await;
        assert_eq!(scene.broker.seen(request::LITE_PULL_MESSAGE).len(), if knows_lite { 2 } else { 1 });
        assert_eq!(scene.broker.seen(request::PULL_MESSAGE).is_empty(), knows_lite);
        assert_eq!(scene.model.lock().unwrap().committed, Some(3));
    }
}

/// A reset from the broker: consuming goes on at the given offset, which is committed, and nothing blocks meanwhile.
#[tokio::test]
async fn reset_by_the_broker() {
    let scene = Scene::new(Model { bounds: (0, 5), committed: Some(0), ..Model::default() }).await;
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = seen.clone();
    let member = scene.consumer().consume_threads(1).concurrent(move |messages, _| {
        noted.lock().unwrap().extend(messages.iter().map(|message| message.queue_offset()));
        ConsumeConcurrentlyStatus::Success
    });
    let member = member.start().await.unwrap();
    eventually("all five", || async { seen.lock().unwrap().len() == 5 }).await;
    let header = ResetOffset { topic: "T", group: "G", queue_id: -1, offset: None, timestamp: 0, is_force: true };
    let body = ResetOffsetBody { offset_table: [(queue(), 3)].into() };
    let body = Bytes::from(body.to_json().write(ferromq_protocol::json::Flavour::Java));
    let open = scene.broker.connections().into_iter().find(|connection| connection.is_open()).unwrap();
    open.oneway(Command::request(request::RESET_CONSUMER_CLIENT_OFFSET, header.to_ext(), body)).unwrap();
    eventually("3 and 4 again", || async {
        seen.lock().unwrap().ends_with(&[3, 4]) && seen.lock().unwrap().len() == 7
    })
    .await;
    member.shutdown().await;
    assert_eq!(scene.model.lock().unwrap().committed, Some(5));
}

/// Status, running info and a message to be consumed directly are answered; a panicking listener is an answer too.
#[tokio::test]
async fn questions_of_the_broker() {
    let scene = Scene::new(Model { bounds: (0, 2), committed: Some(0), ..Model::default() }).await;
    let member = scene.consumer().concurrent(|messages, _| {
        assert!(messages[0].queue_offset() != 99, "as the test wants");
        ConsumeConcurrentlyStatus::Success
    });
    let member = member.start().await.unwrap();
    let header = GetConsumerStatus { topic: "T", group: "G", client_addr: None };
    eventually("both consumed", || async {
        let code = request::GET_CONSUMER_STATUS_FROM_CLIENT;
        let answer = scene.ask(code, header.to_ext(), Bytes::new()).await;
        let body = GetConsumerStatusBody::decode(&answer.body).unwrap();
        body.message_queue_table.get(&queue()) == Some(&2)
    })
    .await;
    let header = GetConsumerRunningInfo { consumer_group: "G", client_id: member.client_id(), jstack_enable: None };
    let answer = scene.ask(request::GET_CONSUMER_RUNNING_INFO, header.to_ext(), Bytes::new()).await;
    let info = ConsumerRunningInfo::decode(&answer.body).unwrap();
    assert_eq!(info.mq_table[&queue()].commit_offset, 2);
    assert_eq!(info.properties["PROP_CONSUMEORDERLY"], "false");
    assert_eq!(info.subscription_set.len(), 2);
    assert!(info.status_table["T"].consume_ok_tps > 0.0);
    let header = ConsumeMessageDirectly {
        consumer_group: "G",
        client_id: None,
        msg_id: None,
        broker_name: Some("b"),
        topic: None,
        topic_sys_flag: None,
        group_sys_flag: None,
    };
    for (offset, expected) in [(1, ConsumeResult::Success), (99, ConsumeResult::ThrowException)] {
        let body = Bytes::from(stored_record(offset));
        let answer = scene.ask(request::CONSUME_MESSAGE_DIRECTLY, header.to_ext(), body).await;
        let result = ConsumeMessageDirectlyResult::decode(&answer.body).unwrap();
        assert_eq!((result.consume_result, result.order), (Some(expected), false));
    }
    member.shutdown().await;
}
