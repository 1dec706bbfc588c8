//! What an operator asks of single brokers: configuration, state, groups, who is connected, statistics (broker.md 10).
use super::{unreadable, Admin};
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::body::{
    BrokerStatsData, ConsumeStats, ConsumerConnection, GroupList, KvTable, MessageQueue, ProducerConnection,
    ResetOffsetBody, SubscriptionGroupConfig, TopicConfig, TopicStatsTable,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{
    CreateTopic, DeleteSubscriptionGroup, GetConsumeStats, GetConsumerConnectionList, GetProducerConnectionList,
    ResetOffset, TopicName, UpdateConsumerOffset, ViewBrokerStats,
};
use ferromq_protocol::{java_properties, topic, Command, ExtFields, Header};
use std::collections::BTreeMap;

impl Admin {
    /// What a broker tells of itself: counters, rates, sizes, versions, by name.
    pub async fn broker_status(&self, addr: &str) -> Result<BTreeMap<String, String>, Error> {
        let code = request::GET_BROKER_RUNTIME_INFO;
        let body = self.ask(addr, code, ExtFields::absent()).await?.body;
        Ok(KvTable::decode(&body).map_err(|e| unreadable(addr, code, e))?.table)
    }

    /// All settings of a broker, in its order.
    pub async fn broker_config(&self, addr: &str) -> Result<Vec<(String, String)>, Error> {
        self.properties(addr, request::GET_BROKER_CONFIG).await
    }

    pub(super) async fn properties(&self, addr: &str, code: i32) -> Result<Vec<(String, String)>, Error> {
        let body = self.ask(addr, code, ExtFields::absent()).await?.body;
        java_properties::parse(&String::from_utf8_lossy(&body)).map_err(|e| unreadable(addr, code, e))
    }

    /// Changes a setting of a running broker. Settings that it does not know, and values that do not fit, it ignores.
    pub async fn update_broker_config(&self, addr: &str, name: &str, value: &str) -> Result<(), Error> {
        let body = java_properties::write([(name, value)]);
        self.ask_with(addr, request::UPDATE_BROKER_CONFIG, ExtFields::absent(), body).await.map(drop)
    }

    /// Creates or changes a topic on one broker. Attributes are changes with signs: `+name=value`, `-name`.
    pub async fn put_topic(&self, addr: &str, config: &TopicConfig, attributes: Option<&str>) -> Result<(), Error> {
        let header = CreateTopic {
            topic: &config.topic_name,
            default_topic: topic::AUTO_CREATE,
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_filter_type: config.topic_filter_type.name(),
            topic_sys_flag: Some(config.topic_sys_flag),
            order: config.order,
            attributes,
            force: None,
        };
        self.ask(addr, request::UPDATE_AND_CREATE_TOPIC, header.to_ext()).await.map(drop)
    }

    /// Deletes a topic on one broker; name servers keep its route.
    pub async fn delete_topic_at(&self, addr: &str, name: &str) -> Result<(), Error> {
        self.ask(addr, request::DELETE_TOPIC_IN_BROKER, TopicName { topic: name }.to_ext()).await.map(drop)
    }

    /// Creates or changes a consumer group on one broker.
    pub async fn put_group(&self, addr: &str, group: &SubscriptionGroupConfig) -> Result<(), Error> {
        let code = request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
        self.ask_with(addr, code, ExtFields::absent(), group.encode()).await.map(drop)
    }

    /// Deletes a consumer group on one broker, with its offsets when asked.
    pub async fn delete_group(&self, addr: &str, group: &str, clean_offsets: bool) -> Result<(), Error> {
        let clean = Some(clean_offsets);
        // The releases disagree about the field's name.
        let header = DeleteSubscriptionGroup { group_name: group, clean_offset: clean, remove_offset: clean };
        self.ask(addr, request::DELETE_SUBSCRIPTIONGROUP, header.to_ext()).await.map(drop)
    }

    /// The consumers of a group that are connected to one broker; `None` when there are none.
    pub async fn consumers_at(&self, addr: &str, group: &str) -> Result<Option<ConsumerConnection>, Error> {
        let code = request::GET_CONSUMER_CONNECTION_LIST;
        let ext = GetConsumerConnectionList { consumer_group: group }.to_ext();
        match self.ask(addr, code, ext).await {
            Ok(answer) => ConsumerConnection::decode(&answer.body).map(Some).map_err(|e| unreadable(addr, code, e)),
            Err(error) if error.broker_code() == Some(response::CONSUMER_NOT_ONLINE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The producers of a group that are connected to one broker.
    pub async fn producers_at(&self, addr: &str, group: &str) -> Result<ProducerConnection, Error> {
        let code = request::GET_PRODUCER_CONNECTION_LIST;
        let ext = GetProducerConnectionList { producer_group: group }.to_ext();
        let body = self.ask(addr, code, ext).await?.body;
        ProducerConnection::decode(&body).map_err(|e| unreadable(addr, code, e))
    }

    /// Groups that consume a topic, or did, on one broker.
    pub async fn groups_of_topic(&self, addr: &str, name: &str) -> Result<Vec<String>, Error> {
        let code = request::QUERY_TOPIC_CONSUME_BY_WHO;
        let body = self.ask(addr, code, TopicName { topic: name }.to_ext()).await?.body;
        let list = GroupList::decode(&body).map_err(|e| unreadable(addr, code, e))?;
        Ok(list.group_list.into_iter().collect())
    }

    /// Offsets of a topic's queues on one broker.
    pub async fn topic_stats_at(&self, addr: &str, name: &str) -> Result<TopicStatsTable, Error> {
        let code = request::GET_TOPIC_STATS_INFO;
        let body = self.ask(addr, code, TopicName { topic: name }.to_ext()).await?.body;
        TopicStatsTable::decode(&body).map_err(|e| unreadable(addr, code, e))
    }

    /// How far a group is on one broker.
    pub async fn consume_stats_at(&self, addr: &str, group: &str, name: Option<&str>) -> Result<ConsumeStats, Error> {
        let code = request::GET_CONSUME_STATS;
        let header = GetConsumeStats { consumer_group: group, topic: name, topic_list: None };
        let body = self.ask(addr, code, header.to_ext()).await?.body;
        if body.is_empty() {
            return Ok(ConsumeStats::default());
        }
        ConsumeStats::decode(&body).map_err(|e| unreadable(addr, code, e))
    }

    /// One item of a broker's statistics, such as `TOPIC_PUT_NUMS` of a topic; `None` when it has counted nothing.
    pub async fn broker_stats(&self, addr: &str, item: &str, key: &str) -> Result<Option<BrokerStatsData>, Error> {
        let code = request::VIEW_BROKER_STATS_DATA;
        match self.ask(addr, code, ViewBrokerStats { stats_name: item, stats_key: key }.to_ext()).await {
            Ok(answer) => BrokerStatsData::decode(&answer.body).map(Some).map_err(|e| unreadable(addr, code, e)),
            Err(error) if error.broker_code() == Some(response::SYSTEM_ERROR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves a group to what was stored at a time (milliseconds since 1970; -1 to the end) on one broker; returns the new
    /// offsets.
    pub async fn reset_offsets(
        &self,
        addr: &str,
        group: &str,
        name: &str,
        time: i64,
        force: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, Error> {
        let code = request::INVOKE_BROKER_TO_RESET_OFFSET;
        let header = ResetOffset { topic: name, group, timestamp: time, is_force: force, queue_id: -1, offset: None };
        let body = self.ask(addr, code, header.to_ext()).await?.body;
        Ok(ResetOffsetBody::decode(&body).map_err(|e| unreadable(addr, code, e))?.offset_table)
    }

    /// Moves a group to an offset of one queue on one broker, also under consumers that run; 5.x brokers tell those where to go on.
    pub async fn reset_offset_of_queue(
        &self,
        addr: &str,
        group: &str,
        name: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<(), Error> {
        let commit = UpdateConsumerOffset {
            consumer_group: group,
            topic: name,
            queue_id,
            commit_offset: offset,
            broker_name: None,
        };
        self.ask(addr, request::UPDATE_CONSUMER_OFFSET, commit.to_ext()).await?;
        let header = ResetOffset { topic: name, group, timestamp: 0, is_force: false, queue_id, offset: Some(offset) };
        self.ask(addr, request::INVOKE_BROKER_TO_RESET_OFFSET, header.to_ext()).await.map(drop)
    }

    pub(super) async fn ask_with(
        &self,
        addr: &str,
        code: i32,
        ext: ExtFields,
        body: impl Into<Bytes>,
    ) -> Result<Command, Error> {
        self.instance.call_ok(addr, Command::request(code, ext, body.into()), self.timeout).await
    }
}
