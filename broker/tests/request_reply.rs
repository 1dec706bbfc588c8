//! Requests and replies: 324 and 325 from the one who replies, 326 to the one who asked.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and its helpers are named for what they do")]
mod support;

use bytes::Bytes;
use ferromq_protocol::body::{HeartbeatData, ProducerData};
use ferromq_protocol::code::request as code;
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::PushReply;
use ferromq_protocol::{properties as names, Codec, Command, ExtFields, Header};
use ferromq_remoting::{Client, ClientOptions, Connection, Handler, OutFrame};
use std::sync::Arc;
use support::{properties, Send, TestBroker, DEADLINE};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

const REPLY_TOPIC: &str = "DefaultCluster_REPLY_TOPIC";

/// A producer that waits for replies and answers each with a code.
struct Asker {
    client: Client,
    pushed: UnboundedReceiver<Command>,
}

struct Answers(UnboundedSender<Command>, i32);

impl Handler for Answers {
    fn requests(&self, _connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..) {
            answers.push(OutFrame::from(&Command::response_to(&request, self.1, None)));
            self.0.send(request).unwrap_or_default();
        }
    }
}

impl Asker {
    async fn start(broker: &TestBroker, client_id: &str, code: i32) -> Self {
        let (sender, pushed) = unbounded_channel();
        let asker = Self { client: Client::new(ClientOptions::default(), Arc::new(Answers(sender, code))), pushed };
        asker.beat(broker, client_id, "PG").await;
        asker
    }

    async fn beat(&self, broker: &TestBroker, client_id: &str, group: &str) {
        let beat = HeartbeatData {
            client_id: client_id.into(),
            producer_data_set: vec![ProducerData { group_name: group.into() }],
            ..HeartbeatData::default()
        };
        self.call(broker, code::HEART_BEAT, ExtFields::empty(), beat.encode()).await;
    }

    async fn call(&self, broker: &TestBroker, code: i32, ext: ExtFields, body: Bytes) {
        let addr = broker.broker().local_addr().to_string();
        let answer = self.client.call(&addr, Command::request(code, ext, body), DEADLINE).await.unwrap();
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
    }

    async fn next(&mut self) -> Command {
        tokio::time::timeout(DEADLINE, self.pushed.recv()).await.expect("no reply came").expect("open")
    }
}

async fn reply(broker: &TestBroker, code: i32, to: &str) -> Command {
    let mut pairs = vec![("CORRELATION_ID", "cid-1"), ("MSG_TYPE", "reply"), ("MSG_REGION", "elsewhere")];
    if !to.is_empty() {
        pairs.push(("REPLY_TO_CLIENT", to));
    }
    let text = properties(&pairs);
    let send = Send { properties: &text, sys_flag: 1, ..Send::to(REPLY_TOPIC) };
    let mut ext = ExtFields::empty();
    let naming = if code == code::SEND_REPLY_MESSAGE { Naming::Long } else { Naming::Short };
    send.header().encode_named(&mut ext, naming);
    broker.call(code, ext, Bytes::from_static(b"the answer")).await
}

// A reply of either form reaches the client it is for, as it was sent, and a copy is stored; the answer waits for its word.
#[tokio::test]
async fn a_reply_reaches_who_asked() {
    let mut broker = TestBroker::start(&[]).await;
    let (mut asker, mut other) = (Asker::start(&broker, "c1", 0).await, Asker::start(&broker, "c2", 0).await);
    for (n, (code, codec)) in
        [(code::SEND_REPLY_MESSAGE, Codec::Json), (code::SEND_REPLY_MESSAGE_V2, Codec::Binary)].into_iter().enumerate()
    {
        broker.codec = codec;
        let answer = reply(&broker, code, "c1").await;
        assert_eq!((answer.code, answer.remark.as_deref().unwrap_or_default()), (0, ""));
        assert_eq!(answer.ext.get("queueOffset"), Some(n.to_string().as_str()));
        assert_eq!((answer.ext.get("queueId"), answer.ext.get("MSG_REGION")), (Some("0"), Some("DefaultRegion")));
        let pushed = asker.next().await;
        assert_eq!((pushed.code, &pushed.body[..]), (code::PUSH_REPLY_MESSAGE_TO_CLIENT, &b"the answer"[..]));
        let header = PushReply::decode(&pushed.ext).unwrap();
        let text = header.properties.unwrap();
        assert_eq!((header.topic, header.queue_id, header.sys_flag), (REPLY_TOPIC, 0, 1));
        assert_eq!(header.store_host, broker.broker().local_addr().to_string());
        assert_eq!(names::get(text, "CORRELATION_ID"), Some("cid-1"));
        assert_eq!(names::get(text, "MSG_REGION"), Some("DefaultRegion"), "the broker's, not the client's");
        assert!(names::get(text, "PUSH_REPLY_TIME").is_some_and(|time| time.parse::<i64>().is_ok()));
    }
    let stored = broker.pull(REPLY_TOPIC, 0, 0).await;
    assert_eq!(stored.len(), 2);
    assert_eq!((stored[0].body.as_slice(), stored[0].sys_flag), (&b"the answer"[..], 1));
    assert_eq!((stored[0].property("REPLY_TO_CLIENT"), stored[0].property("PUSH_REPLY_TIME")), (Some("c1"), None));
    assert!(other.pushed.try_recv().is_err());
    broker.stop().await;
}

