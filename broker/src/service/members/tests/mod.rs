//! Tests of the member tables with links that note what they are told.
use super::*;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct Link {
    id: u64,
    told: Mutex<Vec<String>>,
    closed: AtomicBool,
}

impl ClientLink for Link {
    fn id(&self) -> u64 {
        self.id
    }
    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 5000 + self.id as u16))
    }
    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }
    fn notify_group_changed(&self, group: &str) {
        self.told.lock().push(group.to_owned());
    }
    fn check_transaction(&self, _check: &crate::service::transaction::CheckRequest<'_>) -> bool {
        false
    }
    fn close(&self, _reason: &str) {
        self.closed.store(true, Ordering::SeqCst);
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Link {
    fn take_told(&self) -> usize {
        std::mem::take(&mut *self.told.lock()).len()
    }
}

fn caller(id: u64) -> (Caller, Arc<Link>) {
    let link = Arc::new(Link { id, ..Link::default() });
    let peer = link.peer();
    (
        Caller { peer, language: language::JAVA, version: 479, link: Some(Arc::clone(&link) as Arc<dyn ClientLink>) },
        link,
    )
}

fn data(topics: &[(&str, i64)], model: MessageModel) -> ConsumerData {
    let subscription = |(topic, sub_version): &(&str, i64)| SubscriptionData {
        sub_version: *sub_version,
        ..SubscriptionData::parse_tag(topic, "*").unwrap()
    };
    ConsumerData {
        group_name: "g".into(),
        message_model: model,
        subscription_data_set: topics.iter().map(subscription).collect(),
        ..ConsumerData::default()
    }
}

fn register(members: &Members, caller: &Caller, client_id: &str, data: &ConsumerData, now_ms: i64) -> bool {
    let registration = Registration { client_id, data, without_subscriptions: false, notify: true };
    members.register_consumer(caller, &registration, now_ms)
}

// Every change of members is told to all of them, a mere refresh to nobody, and the leaver is not told.
#[test]
fn members_hear_of_each_other() {
    let members = Members::new();
    let ((a, link_a), (b, link_b)) = (caller(1), caller(2));
    let data = data(&[("t", 1)], MessageModel::Clustering);
    assert!(register(&members, &a, "A", &data, 0));
    assert!(register(&members, &b, "B", &data, 0) && !register(&members, &a, "A", &data, 1));
    assert_eq!((link_a.take_told(), link_b.take_told()), (2, 1));
    assert_eq!(members.client_ids("g").into_iter().collect::<Vec<_>>(), ["A", "B"]);
    members.unregister_consumer(2, "g", true);
    assert_eq!((link_a.take_told(), link_b.take_told()), (1, 0));
    members.closed(1, true);
    assert!(members.client_ids("g").is_empty() && members.consumer_connections("g").is_none());
    assert!(members.0.read().links.is_empty());
}

// Broadcasting members share nothing and are not told; nor is anyone when the group does not want it.
#[test]
fn nobody_is_told_without_need() {
    let members = Members::new();
    let ((a, link_a), (b, link_b)) = (caller(1), caller(2));
    let broadcasting = data(&[("t", 1)], MessageModel::Broadcasting);
    register(&members, &a, "A", &broadcasting, 0);
    register(&members, &b, "B", &broadcasting, 0);
    members.closed(2, true);
    assert_eq!((link_a.take_told(), link_b.take_told()), (0, 0));
    let data = data(&[("t", 1)], MessageModel::Clustering);
    let registration = Registration { client_id: "B", data: &data, without_subscriptions: false, notify: false };
    assert!(members.register_consumer(&b, &registration, 0));
    assert_eq!(link_a.take_told(), 0);
}

// New and missing topics are changes; a newer version of a subscription replaces the old one without being one.
#[test]
fn subscriptions_follow_the_last_heartbeat() {
    let members = Members::new();
    let (a, _link) = caller(1);
    let model = MessageModel::Clustering;
    register(&members, &a, "A", &data(&[("t", 5), ("u", 5)], model), 0);
    assert!(!register(&members, &a, "A", &data(&[("t", 4), ("u", 6)], model), 0));
    assert_eq!(members.subscription("g", "t").unwrap().sub_version, 5);
    assert_eq!(members.subscription("g", "u").unwrap().sub_version, 6);
    assert!(register(&members, &a, "A", &data(&[("t", 5)], model), 0));
    assert!(members.subscription("g", "u").is_none() && members.view("g", "t").is_some());
    let short = ConsumerData { subscription_data_set: Vec::new(), ..data(&[], model) };
    let registration = Registration { client_id: "A", data: &short, without_subscriptions: true, notify: true };
    assert!(!members.register_consumer(&a, &registration, 0));
    assert!(members.subscription("g", "t").is_some());
    assert_eq!(members.groups_subscribed("t").len(), 1);
}

// A changed fingerprint is noticed once; the first one is no change.
#[test]
fn fingerprints() {
    let members = Members::new();
    assert!(!members.fingerprint("g", 77) && !members.fingerprint("g", 77));
    assert!(members.fingerprint("g", 78) && !members.fingerprint("g", 78));
}

// A silent client is dropped from every group and its connection closed; others stay.
#[test]
fn silence_ends_a_membership() {
    let members = Members::new();
    let ((a, link_a), (b, link_b)) = (caller(1), caller(2));
    register(&members, &a, "A", &data(&[("t", 1)], MessageModel::Clustering), 0);
    register(&members, &b, "B", &data(&[("t", 1)], MessageModel::Clustering), 500);
    members.register_producer(&a, "p", "A", 0);
    assert_eq!(members.expire(1000, 1000), 0);
    assert_eq!(members.expire(1001, 1000), 1);
    assert!(!link_a.is_open() && link_b.is_open());
    assert_eq!(members.client_ids("g").into_iter().collect::<Vec<_>>(), ["B"]);
    assert!(members.producers("p").is_empty() && members.producer_connections("p").is_none());
}

// One connection has one id per group: the last one it gave.
#[test]
fn a_new_id_on_the_same_connection_replaces_the_old_one() {
    let members = Members::new();
    let (a, _link) = caller(1);
    let data = data(&[("t", 1)], MessageModel::Clustering);
    register(&members, &a, "A", &data, 0);
    assert!(!register(&members, &a, "A2", &data, 0));
    assert_eq!(members.client_ids("g").into_iter().collect::<Vec<_>>(), ["A2"]);
    assert!(members.consumer("g", "A").is_none() && members.consumer("g", "A2").is_some());
}
