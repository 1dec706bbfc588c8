//! The rules of the tables, without sockets and clocks.
use super::*;
use ferromq_protocol::body::{TopicConfig, TopicConfigTable};
use proptest::prelude::*;

fn version(counter: i64) -> DataVersion {
    DataVersion { counter, state_version: 0, timestamp: 7 }
}

/// A registration of `addr` as `name`/`id` with the topics, on a connection of its own.
fn registration<'a>(name: &'a str, id: i64, addr: &'a str, topics: &[&str], counter: i64) -> Registration<'a> {
    let table = topics.iter().map(|t| ((*t).to_owned(), TopicConfig::new(*t, 4))).collect();
    Registration {
        cluster: "c",
        broker_name: name,
        broker_id: id,
        broker_addr: addr,
        ha_server_addr: "ha",
        zone: None,
        timeout_ms: None,
        enable_acting_master: None,
        topics: TopicConfigTable {
            data_version: version(counter),
            topic_config_table: table,
            ..TopicConfigTable::default()
        },
        connection: 1,
        delete_missing_topics: false,
    }
}

fn route(tables: &Tables, topic: &str) -> Option<String> {
    let options = RouteOptions::default();
    let fresh = tables.route_data(topic, &options).map(|route| route.encode(false));
    let answer = tables.route(topic, &options);
    assert_eq!(answer.as_deref(), fresh.as_ref(), "a kept route is the present one");
    answer.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn perm(tables: &Tables, topic: &str) -> i32 {
    tables.route_data(topic, &RouteOptions::default()).unwrap().queue_datas[0].perm
}

#[test]
fn a_single_topic_of_an_unknown_broker_is_rejected_and_leaves_nothing() {
    let mut tables = Tables::default();
    assert_eq!(tables.register(&registration("b", 0, "a:1", &["T"], 1), 0), Err(Rejected));
    assert_eq!(tables.cluster_info(), Default::default());
    tables.register(&registration("b", 0, "a:1", &["T", "U"], 1), 0).unwrap();
    tables.register(&registration("b", 0, "a:1", &["V"], 2), 0).unwrap();
    assert_eq!(tables.all_topics().topic_list, ["T", "U", "V"]);
}

#[test]
fn an_address_held_with_a_newer_state_is_not_replaced() {
    let mut tables = Tables::default();
    let mut first = registration("b", 0, "a:1", &["T", "U"], 1);
    first.topics.data_version.state_version = 5;
    tables.register(&first, 0).unwrap();
    tables.register(&registration("b", 0, "a:2", &["T", "U"], 9), 0).unwrap();
    assert!(route(&tables, "T").unwrap().contains("a:1"));
    let mut newer = registration("b", 0, "a:2", &["T", "U"], 9);
    newer.topics.data_version.state_version = 6;
    tables.register(&newer, 0).unwrap();
    assert!(route(&tables, "T").unwrap().contains("a:2"));
}

#[test]
fn a_slave_learns_its_master_and_brings_no_topics() {
    let mut tables = Tables::default();
    tables.register(&registration("b", 0, "a:1", &["T", "U"], 1), 0).unwrap();
    let answer = tables.register(&registration("b", 1, "a:2", &["X", "Y"], 1), 0).unwrap();
    assert_eq!((answer.ha_server_addr.as_deref(), answer.master_addr.as_deref()), (Some("ha"), Some("a:1")));
    assert_eq!(tables.all_topics().topic_list, ["T", "U"]);
}

// The lowest slave of a group that allows it registers topics, which cannot be written; a query can get it as master.
#[test]
fn an_acting_master_is_offered_when_asked_for() {
    let mut tables = Tables::default();
    let mut slave = registration("b", 2, "a:2", &["T", "U"], 1);
    slave.enable_acting_master = Some(true);
    tables.register(&slave, 0).unwrap();
    assert_eq!(perm(&tables, "T"), 4);
    let options = RouteOptions { acting_master: true, ..RouteOptions::default() };
    assert_eq!(tables.route_data("T", &options).unwrap().broker_datas[0].master(), Some("a:2"));
    assert_eq!(tables.route_data("T", &RouteOptions::default()).unwrap().broker_datas[0].master(), None);
}

// What is kept of routes belongs to topics that exist: whoever asks for others leaves nothing behind.
#[test]
fn routes_are_kept_of_known_topics_only() {
    let mut tables = Tables::default();
    tables.register(&registration("b", 0, "a:1", &["T", "U"], 1), 0).unwrap();
    assert!(["T", "T", "V", "W"].map(|topic| route(&tables, topic).is_some()) == [true, true, false, false]);
    let kept = |topic: &str| tables.topics.get(topic).map(|topic| topic.encoded(false).get().is_some());
    assert_eq!([kept("T"), kept("U"), kept("V")], [Some(true), Some(false), None]);
}

// Silence is measured per broker, and any sign of life counts.
#[test]
fn silent_brokers_expire() {
    let mut tables = Tables::default();
    let mut quick = registration("quick", 0, "a:1", &["T", "U"], 1);
    (quick.timeout_ms, quick.connection) = (Some(100), 11);
    tables.register(&quick, 0).unwrap();
    tables.register(&registration("slow", 0, "a:2", &["T", "U"], 1), 0).unwrap();
    assert!(tables.heartbeat("c", "a:1", 90));
    assert!(!tables.heartbeat("c", "a:3", 90));
    assert!(tables.expire(190).0.is_empty());
    assert_eq!(tables.expire(191).0, [11].into());
    assert!(!route(&tables, "T").unwrap().contains("quick"));
    assert!(tables.expire(120_000).0.is_empty());
    assert_eq!(tables.expire(120_001).0, [1].into());
    assert_eq!(tables.cluster_info(), Default::default());
}

// Only what was last registered on the connection that closed goes.
#[test]
fn a_closed_connection_takes_its_brokers_along() {
    let mut tables = Tables::default();
    tables.register(&registration("b", 0, "a:1", &["T", "U"], 1), 0).unwrap();
    let mut again = registration("b", 0, "a:1", &["T", "U"], 1);
    again.connection = 2;
    tables.register(&again, 0).unwrap();
    tables.connection_closed(1);
    assert!(route(&tables, "T").is_some());
    tables.connection_closed(2);
    assert!(route(&tables, "T").is_none());
}

#[test]
fn the_group_is_told_of_a_new_lowest_id() {
    let mut tables = Tables::default();
    for (id, addr) in [(0, "a:0"), (1, "a:1"), (2, "a:2")] {
        let mut broker = registration("b", id, addr, &["T", "U"], 1);
        (broker.enable_acting_master, broker.connection) = (Some(true), id as u64);
        assert_eq!(tables.register(&broker, 0).unwrap().min_change, None);
    }
    assert_eq!(tables.unregister("c", "b", "a:2"), None);
    let change = tables.unregister("c", "b", "a:0").unwrap();
    assert_eq!((change.min_broker_id, change.offline_broker_addr.as_deref()), (1, Some("a:0")));
    assert_eq!(change.tell, [1]);
    assert_eq!(perm(&tables, "T"), 4, "a group without master is not written to");
    let mut back = registration("b", 0, "a:0", &["T", "U"], 2);
    back.enable_acting_master = Some(true);
    let change = tables.register(&back, 0).unwrap().min_change.unwrap();
    assert_eq!((change.min_broker_id, change.tell), (0, vec![1]));
    assert_eq!(perm(&tables, "T"), 6);
}

#[test]
fn registrations_remove_topics_only_when_told_to() {
    let mut tables = Tables::default();
    tables.register(&registration("b", 0, "a:1", &["T", "U", "V"], 1), 0).unwrap();
    tables.register(&registration("b", 0, "a:1", &["T", "U"], 2), 0).unwrap();
    assert!(route(&tables, "V").is_some());
    let mut exact = registration("b", 0, "a:1", &["T", "U"], 3);
    exact.delete_missing_topics = true;
    tables.register(&exact, 0).unwrap();
    assert!(route(&tables, "V").is_none() && route(&tables, "T").is_some());
}

#[derive(Debug, Clone)]
enum Step {
    Register { broker: usize, id: i64, topics: usize, counter: i64 },
    Unregister { broker: usize, id: i64 },
    Wipe(usize),
    Add(usize),
    Delete { topic: usize, cluster: bool },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 0..2i64, 0..4usize, 0..4i64)
            .prop_map(|(broker, id, topics, counter)| Step::Register { broker, id, topics, counter }),
        2 => (0..3usize, 0..2i64).prop_map(|(broker, id)| Step::Unregister { broker, id }),
        1 => (0..3usize).prop_map(Step::Wipe),
        1 => (0..3usize).prop_map(Step::Add),
        1 => (0..4usize, any::<bool>()).prop_map(|(topic, cluster)| Step::Delete { topic, cluster }),
        1 => Just(Step::Expire),
    ]
}

