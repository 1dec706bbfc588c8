//! Who is connected to a broker (wire.md 5.25).
use super::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use std::collections::BTreeMap;

json_body! {
    /// One client.
    #[derive(Eq)]
    pub struct Connection {
        client_addr: String = "clientAddr";
        client_id: String = "clientId";
        /// Name of the language.
        language: String = "language";
        version: i32 = "version";
    }
}

json_body! {
    /// The members of a consumer group (203).
    #[derive(Eq)]
    pub struct ConsumerConnection {
        connection_set: Vec<Connection> = "connectionSet";
        consume_from_where: ConsumeFromWhere = "consumeFromWhere";
        consume_type: ConsumeType = "consumeType";
        message_model: MessageModel = "messageModel";
        /// By topic.
        subscription_table: BTreeMap<String, SubscriptionData> = "subscriptionTable";
    }
}

json_body! {
    /// The members of a producer group (204).
    #[derive(Eq)]
    pub struct ProducerConnection {
        connection_set: Vec<Connection> = "connectionSet";
    }
}

json_body! {
    /// One producer of [`ProducerTable`].
    #[derive(Eq)]
    pub struct ProducerInfo {
        client_id: String = "clientId";
        language: String = "language";
        last_update_timestamp: i64 = "lastUpdateTimestamp";
        remote_ip: String = "remoteIP";
        version: i32 = "version";
    }
}

json_body! {
    /// All producers of a broker, by group (328).
    #[derive(Eq)]
    pub struct ProducerTable {
        data: BTreeMap<String, Vec<ProducerInfo>> = "data";
    }
}
json_codec!(ConsumerConnection, ProducerConnection, ProducerTable);
