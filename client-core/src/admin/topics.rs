//! Creating, deleting and listing topics.
use super::{unreadable, Admin};
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::body::{TopicConfig, TopicList};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::TopicName;
use ferromq_protocol::{topic, Command, ExtFields, Header};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks whether a new topic has reached the name server.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Admin {
    /// Creates a topic with `queues` queues on every master of every cluster, or changes it to that, and waits until the
    /// name server has its route.
    pub async fn create_topic(&self, topic: &str, queues: i32) -> Result<(), Error> {
        self.create_topic_with(&TopicConfig::new(topic, queues), None).await
    }

    /// Creates or changes a topic on the masters of `cluster`, or of all clusters. Not as in Java, where one broker is
    /// enough, all of them must agree: repeat the call after an error, it changes nothing twice.
    pub async fn create_topic_with(&self, config: &TopicConfig, cluster: Option<&str>) -> Result<(), Error> {
        let name = &config.topic_name;
        topic::validate_topic(name).map_err(|e| Error::validation(e.to_string()))?;
        if topic::is_system(name) {
            return Err(Error::validation(format!("topic {name} belongs to the system, choose another name")));
        }
        if config.read_queue_nums < 1 || config.write_queue_nums < 1 {
            return Err(Error::validation(format!("topic {name} must have at least one queue to read and to write")));
        }
        let deadline = Instant::now() + self.timeout;
        let brokers = self.brokers(cluster, true).await?;
        for addr in &brokers {
            self.put_topic(addr, config, None).await?;
        }
        self.wait_for_route(name, brokers.len(), deadline).await
    }

    /// Waits until the route names as many brokers as got the topic.
    async fn wait_for_route(&self, name: &str, brokers: usize, deadline: Instant) -> Result<(), Error> {
        loop {
            let outcome = self.instance.routes().refresh(name).await;
            match outcome {
                Ok(route) if route.data().queue_datas.len() >= brokers => return Ok(()),
                Err(error) if !matches!(error, Error::NoRoute { .. }) => return Err(error),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Ok(_) if Instant::now() >= deadline => {
                    let servers = Vec::new();
                    let reason = "it was created, but not every broker has registered it yet";
                    return Err(Error::NoRoute { topic: name.to_owned(), reason, servers });
                }
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Deletes a topic on every broker, then its route on every name server.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        topic::validate_topic(name).map_err(|e| Error::validation(e.to_string()))?;
        for addr in self.brokers(None, false).await? {
            self.ask(&addr, request::DELETE_TOPIC_IN_BROKER, TopicName { topic: name }.to_ext()).await?;
        }
        for addr in self.instance.name_servers() {
            self.ask(addr, request::DELETE_TOPIC_IN_NAMESRV, TopicName { topic: name }.to_ext()).await?;
        }
        Ok(())
    }

    /// Names of all topics the name server knows, system topics included, sorted.
    pub async fn topic_list(&self) -> Result<Vec<String>, Error> {
        let code = request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        let command = Command::request(code, ExtFields::absent(), Bytes::new());
        let answer = self.instance.call_name_server("the topics", command, self.timeout).await?;
        let list = TopicList::decode(&answer.body).map_err(|e| unreadable("a name server", code, e))?;
        let names: BTreeSet<String> = list.topic_list.into_iter().collect();
        Ok(names.into_iter().collect())
    }

    /// Addresses of the brokers of a cluster, or of all.
    async fn brokers(&self, cluster: Option<&str>, masters_only: bool) -> Result<Vec<String>, Error> {
        let info = self.cluster_info().await?;
        let wanted = |name: &String| match cluster {
            Some(cluster) => info.cluster_addr_table.get(cluster).is_some_and(|brokers| brokers.contains(name)),
            None => true,
        };
        let brokers = info.broker_addr_table.iter().filter(|(name, _)| wanted(name)).map(|(_, broker)| broker);
        let addrs: BTreeSet<&String> = brokers
            .flat_map(|broker| broker.broker_addrs.iter().filter(|(id, _)| !masters_only || **id == 0))
            .map(|(_, addr)| addr)
            .collect();
        if addrs.is_empty() {
            return Err(Error::NoBroker {
                broker: cluster.map_or("any".to_owned(), |name| format!("of cluster {name}")),
                role: if masters_only { "master" } else { "usable" },
                topic: topic::AUTO_CREATE.to_owned(),
            });
        }
        Ok(addrs.into_iter().cloned().collect())
    }
}
