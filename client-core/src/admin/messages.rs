//! Looking at single messages: by the broker's id, by key, by unique id (client.md 5.1).
use super::Admin;
use crate::consumer::pull::{pull, Pull, PullKind, PullStatus};
use crate::error::Error;
use crate::message::MessageExt;
use ferromq_protocol::body::{MessageQueue, SubscriptionData};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{QueryMessage, ViewMessage};
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::Header;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Most messages a unique id is looked up among.
const UNIQUE_MAX: i32 = 32;
/// The group of administration's own reads; every broker knows it.
const READ_GROUP: &str = "TOOLS_CONSUMER";
/// How far back a unique id is looked for, milliseconds: three days.
const UNIQUE_WINDOW_MS: i64 = 3 * 24 * 3_600_000;

impl Admin {
    /// The message with this id: the broker's (address and log offset), else the producer's unique id of the last three
    /// days. `Ok(None)` when no broker has it.
    pub async fn view_message(&self, topic: &str, message_id: &str) -> Result<Option<MessageExt>, Error> {
        if let Ok(Some(found)) = self.view_by_offset_id(topic, message_id).await {
            return Ok(Some(found));
        }
        let now = crate::platform::now_ms();
        let found = self.query(topic, message_id, UNIQUE_MAX, now - UNIQUE_WINDOW_MS, now + 1000, true).await?;
        Ok(found.into_iter().next())
    }

    async fn view_by_offset_id(&self, topic: &str, id: &str) -> Result<Option<MessageExt>, Error> {
        let id = OffsetMessageId::parse(id).map_err(|e| Error::validation(e.to_string()))?;
        let ext = ViewMessage { topic: Some(topic), offset: id.physical_offset }.to_ext();
        let addr = id.store_host.to_string();
        // The address comes out of the id: only brokers of the topic are asked, never any host somebody names.
        let Some(broker) = self.masters_by_name(topic).await?.into_iter().find(|(_, known)| *known == addr) else {
            return Ok(None);
        };
        let answer = self.ask(&addr, request::VIEW_MESSAGE_BY_ID, ext).await?;
        let mut messages = Vec::new();
        MessageExt::decode_all(&answer.body, &Arc::from(broker.0), &mut messages)?;
        Ok(messages.into_iter().next().filter(|message| message.topic() == topic))
    }

    /// Messages of a topic with this key, stored between two times (milliseconds since 1970), at most `max` per broker,
    /// in the order of their store times.
    pub async fn query_by_key(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        begin: i64,
        end: i64,
    ) -> Result<Vec<MessageExt>, Error> {
        self.query(topic, key, max, begin, end, false).await
    }

    async fn query(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        begin: i64,
        end: i64,
        unique: bool,
    ) -> Result<Vec<MessageExt>, Error> {
        let header = QueryMessage {
            topic,
            key,
            max_num: max,
            begin_timestamp: begin,
            end_timestamp: end,
            unique_key: Some(unique),
            index_type: Some(if unique { "U" } else { "K" }),
        };
        let mut found = Vec::new();
        for (name, addr) in self.masters_by_name(topic).await? {
            match self.ask(&addr, request::QUERY_MESSAGE, header.to_ext()).await {
                Ok(answer) => MessageExt::decode_all(&answer.body, &Arc::from(name), &mut found)?,
                Err(error) if error.broker_code() == Some(response::QUERY_NOT_FOUND) => {}
                Err(error) => return Err(error),
            }
        }
        // The broker's index is by hash: others may be among the answers.
        found.retain(|message: &MessageExt| {
            message.topic() == topic
                && if unique {
                    message.message_id() == key
                } else {
                    message.keys().is_some_and(|keys| keys.split(' ').any(|word| word == key))
                }
        });
        found.sort_by_key(MessageExt::store_timestamp);
        Ok(found)
    }

    /// At most `max` messages of a queue from `offset` on whose tags the expression takes, and where to go on. Reads like a
    /// consumer of the group TOOLS_CONSUMER, which commits nothing.
    pub async fn read(
        &self,
        queue: &MessageQueue,
        offset: i64,
        max: i32,
        expression: &str,
    ) -> Result<(Vec<MessageExt>, i64), Error> {
        let subscription = SubscriptionData::parse_tag(&queue.topic, expression.trim())
            .map_err(|e| Error::validation(e.to_string()))?;
        let addr = self.instance.master_of(queue).await?;
        let ask = Pull {
            group: READ_GROUP,
            queue,
            offset,
            count: max,
            bytes: i32::MAX,
            suspend: Duration::ZERO,
            commit: None,
            subscription: &subscription,
            with_expression: true,
            kind: PullKind::LiteOld,
        };
        let pulled = pull(&self.instance, &addr, &ask).await?;
        let mut found = Vec::new();
        if pulled.status == PullStatus::Found {
            MessageExt::decode_all(&pulled.records, &Arc::from(queue.broker_name.as_str()), &mut found)?;
        }
        Ok((found, pulled.next))
    }

    async fn masters_by_name(&self, topic: &str) -> Result<BTreeMap<String, String>, Error> {
        let route = self.instance.routes().refresh(topic).await?;
        let brokers = route.data().broker_datas.iter();
        Ok(brokers.filter_map(|b| Some((b.broker_name.clone(), b.master()?.to_owned()))).collect())
    }
}