// Who replies learns when nobody took the reply, and why; the copy is stored all the same.
#[tokio::test]
async fn replies_that_nobody_takes() {
    let broker = TestBroker::start(&[]).await;
    let mut asker = Asker::start(&broker, "c1", 1).await;
    let remarks = [
        ("", "reply message properties[REPLY_TO_CLIENT] is null"),
        ("nobody", "push reply message fail, channel of <nobody> not found."),
        ("c1", "push reply message to c1fail."),
    ];
    for (n, (to, remark)) in remarks.into_iter().enumerate() {
        let answer = reply(&broker, code::SEND_REPLY_MESSAGE_V2, to).await;
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some(remark)));
        assert_eq!(answer.ext.get("queueOffset"), Some(n.to_string().as_str()));
    }
    asker.next().await;
    let send = Send::to("unknown");
    let mut ext = ExtFields::empty();
    Send { default_topic: "none", ..send }.header().encode_named(&mut ext, Naming::Short);
    let refused = broker.call(code::SEND_REPLY_MESSAGE_V2, ext, "x").await;
    assert_eq!((refused.code, refused.ext.get("TRACE_ON"), refused.ext.get("msgId")), (17, Some("true"), None));
    let unreadable = broker.call(code::SEND_REPLY_MESSAGE_V2, ExtFields::empty(), "x").await;
    assert_eq!((unreadable.code, unreadable.ext.get("TRACE_ON")), (1, None));
    broker.stop().await;
}

// Without the copy the answer has no id; a client is found as long as it is a producer, and after it came back.
#[tokio::test]
async fn clients_come_and_go() {
    let broker = TestBroker::start(&[("storeReplyMessageEnable", "false")]).await;
    let asker = Asker::start(&broker, "c1", 0).await;
    asker.beat(&broker, "c1", "PG2").await;
    let answer = reply(&broker, code::SEND_REPLY_MESSAGE_V2, "c1").await;
    assert_eq!((answer.code, answer.ext.get("msgId"), answer.ext.get("queueOffset")), (0, Some("0"), Some("0")));
    assert!(broker.pull(REPLY_TOPIC, 0, 0).await.is_empty());
    let leave = |group: &str| ExtFields::from_iter([("clientID", "c1"), ("producerGroup", group)]);
    asker.call(&broker, code::UNREGISTER_CLIENT, leave("PG"), Bytes::new()).await;
    assert_eq!(reply(&broker, code::SEND_REPLY_MESSAGE_V2, "c1").await.code, 0, "it is in another group");
    // The same client over a new connection: the end of the old one takes nothing away.
    let mut again = Asker::start(&broker, "c1", 0).await;
    asker.call(&broker, code::UNREGISTER_CLIENT, leave("PG2"), Bytes::new()).await;
    assert_eq!(reply(&broker, code::SEND_REPLY_MESSAGE_V2, "c1").await.code, 0);
    again.next().await;
    again.call(&broker, code::UNREGISTER_CLIENT, leave("PG"), Bytes::new()).await;
    let gone = reply(&broker, code::SEND_REPLY_MESSAGE_V2, "c1").await;
    assert_eq!((gone.code, gone.ext.get("msgId")), (1, None));
    broker.stop().await;
}