const NAMES: [&str; 3] = ["b0", "b1", "b2"];
const TOPICS: [&str; 4] = ["T0", "T1", "T2", "T3"];

fn apply(tables: &mut Tables, step: &Step, now: i64) {
    match step {
        Step::Register { broker, id, topics, counter } => {
            let addr = format!("h:{broker}{id}");
            let _ = tables.register(&registration(NAMES[*broker], *id, &addr, &TOPICS[..*topics], *counter), now);
        }
        Step::Unregister { broker, id } => {
            tables.unregister("c", NAMES[*broker], &format!("h:{broker}{id}"));
        }
        Step::Wipe(broker) => drop(tables.wipe_write_permission(NAMES[*broker])),
        Step::Add(broker) => drop(tables.add_write_permission(NAMES[*broker])),
        Step::Delete { topic, cluster } => tables.delete_topic(TOPICS[*topic], cluster.then_some("c")),
        Step::Expire => drop(tables.expire(now - 60_000)),
    }
}

proptest! {
    // Whatever happens, kept routes are the present ones and the tables agree with each other.
    #[test]
    fn tables_stay_consistent(steps in prop::collection::vec(step(), 1..40)) {
        let mut tables = Tables::default();
        for (at, step) in steps.iter().enumerate() {
            apply(&mut tables, step, at as i64 * 10_000);
            for topic in TOPICS {
                route(&tables, topic);
            }
            let info = tables.cluster_info();
            let named: BTreeSet<&String> = info.cluster_addr_table.values().flatten().collect();
            prop_assert_eq!(named, info.broker_addr_table.keys().collect::<BTreeSet<_>>());
            prop_assert!(info.broker_addr_table.values().all(|broker| !broker.broker_addrs.is_empty()));
            prop_assert!(tables.topics.values().all(|topic| !topic.queues().is_empty()));
            prop_assert!(tables.topics.values().flat_map(|topic| topic.queues().keys()).all(|name| tables.brokers.contains_key(name)));
        }
    }
}
