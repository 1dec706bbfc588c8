//! What an operator asks of name servers: permissions, key-value configuration, their own settings (broker.md 1.8 to 1.11). A change
//! goes to every name server, for they do not talk to each other.
use super::Admin;
use crate::Error;
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{
    AddWritePermResponse, DeleteTopicInNamesrv, KvKey, PutKvConfig, WipeWritePermResponse, WritePermOfBroker,
};
use ferromq_protocol::{ExtFields, Header};

impl Admin {
    /// The name servers, as configured.
    pub fn name_servers(&self) -> &[String] {
        self.instance.name_servers()
    }

    /// Takes the permission to write from all topics of a broker at one name server, until the broker's topics change; returns how
    /// many there were.
    pub async fn wipe_write_perm(&self, namesrv: &str, broker: &str) -> Result<i32, Error> {
        let ext = WritePermOfBroker { broker_name: broker }.to_ext();
        let answer = self.ask(namesrv, request::WIPE_WRITE_PERM_OF_BROKER, ext).await?;
        Ok(WipeWritePermResponse::decode(&answer.ext).map_or(0, |header| header.wipe_topic_count))
    }

    /// Gives it back.
    pub async fn add_write_perm(&self, namesrv: &str, broker: &str) -> Result<i32, Error> {
        let ext = WritePermOfBroker { broker_name: broker }.to_ext();
        let answer = self.ask(namesrv, request::ADD_WRITE_PERM_OF_BROKER, ext).await?;
        Ok(AddWritePermResponse::decode(&answer.ext).map_or(0, |header| header.add_topic_count))
    }

    /// Sets a value of the key-value configuration.
    pub async fn put_kv(&self, namespace: &str, key: &str, value: &str) -> Result<(), Error> {
        self.everywhere(request::PUT_KV_CONFIG, &PutKvConfig { namespace, key, value }.to_ext()).await
    }

    /// Removes it.
    pub async fn delete_kv(&self, namespace: &str, key: &str) -> Result<(), Error> {
        self.everywhere(request::DELETE_KV_CONFIG, &KvKey { namespace, key }.to_ext()).await
    }

    /// Deletes the route of a topic over the brokers of a cluster, or all of it.
    pub async fn delete_route(&self, topic: &str, cluster: Option<&str>) -> Result<(), Error> {
        let header = DeleteTopicInNamesrv { topic, cluster_name: cluster };
        self.everywhere(request::DELETE_TOPIC_IN_NAMESRV, &header.to_ext()).await
    }

    /// All settings of a name server.
    pub async fn name_server_config(&self, namesrv: &str) -> Result<Vec<(String, String)>, Error> {
        self.properties(namesrv, request::GET_NAMESRV_CONFIG).await
    }

    async fn everywhere(&self, code: i32, ext: &ExtFields) -> Result<(), Error> {
        for addr in self.instance.name_servers() {
            self.ask(addr, code, ext.clone()).await?;
        }
        Ok(())
    }
}
