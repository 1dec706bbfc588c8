//! Administration of topics, groups and configuration (broker.md 10.1).
//!
//! These functions may take as long as a write to disk: changes are saved before they return, so that what was answered
//! survives a kill. Call them from a thread that may wait.
use super::changes::File;
use super::{attributes, clock, names, persist, Refusal, Service};
use crate::config::{properties, ConfigError};
use ferromq_protocol::body::{SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfig};
use ferromq_protocol::code::response;
use std::collections::BTreeMap;

/// Queues of a topic at most; a topic with more is refused. Statistics have a line per queue, which must not fill the memory.
const QUEUES_MAX: i32 = 65_536;

/// Creates or changes topics: all of them, or none when one is refused. Their attributes are changes with signs.
pub fn put_topics(service: &Service, wanted: Vec<TopicConfig>) -> Result<(), Refusal> {
    let config = service.config();
    for topic in &wanted {
        names::check_topic(&topic.topic_name)?;
        if config.validate_system_topic_when_update_topic {
            refuse_system(service, &topic.topic_name)?;
        }
        let queues = topic.read_queue_nums.max(topic.write_queue_nums);
        if queues > QUEUES_MAX {
            let remark = format!("topic {} with {queues} queues: there may be {QUEUES_MAX} at most", topic.topic_name);
            return Err(Refusal::new(response::INVALID_PARAMETER, remark));
        }
        if topic.attributes.get("+message.type").is_some_and(|t| t == "MIXED") && !config.enable_mixed_message_type {
            return Err(Refusal::new(response::INVALID_PARAMETER, "MIXED message type is not supported."));
        }
    }
    let mut changed = Vec::with_capacity(wanted.len());
    for mut topic in wanted {
        let current = service.topics.get(&topic.topic_name);
        let result = attributes::apply(current.as_ref().map(|c| &c.attributes), &topic.attributes);
        topic.attributes = result.map_err(Refusal::system_error)?;
        if current.is_none_or(|current| **current != topic) {
            changed.push(topic);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    for topic in &changed {
        if attributes::is_batch(&topic.attributes) {
            service.store.set_batch_topic(&topic.topic_name);
        }
        tracing::info!(
            topic = topic.topic_name,
            queues = topic.write_queue_nums,
            perm = topic.perm,
            "topic set by administration"
        );
    }
    service.topics.put_all(changed);
    save(service, File::Topics)
}

fn refuse_system(service: &Service, topic: &str) -> Result<(), Refusal> {
    if service.topics.is_system(topic) {
        let remark = format!("The topic[{topic}] is conflict with system topic.");
        return Err(Refusal::new(response::INVALID_PARAMETER, remark));
    }
    Ok(())
}

/// Deletes a topic with its messages and offsets. A topic that does not exist is no error.
pub fn delete_topic(service: &Service, topic: &str) -> Result<(), Refusal> {
    if topic.trim().is_empty() {
        return Err(Refusal::new(response::INVALID_PARAMETER, "The specified topic is blank."));
    }
    refuse_system(service, topic)?;
    let existed = service.topics.remove(topic);
    service.offsets.remove_topic(topic);
    if let Err(error) = service.store.remove_topic(topic) {
        tracing::error!(topic, %error, "the files of a deleted topic could not be removed");
    }
    tracing::info!(topic, existed, "topic deleted by administration");
    save(service, File::Topics)
}

/// Creates or changes groups: all of them, or none when one is refused.
pub fn put_groups(service: &Service, mut wanted: Vec<SubscriptionGroupConfig>) -> Result<(), Refusal> {
    for group in &mut wanted {
        names::check_group(&group.group_name)?;
        // No attribute of groups is known; Java throws.
        if let Some(key) = group.attributes.keys().next() {
            return Err(Refusal::thrown(format!("unsupported key: {}", key.trim_start_matches(['+', '-']))));
        }
        if let Some(current) = service.groups.get(&group.group_name) {
            group.attributes.clone_from(&current.attributes);
        }
    }
    service.groups.put_all(wanted);
    save(service, File::Groups)
}

/// Deletes a group, with its offsets when asked. A group that does not exist is no error.
pub fn delete_group(service: &Service, group: &str, clean_offsets: bool) -> Result<(), Refusal> {
    let existed = service.groups.remove(group);
    if clean_offsets {
        service.offsets.remove_group(group);
    }
    tracing::info!(group, existed, clean_offsets, "group deleted by administration");
    save(service, File::Groups)
}

/// A page of the topic table, sorted by name, with the number of all topics.
pub fn topics(service: &Service, skip: usize, most: usize) -> (BTreeMap<String, TopicConfig>, usize) {
    let (all, _) = service.topics.all();
    let total = all.len();
    (all.into_iter().skip(skip).take(most).map(|(n, c)| (n, TopicConfig::clone(&c))).collect(), total)
}

/// A page of the group table, sorted by name, with the number of all groups.
pub fn groups(service: &Service, skip: usize, most: usize) -> (SubscriptionGroupTable, usize) {
    let mut all = service.groups.all();
    let total = all.subscription_group_table.len();
    all.subscription_group_table = all.subscription_group_table.into_iter().skip(skip).take(most).collect();
    (all, total)
}

/// Applies the text of a properties file. Values that do not fit and unknown names are dropped with a log line, as the
/// reference does; properties that a running broker cannot change take effect at the next start.
pub fn update_config(service: &Service, text: &str) -> Result<(), Refusal> {
    let pairs = properties::parse(text).map_err(|_| Refusal::system_error("string2Properties error"))?;
    let config = service.config();
    let black_list: Vec<&str> = config.config_black_list.split(';').map(str::trim).collect();
    if pairs.iter().any(|(name, _)| black_list.contains(&name.as_str()) || name == "configBlackList") {
        return Err(Refusal::new(response::NO_PERMISSION, "Can not update config in black list."));
    }
    let mut accepted = Vec::new();
    for (name, value) in pairs {
        let value = value.trim().to_owned();
        match apply_one(service, &name, &value) {
            Ok(()) => accepted.push((name, value)),
            Err(error) => tracing::warn!(%error, "property not changed"),
        }
    }
    if config.broker_permission != service.config().broker_permission {
        service.topics.touch();
        service.changes.all_topics();
    }
    write_back(&config.broker_config_path, &accepted);
    Ok(())
}

fn apply_one(service: &Service, name: &str, value: &str) -> Result<(), ConfigError> {
    let reloadable = crate::config::BrokerConfig::property(name).is_some_and(|p| p.traits.reloadable);
    if reloadable {
        service.live_config.change(|config| config.set(name, value))?;
        tracing::info!(name, value, "property changed");
        return Ok(());
    }
    // Checked on a copy: the running values stay.
    crate::config::BrokerConfig::clone(&service.config()).set(name, value)?;
    tracing::warn!(name, value, "property takes effect at the next start");
    Ok(())
}

/// Writes changed properties into the file the broker was started with.
fn write_back(path: &str, changes: &[(String, String)]) {
    if path.is_empty() || changes.is_empty() {
        return;
    }
    let path = std::path::Path::new(path);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let changed = properties::with_changes(&text, changes);
    if let Err(error) = ferromq_store::config_file::save(path, changed.as_bytes()) {
        tracing::error!(%error, "changed properties could not be written to the configuration file");
    }
}

/// All properties as `key=value` lines.
pub fn config_text(service: &Service) -> String {
    ferromq_protocol::settings::text(&service.config().entries())
}

/// Writes a file that administration changed.
pub(super) fn save(service: &Service, file: File) -> Result<(), Refusal> {
    persist::save(service, file).map_err(|error| {
        tracing::error!(%error, at = clock::now_ms(), "a change by administration could not be saved");
        Refusal::system_error(error.to_string())
    })
}
