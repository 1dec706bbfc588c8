//! How groups want the messages of a topic, as `mqadmin setConsumeMode` says it (broker.md 9.7). Kept in
//! `messageRequestMode.json` and told to who asks; this broker's queues are shared by the members themselves, who always pull.
//!
//! Lock: one mutex over the table, held for single changes and copies.
use super::changes::File;
use super::{admin, Refusal, Service};
use ferromq_protocol::body::{BodyError, MessageRequestModeTable, SetMessageRequestMode};
use ferromq_protocol::code::response;
use ferromq_protocol::topic;
use parking_lot::Mutex;

/// The table.
#[derive(Default)]
pub struct RequestModes(Mutex<MessageRequestModeTable>);

impl RequestModes {
    /// A copy.
    pub fn table(&self) -> MessageRequestModeTable {
        self.0.lock().clone()
    }

    /// Reads the file.
    pub fn load(&self, json: &[u8]) -> Result<(), BodyError> {
        *self.0.lock() = MessageRequestModeTable::decode(json)?;
        Ok(())
    }

    fn put(&self, wanted: SetMessageRequestMode) {
        let mut table = self.0.lock();
        let groups = table.message_request_mode_map.entry(wanted.topic.clone()).or_default();
        groups.insert(wanted.consumer_group.clone(), wanted);
    }
}

/// SET_MESSAGE_REQUEST_MODE; written when this returns.
pub fn set(service: &Service, wanted: SetMessageRequestMode) -> Result<(), Refusal> {
    if wanted.topic.starts_with(topic::RETRY_PREFIX) {
        return Err(Refusal::new(response::NO_PERMISSION, "retry topic is not allowed to set mode"));
    }
    if !service.topics.contains(&wanted.topic) {
        let remark = format!("topic[{}] not exist", wanted.topic);
        return Err(Refusal::new(response::TOPIC_NOT_EXIST, remark));
    }
    if service.groups.find(&wanted.consumer_group, &service.config()).is_none() {
        return Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group does not exist"));
    }
    tracing::info!(topic = wanted.topic, group = wanted.consumer_group, mode = ?wanted.mode, "request mode set");
    service.request_modes.put(wanted);
    admin::save(service, File::RequestModes)
}
