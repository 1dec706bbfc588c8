//! Heartbeats, membership, notices, locks, and requests that members answer.
use super::rig::{text, Rig, PATIENCE};
use ferromq_protocol::body::{ConsumerIdList, LockBatchRequest, LockBatchResponse, MessageModel, MessageQueue};
use ferromq_protocol::code::request as code;
use ferromq_protocol::headers::GetConsumerListByGroup;
use ferromq_protocol::{Command, Header};
use std::time::Instant;

// A member is listed right after its heartbeat; every change is told to all members; who leaves is not told.
#[tokio::test]
async fn members_share_a_group() {
    let rig = Rig::start().await;
    let (a, b) = (rig.client().await, rig.client().await);
    let answer = a.beat("A", "g", "t", "*", MessageModel::Clustering).await;
    assert_eq!(
        (answer.ext.get("IS_SUPPORT_HEART_BEAT_V2"), answer.ext.get("IS_SUB_CHANGE")),
        (Some("true"), Some("true"))
    );
    let (_, notice) = a.asked().await;
    assert_eq!((notice.code, notice.is_oneway()), (code::NOTIFY_CONSUMER_IDS_CHANGED, true));
    assert_eq!(GetConsumerListByGroup::decode(&notice.ext).unwrap().consumer_group, "g");
    b.beat("B", "g", "t", "*", MessageModel::Clustering).await;
    assert_eq!((a.asked().await.1.code, b.asked().await.1.code), (40, 40));
    let list = a.call(code::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "g")]).await;
    assert_eq!(ConsumerIdList::decode(&list.body).unwrap().consumer_id_list, ["A", "B"]);
    b.call(code::UNREGISTER_CLIENT, &[("clientID", "B"), ("consumerGroup", "g")]).await;
    assert_eq!(a.asked().await.1.code, 40);
    assert!(b.drain().await.is_empty());
    b.beat("B", "g", "t", "*", MessageModel::Clustering).await;
    assert_eq!(a.asked().await.1.code, 40);
    b.close();
    assert_eq!(a.asked().await.1.code, 40);
    let list = a.call(code::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "g")]).await;
    assert_eq!(ConsumerIdList::decode(&list.body).unwrap().consumer_id_list, ["A"]);
    rig.stop().await;
}

// A group without members is not online; its retry topic came with the first heartbeat.
#[tokio::test]
async fn who_is_online() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    let none = client.call(code::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "g")]).await;
    assert_eq!((none.code, none.remark.as_deref()), (1, Some("no consumer for this group, g")));
    assert_eq!(client.call(code::GET_CONSUMER_CONNECTION_LIST, &[("consumerGroup", "g")]).await.code, 206);
    client.beat("A", "g", "t", "x", MessageModel::Clustering).await;
    let online = text(&client.call(code::GET_CONSUMER_CONNECTION_LIST, &[("consumerGroup", "g")]).await);
    assert!(online.contains("\"clientId\":\"A\"") && online.contains("\"subString\":\"x\""), "{online}");
    assert!(rig.broker.service().topics.contains("%RETRY%g"));
    let bad = client.beat("A", "bad group", "t", "x", MessageModel::Clustering).await;
    assert_eq!(bad.code, 0);
    assert_eq!(client.call(code::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "bad group")]).await.code, 1);
    assert_eq!(client.call_body(code::HEART_BEAT, "").await.code, 1);
    assert_eq!(client.call_body(code::HEART_BEAT, "{}").await.code, 0);
    rig.stop().await;
}

// A queue is locked for one client of a group at a time.
#[tokio::test]
async fn queue_locks() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    let request = |client_id: &str, queues: &[i32]| LockBatchRequest {
        client_id: client_id.into(),
        consumer_group: "g".into(),
        mq_set: queues.iter().map(|id| MessageQueue::new("t", "broker-t", *id)).collect(),
        only_this_broker: false,
    };
    let locked = |answer: Command| -> Vec<i32> {
        LockBatchResponse::decode(&answer.body).unwrap().lock_ok_mq_set.iter().map(|queue| queue.queue_id).collect()
    };
    assert_eq!(locked(client.call_body(code::LOCK_BATCH_MQ, request("A", &[0, 1]).encode()).await), [0, 1]);
    assert_eq!(locked(client.call_body(code::LOCK_BATCH_MQ, request("B", &[1, 2]).encode()).await), [2]);
    client.call_body(code::UNLOCK_BATCH_MQ, request("B", &[0]).encode()).await;
    assert!(locked(client.call_body(code::LOCK_BATCH_MQ, request("B", &[0]).encode()).await).is_empty());
    client.call_body(code::UNLOCK_BATCH_MQ, request("A", &[0]).encode()).await;
    assert_eq!(locked(client.call_body(code::LOCK_BATCH_MQ, request("B", &[0]).encode()).await), [0]);
    assert_eq!(client.call_body(code::LOCK_BATCH_MQ, "[1,").await.code, 1);
    rig.stop().await;
}

// What a tool asks of a member is passed on to it, and its answer back as it is.
#[tokio::test]
async fn tools_reach_members() {
    let rig = Rig::start().await;
    let (member, tool) = (rig.client().await, rig.client().await);
    let ask = [("consumerGroup", "g"), ("clientId", "A"), ("jstackEnable", "false")];
    let offline = tool.call(code::GET_CONSUMER_RUNNING_INFO, &ask).await;
    assert_eq!((offline.code, offline.remark.as_deref()), (1, Some("The Consumer <g> <A> not online")));
    member.beat("A", "g", "t", "*", MessageModel::Clustering).await;
    let answering = tokio::spawn({
        let member = member.clone();
        async move {
            loop {
                let (connection, request) = member.asked().await;
                if request.code == code::GET_CONSUMER_RUNNING_INFO {
                    let mut answer = Command::response_to(&request, 7, Some("well".into()));
                    answer.body = "{}".into();
                    return connection.send((&answer).into()).unwrap();
                }
            }
        }
    });
    let before = Instant::now();
    let answer = tool.call(code::GET_CONSUMER_RUNNING_INFO, &ask).await;
    assert_eq!((answer.code, answer.remark.as_deref(), text(&answer).as_str()), (7, Some("well"), "{}"));
    assert!(before.elapsed() < PATIENCE);
    answering.await.unwrap();
    rig.stop().await;
}
