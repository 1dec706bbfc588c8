//! Requests of brokers: registration, signs of life, leaving (broker.md 1.3 to 1.5, 1.7).
use super::{done, with_body, with_header, Answer, Outcome, Refusal, Service};
use crate::kv::ORDER_TOPIC_CONFIG;
use crate::tables::Registration;
use ferromq_protocol::body::{DataVersion, GetBrokerMemberGroupBody, KvTable, RegisterBrokerBody, TopicConfigTable};
use ferromq_protocol::code::response as res;
use ferromq_protocol::crc::crc32;
use ferromq_protocol::headers::{
    AddWritePermResponse, BrokerHeartbeat, GetBrokerMemberGroup, QueryDataVersion, QueryDataVersionResponse,
    RegisterBroker, RegisterBrokerResponse, UnregisterBroker, WipeWritePermResponse, WritePermOfBroker,
};
use ferromq_protocol::json::Flavour;
use ferromq_protocol::{Command, Header};
use ferromq_remoting::Connection;
use std::sync::Arc;

/// Brokers since V3_0_11 send a RegisterBrokerBody, older ones the topic table alone (wire.md 2.5).
const BODY_SINCE_VERSION: i32 = 37;

impl Service {
    /// 103.
    pub(super) fn register_broker(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        if request.ext.get("brokerName").is_none() {
            // The reference enters it under a null name, which nobody can ask for: success, without effect.
            tracing::warn!(peer = %connection.peer(), "registration without a broker name ignored");
            return done(request);
        }
        let header = RegisterBroker::decode(&request.ext)?;
        if header.body_crc32 != 0 && header.body_crc32 != crc32(&request.body) {
            return Err(Refusal(res::SYSTEM_ERROR, "crc32 not match".into()));
        }
        let topics = topics_of(request, header.compressed)?;
        let (delete_missing_topics, tell_order) = {
            let config = self.config.read();
            (config.delete_topic_with_broker_registration, config.return_order_topic_config_to_broker)
        };
        let registration = Registration {
            cluster: header.cluster_name,
            broker_name: header.broker_name,
            broker_id: header.broker_id,
            broker_addr: header.broker_addr,
            ha_server_addr: header.ha_server_addr,
            zone: header.zone_name,
            timeout_ms: header.heartbeat_timeout_millis,
            enable_acting_master: header.enable_acting_master,
            topics,
            connection: connection.id(),
            delete_missing_topics,
        };
        // Known before it is in the tables: when it closes in between, the tables are told after.
        self.brokers.lock().insert(connection.id(), Arc::downgrade(connection));
        let registered = self.tables.write().register(&registration, self.now_ms());
        if !connection.is_open() {
            let changes = self.tables.write().connection_closed(connection.id());
            self.brokers.lock().remove(&connection.id());
            self.notify(changes);
        }
        let registered = registered.map_err(|e| Refusal(res::SYSTEM_ERROR, e.to_string()))?;
        let mut answer = Command::response_to(request, res::SUCCESS, None);
        answer.ext = RegisterBrokerResponse {
            ha_server_addr: registered.ha_server_addr.as_deref(),
            master_addr: registered.master_addr.as_deref(),
        }
        .to_ext();
        if let Some(table) = Some(ORDER_TOPIC_CONFIG).filter(|_| tell_order).and_then(|ns| self.kv.list(ns)) {
            answer.body = KvTable { table }.encode();
        }
        self.notify(registered.min_change);
        Ok(Answer::Now(answer))
    }

    /// 104.
    pub(super) fn unregister_broker(&self, request: &Command) -> Outcome {
        let header = UnregisterBroker::decode(&request.ext)?;
        let change = self.tables.write().unregister(header.cluster_name, header.broker_name, header.broker_addr);
        self.notify(change);
        done(request)
    }

    /// 322.
    pub(super) fn query_data_version(&self, request: &Command) -> Outcome {
        let header = QueryDataVersion::decode(&request.ext)?;
        let version = if request.body.is_empty() {
            DataVersion::default()
        } else {
            DataVersion::decode(&request.body).map_err(|e| Refusal(res::SYSTEM_ERROR, e.to_string()))?
        };
        let (changed, stored) =
            self.tables.write().query_version(header.cluster_name, header.broker_addr, version, self.now_ms());
        let mut answer = Command::response_to(request, res::SUCCESS, None);
        answer.ext = QueryDataVersionResponse { changed }.to_ext();
        answer.body = stored.map(|stored| stored.encode()).unwrap_or_default();
        Ok(Answer::Now(answer))
    }

    /// 904.
    pub(super) fn broker_heartbeat(&self, request: &Command) -> Outcome {
        let header = BrokerHeartbeat::decode(&request.ext)?;
        self.tables.write().heartbeat(header.cluster_name, header.broker_addr, self.now_ms());
        done(request)
    }

    /// 901. The remark is the reference's too: its handler sets no code (wire.md 2.6).
    pub(super) fn member_group(&self, request: &Command) -> Outcome {
        let header = GetBrokerMemberGroup::decode(&request.ext)?;
        let group = self.tables.read().member_group(header.cluster_name, header.broker_name);
        let body = GetBrokerMemberGroupBody { broker_member_group: Some(group) };
        let remark = Some("not set any response code".to_owned());
        let mut answer = Command::response_to(request, res::SUCCESS, remark);
        answer.body = body.encode_as(Flavour::Java);
        Ok(Answer::Now(answer))
    }

    /// 106.
    pub(super) fn cluster_info(&self, request: &Command) -> Outcome {
        let info = self.tables.read().cluster_info();
        with_body(request, info.encode_as(Flavour::Java))
    }

    /// 205.
    pub(super) fn wipe_write_permission(&self, request: &Command) -> Outcome {
        let name = WritePermOfBroker::decode(&request.ext)?.broker_name;
        let wipe_topic_count = self.tables.write().wipe_write_permission(name);
        with_header(request, &WipeWritePermResponse { wipe_topic_count })
    }

    /// 327.
    pub(super) fn add_write_permission(&self, request: &Command) -> Outcome {
        let name = WritePermOfBroker::decode(&request.ext)?.broker_name;
        let add_topic_count = self.tables.write().add_write_permission(name);
        with_header(request, &AddWritePermResponse { add_topic_count })
    }
}

/// The topics of a registration; an empty body has none, with a version of zeros.
fn topics_of(request: &Command, compressed: bool) -> Result<TopicConfigTable, Refusal> {
    let body = &request.body;
    if body.is_empty() {
        return Ok(TopicConfigTable::default());
    }
    let topics = if request.version < BODY_SINCE_VERSION {
        TopicConfigTable::decode(body)
    } else if compressed {
        RegisterBrokerBody::decode_compressed(body, request.version).map(|body| body.topic_config_table)
    } else {
        RegisterBrokerBody::decode(body).map(|body| body.topic_config_table)
    };
    topics.map_err(|e| Refusal(res::SYSTEM_ERROR, format!("registration cannot be read: {e}")))
}
