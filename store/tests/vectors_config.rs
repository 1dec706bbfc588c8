//! The configuration tables that Apache RocketMQ 4.9.7 and 5.4.0 left beside the log: they parse to what the official broker
//! answered, from the file and from its backup, and survive being saved by us.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use ferromq_protocol::body::{
    ConsumerOffsetTable, DelayOffsetTable, SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfig,
    TopicConfigTable, TopicFilterType,
};
use ferromq_store::config_file;
use serde_json::{json, Value};

mod vectors;
use vectors::{Recording, ALL, CLEAN};

/// The group with which the ground truth was read; in crash recordings it came after the copy.
const READER: &str = "GV_TRUTH";

fn topic_value(topic: &TopicConfig) -> Value {
    json!({
        "topicName": topic.topic_name,
        "readQueueNums": topic.read_queue_nums,
        "writeQueueNums": topic.write_queue_nums,
        "perm": topic.perm,
        "topicFilterType": match topic.topic_filter_type {
            TopicFilterType::SingleTag => "SINGLE_TAG",
            TopicFilterType::MultiTag => "MULTI_TAG",
        },
        "topicSysFlag": topic.topic_sys_flag,
        "order": topic.order,
    })
}

fn group_value(group: &SubscriptionGroupConfig) -> Value {
    json!({
        "groupName": group.group_name,
        "consumeEnable": group.consume_enable,
        "consumeFromMinEnable": group.consume_from_min_enable,
        "consumeBroadcastEnable": group.consume_broadcast_enable,
        "retryQueueNums": group.retry_queue_nums,
        "retryMaxTimes": group.retry_max_times,
        "brokerId": group.broker_id,
        "whichBrokerWhenConsumeSlowly": group.which_broker_when_consume_slowly,
        "notifyConsumerIdsChangedEnable": group.notify_consumer_ids_changed_enable,
    })
}

/// By name; every value must have one of its own.
fn by_name(values: impl IntoIterator<Item = Value>, name: &str) -> BTreeMap<String, Value> {
    values.into_iter().map(|value| (value[name].as_str().unwrap().to_owned(), value)).collect()
}

fn topics(path: &Path) -> TopicConfigTable {
    config_file::load_with(path, TopicConfigTable::decode).unwrap().unwrap()
}

fn groups(path: &Path) -> SubscriptionGroupTable {
    config_file::load_with(path, SubscriptionGroupTable::decode).unwrap().unwrap()
}

/// topics.json is exactly the topics the broker named, every field.
#[test]
fn topics_are_those_of_apache() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let table = topics(&recording.root().join("config/topics.json"));
        assert!(table.topic_config_table.iter().all(|(key, topic)| *key == topic.topic_name));
        assert!(table.data_version.counter > 0 && table.data_version.timestamp > 0, "{name}");
        let ours = by_name(table.topic_config_table.values().map(topic_value), "topicName");
        assert_eq!(ours, by_name(recording.facts().topics, "topicName"), "{name}");
    }
}

/// subscriptionGroup.json is exactly the groups the broker named, every field that the official client shows.
#[test]
fn groups_are_those_of_apache() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let table = groups(&recording.root().join("config/subscriptionGroup.json"));
        let mut ours = by_name(table.subscription_group_table.values().map(group_value), "groupName");
        let mut theirs = by_name(recording.facts().groups, "groupName");
        if recording.is_crash() {
            ours.remove(READER);
            theirs.remove(READER);
        }
        assert_eq!(ours, theirs, "{name}");
    }
}

/// consumerOffset.json: missing after the kill of 4.9.7 (an empty table), otherwise exactly the offsets the broker answered.
#[test]
fn consumer_offsets_are_those_of_apache() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let path = recording.root().join("config/consumerOffset.json");
        let table = config_file::load_with(&path, ConsumerOffsetTable::decode).unwrap().unwrap_or_default();
        let facts = recording.facts();
        let text =
            |offsets: &BTreeMap<i32, i64>| offsets.iter().map(|(queue, offset)| (queue.to_string(), *offset)).collect();
        let ours: BTreeMap<String, BTreeMap<String, i64>> =
            table.offset_table.iter().map(|(key, offsets)| (key.clone(), text(offsets))).collect();
        assert_eq!(ours, facts.consumer_offsets, "{name}");
        let body = ConsumerOffsetTable::decode(facts.consumer_offset_body.as_bytes()).unwrap();
        assert_eq!(body.offset_table, table.offset_table, "{name}");
    }
}

/// delayOffset.json is what the broker answered; after a kill it may be older, never ahead.
#[test]
fn delay_offsets_are_those_of_apache() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let path = recording.root().join("config/delayOffset.json");
        let ours = config_file::load_with(&path, DelayOffsetTable::decode).unwrap().unwrap_or_default().offset_table;
        let theirs = DelayOffsetTable::decode(recording.facts().delay_offset_body.as_bytes()).unwrap().offset_table;
        if recording.is_crash() {
            assert!(
                ours.iter().all(|(level, offset)| theirs.get(level).is_some_and(|theirs| offset <= theirs)),
                "{name}"
            );
        } else {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

/// A damaged file gives way to the backup that Apache wrote.
#[test]
fn backups_of_apache_are_used() {
    for name in CLEAN {
        let config = Recording::unpack(name);
        let path = config.root().join("config/topics.json");
        let backup =
            TopicConfigTable::decode(&std::fs::read(config.root().join("config/topics.json.bak")).unwrap()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(topics(&path).topic_config_table, backup.topic_config_table, "{name}");
    }
}

/// What we save in the place of Apache's files reads back the same, and theirs becomes the backup.
#[test]
fn saved_tables_read_back_the_same() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let path = recording.root().join("config/topics.json");
        let (table, theirs) = (topics(&path), std::fs::read(&path).unwrap());
        config_file::save(&path, &table.encode()).unwrap();
        assert_eq!(topics(&path), table, "{name}");
        assert_eq!(std::fs::read(recording.root().join("config/topics.json.bak")).unwrap(), theirs, "{name}");
        let path = recording.root().join("config/subscriptionGroup.json");
        let table = groups(&path);
        config_file::save(&path, &table.encode()).unwrap();
        assert_eq!(groups(&path), table, "{name}");
    }
}
