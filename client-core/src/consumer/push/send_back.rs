//! Giving messages back to the broker: by request, and when that fails, as a new message (client.md 3.12).
use super::core::Core;
use crate::message::{Message, MessageExt};
use crate::route::BrokerRole;
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::code::request;
use ferromq_protocol::headers::ConsumerSendMsgBack;
use ferromq_protocol::properties::{self, Properties};
use ferromq_protocol::{Command, Header};
use std::time::Duration;

/// Budget of the request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts when the option does not say.
const RECONSUME_TIMES: i32 = 16;
/// The first delay level of a retry.
const FIRST_LEVEL: i32 = 3;

/// Sends a message back, so that it comes again after the delay of `level` (0: the broker decides; -1: dead letter).
pub(super) async fn send_back(core: &Core, message: &MessageExt, level: i32) -> Result<(), Error> {
    let Err(error) = ask(core, message, level).await else { return Ok(()) };
    tracing::debug!(group = %core.group, %error, "send-back refused or lost, sending a new message instead");
    let max = core.options.max_reconsume_times.unwrap_or(RECONSUME_TIMES);
    resend(core, message, message.reconsume_times() + 1, max).await
}

async fn ask(core: &Core, message: &MessageExt, level: i32) -> Result<(), Error> {
    let master = core.instance.broker_addr(message.broker_name(), BrokerRole::Master);
    let addr = master.map_or_else(|| message.store_host().to_string(), |found| found.addr.to_string());
    let id = message.message_id();
    let header = ConsumerSendMsgBack {
        offset: message.physical_offset(),
        group: &core.group,
        delay_level: level,
        origin_msg_id: Some(&id),
        origin_topic: Some(message.topic()),
        unit_mode: false,
        max_reconsume_times: Some(core.options.max_reconsume_times.unwrap_or(RECONSUME_TIMES)),
        broker_name: Some(message.broker_name()),
    };
    let command = Command::request(request::CONSUMER_SEND_MSG_BACK, header.to_ext(), Bytes::new());
    core.instance.call_ok(&addr, command, TIMEOUT).await.map(drop)
}

/// Sends a copy of the message to the group's retry topic; the broker delays it, or makes it a dead letter when `times`
/// has reached `max`.
pub(super) async fn resend(core: &Core, message: &MessageExt, times: i32, max: i32) -> Result<(), Error> {
    let Some(producer) = &core.producer else {
        return Err(Error::State { what: "producer of a broadcasting consumer", state: "not there" });
    };
    let mut own = Properties::from_text(message.properties_text());
    let origin = match message.property(properties::ORIGIN_MESSAGE_ID) {
        Some(id) => id.to_owned(),
        None => message.message_id().into_owned(),
    };
    let level = FIRST_LEVEL + message.reconsume_times();
    own.remove(properties::TRANSACTION_PREPARED);
    for (name, value) in [
        (properties::ORIGIN_MESSAGE_ID, origin.as_str()),
        (properties::RETRY_TOPIC, message.topic()),
        (properties::RECONSUME_TIME, &times.to_string()),
        (properties::MAX_RECONSUME_TIMES, &max.to_string()),
        (properties::DELAY, &level.to_string()),
    ] {
        own.set(name, value);
    }
    let mut copy = Message::new(core.retry_topic.as_str(), message.body().clone());
    copy.flag = message.flag();
    copy.properties = own;
    producer.send_within(copy, TIMEOUT).await.map(drop)
}
