//! Headers of brokers and tools that talk to a name server (wire.md 4.6, 4.7).
use crate::header;

header! {
    /// REGISTER_BROKER.
    RegisterBroker<'a> {
        /// Broker name.
        broker_name: &'a str => "brokerName",
        /// Broker address, `host:port`.
        broker_addr: &'a str => "brokerAddr",
        /// Cluster name.
        cluster_name: &'a str => "clusterName",
        /// Address for replication; empty is possible.
        ha_server_addr: &'a str => "haServerAddr",
        /// Broker id; 0 is the master.
        broker_id: i64 => "brokerId",
        /// After this time without a sign of life the broker is dropped; 5.x.
        heartbeat_timeout_millis: Option<i64> => "heartbeatTimeoutMillis",
        /// The lowest broker id may stand in for the master; 5.x.
        enable_acting_master: Option<bool> => "enableActingMaster",
        /// The body is compressed (wire.md 5.4).
        compressed: bool => "compressed" = false,
        /// CRC-32 of the body & 0x7FFFFFFF; 0: unchecked.
        body_crc32: i32 => "bodyCrc32" = 0,
        /// Zone of the broker.
        zone_name: Option<&'a str> => "__ZONE_NAME",
    }
}

header! {
    /// Answer to REGISTER_BROKER.
    RegisterBrokerResponse<'a> {
        /// Replication address of the master, for slaves.
        ha_server_addr: Option<&'a str> => "haServerAddr",
        /// Address of the master, for slaves.
        master_addr: Option<&'a str> => "masterAddr",
    }
}

header! {
    /// UNREGISTER_BROKER.
    UnregisterBroker<'a> {
        /// Broker name.
        broker_name: &'a str => "brokerName",
        /// Broker address, `host:port`.
        broker_addr: &'a str => "brokerAddr",
        /// Cluster name.
        cluster_name: &'a str => "clusterName",
        /// Broker id; 0 is the master.
        broker_id: i64 => "brokerId",
    }
}

header! {
    /// QUERY_DATA_VERSION; also a sign of life.
    QueryDataVersion<'a> {
        /// Broker name.
        broker_name: &'a str => "brokerName",
        /// Broker address, `host:port`.
        broker_addr: &'a str => "brokerAddr",
        /// Cluster name.
        cluster_name: &'a str => "clusterName",
        /// Broker id; 0 is the master.
        broker_id: i64 => "brokerId",
    }
}

header! {
    /// Answer to QUERY_DATA_VERSION.
    QueryDataVersionResponse {
        /// The name server knows another version than the one asked for.
        changed: bool => "changed",
    }
}

header! {
    /// BROKER_HEARTBEAT (5.x), one-way.
    BrokerHeartbeat<'a> {
        /// Cluster name.
        cluster_name: &'a str => "clusterName",
        /// Broker address, `host:port`.
        broker_addr: &'a str => "brokerAddr",
        /// Broker name.
        broker_name: &'a str => "brokerName",
        /// Broker id; 0 is the master.
        broker_id: Option<i64> => "brokerId",
        /// Epoch of the master.
        epoch: Option<i32> => "epoch",
        /// End of the commit log.
        max_offset: Option<i64> => "maxOffset",
        /// Replicated part of the commit log.
        confirm_offset: Option<i64> => "confirmOffset",
        /// As `heartbeatTimeoutMillis` of REGISTER_BROKER (the misspelling is the protocol).
        heartbeat_timeout_mills: Option<i64> => "heartbeatTimeoutMills",
        /// Priority in elections.
        election_priority: Option<i32> => "electionPriority",
    }
}

header! {
    /// REGISTER_TOPIC_IN_NAMESRV (5.x).
    RegisterTopic<'a> {
        /// Topic.
        topic: &'a str => "topic",
    }
}

header! {
    /// GET_BROKER_MEMBER_GROUP (5.x).
    GetBrokerMemberGroup<'a> {
        /// Cluster name.
        cluster_name: &'a str => "clusterName",
        /// Broker name.
        broker_name: &'a str => "brokerName",
    }
}

header! {
    /// NOTIFY_MIN_BROKER_ID_CHANGE (5.x), one-way.
    NotifyMinBrokerIdChange<'a> {
        /// Lowest id alive.
        min_broker_id: Option<i64> => "minBrokerId",
        /// Broker name.
        broker_name: Option<&'a str> => "brokerName",
        /// Its address.
        min_broker_addr: Option<&'a str> => "minBrokerAddr",
        /// Address of the one that went.
        offline_broker_addr: Option<&'a str> => "offlineBrokerAddr",
        /// Replication address of the lowest one.
        ha_broker_addr: Option<&'a str> => "haBrokerAddr",
    }
}

header! {
    /// PUT_KV_CONFIG.
    PutKvConfig<'a> {
        /// Namespace.
        namespace: &'a str => "namespace",
        /// Key.
        key: &'a str => "key",
        /// Value.
        value: &'a str => "value",
    }
}

header! {
    /// GET_KV_CONFIG and DELETE_KV_CONFIG.
    KvKey<'a> {
        /// Namespace.
        namespace: &'a str => "namespace",
        /// Key.
        key: &'a str => "key",
    }
}

header! {
    /// Answer to GET_KV_CONFIG.
    GetKvConfigResponse<'a> {
        /// Value.
        value: Option<&'a str> => "value",
    }
}

header! {
    /// GET_KVLIST_BY_NAMESPACE.
    GetKvListByNamespace<'a> {
        /// Namespace.
        namespace: &'a str => "namespace",
    }
}

header! {
    /// WIPE_WRITE_PERM_OF_BROKER and ADD_WRITE_PERM_OF_BROKER.
    WritePermOfBroker<'a> {
        /// Broker name.
        broker_name: &'a str => "brokerName",
    }
}

header! {
    /// Answer to WIPE_WRITE_PERM_OF_BROKER.
    WipeWritePermResponse {
        /// Topics changed.
        wipe_topic_count: i32 => "wipeTopicCount",
    }
}

header! {
    /// Answer to ADD_WRITE_PERM_OF_BROKER.
    AddWritePermResponse {
        /// Topics changed.
        add_topic_count: i32 => "addTopicCount",
    }
}

header! {
    /// DELETE_TOPIC_IN_NAMESRV.
    DeleteTopicInNamesrv<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Cluster name.
        cluster_name: Option<&'a str> => "clusterName",
    }
}

header! {
    /// GET_TOPICS_BY_CLUSTER.
    GetTopicsByCluster<'a> {
        /// Cluster name.
        cluster: &'a str => "cluster",
    }
}
