//! Requests every object needs: offsets of queues, members of a group. One function per request code (wire.md 4.2).
use super::ClientInstance;
use crate::error::Error;
use crate::route::BrokerRole;
use bytes::Bytes;
use ferromq_protocol::body::{ConsumerIdList, MessageQueue};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{
    EarliestStoreTime, EarliestStoreTimeResponse, GetConsumerListByGroup, GetMaxOffset, GetMinOffset, OffsetResponse,
    SearchOffset,
};
use ferromq_protocol::{Command, ExtFields, Header};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Which message of several with a fitting store time is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// The first one stored at or after the time.
    #[default]
    Lower,
    /// The last one stored at or before the time.
    Upper,
}

impl ClientInstance {
    /// The master of a queue's broker; its route is asked for when the broker is unknown.
    pub async fn master_of(&self, queue: &MessageQueue) -> Result<Arc<str>, Error> {
        self.master_until(queue, crate::platform::after(self.options.api_timeout)).await
    }

    /// The same with an end of its own, if that is earlier.
    pub(crate) async fn master_until(&self, queue: &MessageQueue, deadline: Instant) -> Result<Arc<str>, Error> {
        if let Some(master) = self.broker_addr(&queue.broker_name, BrokerRole::Master) {
            return Ok(master.addr);
        }
        self.routes.refresh_until(&queue.topic, deadline).await?;
        let master = self.broker_addr(&queue.broker_name, BrokerRole::Master);
        master.map(|found| found.addr).ok_or_else(|| Error::NoBroker {
            broker: queue.broker_name.clone(),
            role: "master",
            topic: queue.topic.clone(),
        })
    }

    async fn ask_master(&self, queue: &MessageQueue, code: i32, ext: ExtFields, t: Duration) -> Result<Asked, Error> {
        let addr = self.master_of(queue).await?;
        let answer = self.call_ok(&addr, Command::request(code, ext, Bytes::new()), t).await?;
        Ok(Asked { addr, code, answer })
    }

    /// The offset the next message of the queue will get.
    pub async fn max_offset(&self, queue: &MessageQueue, timeout: Duration) -> Result<i64, Error> {
        let header = GetMaxOffset {
            topic: &queue.topic,
            queue_id: queue.queue_id,
            committed: true,
            broker_name: Some(&queue.broker_name),
        };
        self.ask_master(queue, request::GET_MAX_OFFSET, header.to_ext(), timeout).await?.offset()
    }

    /// The smallest offset still there.
    pub async fn min_offset(&self, queue: &MessageQueue, timeout: Duration) -> Result<i64, Error> {
        let header =
            GetMinOffset { topic: &queue.topic, queue_id: queue.queue_id, broker_name: Some(&queue.broker_name) };
        self.ask_master(queue, request::GET_MIN_OFFSET, header.to_ext(), timeout).await?.offset()
    }

    /// The offset of the message that was stored around `store_time`, milliseconds since 1970.
    pub async fn search_offset(
        &self,
        queue: &MessageQueue,
        store_time: i64,
        boundary: Boundary,
        timeout: Duration,
    ) -> Result<i64, Error> {
        let header = SearchOffset {
            topic: &queue.topic,
            queue_id: queue.queue_id,
            timestamp: store_time,
            boundary_type: if boundary == Boundary::Lower { "LOWER" } else { "UPPER" },
            broker_name: Some(&queue.broker_name),
        };
        self.ask_master(queue, request::SEARCH_OFFSET_BY_TIMESTAMP, header.to_ext(), timeout).await?.offset()
    }

    /// When the oldest message of the queue was stored, milliseconds since 1970; -1 without messages.
    pub async fn earliest_store_time(&self, queue: &MessageQueue, timeout: Duration) -> Result<i64, Error> {
        let header =
            EarliestStoreTime { topic: &queue.topic, queue_id: queue.queue_id, broker_name: Some(&queue.broker_name) };
        let asked = self.ask_master(queue, request::GET_EARLIEST_MSG_STORETIME, header.to_ext(), timeout).await?;
        let answer = EarliestStoreTimeResponse::decode(&asked.answer.ext).map_err(|e| asked.unreadable(e))?;
        Ok(answer.timestamp)
    }

    /// The client ids of a group's members, sorted. Any broker of the topic can tell; the next is asked when one fails.
    pub async fn consumer_ids(&self, group: &str, topic: &str) -> Result<Vec<String>, Error> {
        let route = self.routes.get(topic).await?;
        let brokers = &route.data().broker_datas;
        let start = crate::platform::random() as usize % brokers.len().max(1);
        let mut last = None;
        for step in 0..brokers.len() {
            let broker = &brokers[(start + step) % brokers.len()];
            let Some(found) = self.broker_addr(&broker.broker_name, BrokerRole::Replica(0)) else { continue };
            match self.consumer_ids_at(&found.addr, group).await {
                Ok(ids) => return Ok(ids),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::NoBroker {
            broker: "any".to_owned(),
            role: "usable",
            topic: topic.to_owned(),
        }))
    }

    async fn consumer_ids_at(&self, addr: &Arc<str>, group: &str) -> Result<Vec<String>, Error> {
        let code = request::GET_CONSUMER_LIST_BY_GROUP;
        let ext = GetConsumerListByGroup { consumer_group: group }.to_ext();
        let answer = self.call_ok(addr, Command::request(code, ext, Bytes::new()), self.options.api_timeout).await?;
        let asked = Asked { addr: addr.clone(), code, answer };
        let list = ConsumerIdList::decode(&asked.answer.body).map_err(|e| asked.unreadable(e))?;
        let mut ids = list.consumer_id_list;
        ids.sort();
        Ok(ids)
    }
}

/// An answer with code 0 and where it came from.
struct Asked {
    addr: Arc<str>,
    code: i32,
    answer: Command,
}

impl Asked {
    fn offset(&self) -> Result<i64, Error> {
        OffsetResponse::decode(&self.answer.ext).map(|header| header.offset).map_err(|e| self.unreadable(e))
    }

    fn unreadable(&self, error: impl Display) -> Error {
        Error::Decode { addr: self.addr.to_string(), request: self.code, reason: error.to_string() }
    }
}
