//! A small admin client: topics, offsets, lag, looking at messages (client.md 5).
//!
//! Every call has the budget `timeout` for each server it asks. Nothing is cached but routes and addresses.
mod brokers;
mod messages;
mod names;
mod topics;

use crate::instance::{Boundary, ClientInstance, Identity};
use crate::options::client_builder_methods;
use crate::{ClientOptions, Error};
use bytes::Bytes;
use ferromq_protocol::body::{ClusterInfo, ConsumeStats, MessageQueue, TopicRouteData, TopicStatsTable};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{GetConsumeStats, TopicName};
use ferromq_protocol::{Command, ExtFields, Header};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Budget of one call, as in Java's embedded API.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Asks and changes what brokers and name servers know. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    instance: Arc<ClientInstance>,
    timeout: Duration,
}

/// Builds an [`Admin`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until start() is awaited"]
pub struct AdminBuilder {
    client: ClientOptions,
    timeout: Duration,
}

impl AdminBuilder {
    client_builder_methods!();

    /// Budget of one call. Default 6 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the client on the current tokio runtime. Asks no server yet.
    pub async fn start(self) -> Result<Admin, Error> {
        Ok(Admin { instance: ClientInstance::start(self.client, Identity::default())?, timeout: self.timeout })
    }
}

impl Admin {
    /// Options of an admin client.
    pub fn builder() -> AdminBuilder {
        AdminBuilder { client: ClientOptions::default(), timeout: TIMEOUT }
    }

    /// All brokers of all clusters, as the name server knows them.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, Error> {
        let command = Command::request(request::GET_BROKER_CLUSTER_INFO, ExtFields::absent(), Bytes::new());
        let answer = self.instance.call_name_server("the brokers", command, self.timeout).await?;
        ClusterInfo::decode(&answer.body).map_err(|e| unreadable("a name server", request::GET_BROKER_CLUSTER_INFO, e))
    }

    /// The route of a topic, straight from a name server.
    pub async fn topic_route(&self, topic: &str) -> Result<TopicRouteData, Error> {
        Ok(self.instance.routes().refresh(topic).await?.data().clone())
    }

    /// The offset the next message of the queue will get.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, Error> {
        self.instance.max_offset(queue, self.timeout).await
    }

    /// The smallest offset still there.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, Error> {
        self.instance.min_offset(queue, self.timeout).await
    }

    /// The offset of the message stored around a time, milliseconds since 1970.
    pub async fn search_offset(&self, queue: &MessageQueue, time: i64, boundary: Boundary) -> Result<i64, Error> {
        self.instance.search_offset(queue, time, boundary, self.timeout).await
    }

    /// When the oldest message of the queue was stored, milliseconds since 1970; -1 without messages.
    pub async fn earliest_store_time(&self, queue: &MessageQueue) -> Result<i64, Error> {
        self.instance.earliest_store_time(queue, self.timeout).await
    }

    /// Smallest and next offsets of all queues of a topic, over all its masters.
    pub async fn topic_stats(&self, topic: &str) -> Result<TopicStatsTable, Error> {
        let mut all = TopicStatsTable::default();
        for addr in self.masters_of(topic).await? {
            let ext = TopicName { topic }.to_ext();
            let body = self.ask(&addr, request::GET_TOPIC_STATS_INFO, ext).await?.body;
            let part =
                TopicStatsTable::decode(&body).map_err(|e| unreadable(&addr, request::GET_TOPIC_STATS_INFO, e))?;
            all.offset_table.extend(part.offset_table);
            all.topic_put_tps += part.topic_put_tps;
        }
        Ok(all)
    }

    /// How far a group is, over all masters that have its retry topic or `topic`. [`ConsumeStats::total_lag`] is the
    /// number of messages not consumed yet. A broker that does not know the group adds nothing.
    pub async fn consume_stats(&self, group: &str, topic: Option<&str>) -> Result<ConsumeStats, Error> {
        let retry = ferromq_protocol::topic::retry_topic(group);
        let mut all = ConsumeStats::default();
        for addr in self.masters_of(topic.unwrap_or(&retry)).await? {
            let ext = GetConsumeStats { consumer_group: group, topic, topic_list: None }.to_ext();
            let body = self.ask(&addr, request::GET_CONSUME_STATS, ext).await?.body;
            if body.is_empty() {
                continue;
            }
            let part = ConsumeStats::decode(&body).map_err(|e| unreadable(&addr, request::GET_CONSUME_STATS, e))?;
            all.offset_table.extend(part.offset_table);
            all.consume_tps += part.consume_tps;
        }
        Ok(all)
    }

    /// Messages of `topic` that a group has not consumed yet.
    pub async fn lag(&self, group: &str, topic: &str) -> Result<i64, Error> {
        Ok(self.consume_stats(group, Some(topic)).await?.total_lag())
    }

    /// Closes the connections. A second call does nothing.
    pub async fn shutdown(&self) {
        self.instance.shutdown().await;
    }

    async fn masters_of(&self, topic: &str) -> Result<BTreeSet<String>, Error> {
        let route = self.instance.routes().refresh(topic).await?;
        Ok(route.data().broker_datas.iter().filter_map(|b| b.master().map(str::to_owned)).collect())
    }

    async fn ask(&self, addr: &str, code: i32, ext: ExtFields) -> Result<Command, Error> {
        self.instance.call_ok(addr, Command::request(code, ext, Bytes::new()), self.timeout).await
    }
}

fn unreadable(addr: &str, request: i32, error: impl Display) -> Error {
    Error::Decode { addr: addr.to_owned(), request, reason: error.to_string() }
}
