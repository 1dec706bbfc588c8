//! Clients and their groups: 34, 35, 38, 41, 42, 46, 203, 204, 328 (wire.md 4.2, 4.3).
use super::header;
use crate::remoting::reply::{unreadable, Reply};
use crate::remoting::Context;
use crate::service::clock::now_ms;
use crate::service::{heartbeat as beats, Refusal};
use ferromq_protocol::body::{
    CheckClientConfigBody, ConsumerIdList, HeartbeatData, LockBatchRequest, LockBatchResponse,
};
use ferromq_protocol::code::response;
use ferromq_protocol::headers::{GetConsumerListByGroup, GetProducerConnectionList, HeartbeatResponse};
use ferromq_protocol::json::{Flavour, Value};
use ferromq_protocol::Command;

pub(super) fn heartbeat(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let beat = HeartbeatData::decode(&request.body).map_err(unreadable)?;
    let subscription_changed = beats::heartbeat(context.service, &context.caller, &beat);
    Ok(Reply::header(request, &HeartbeatResponse { supports_v2: true, subscription_changed }))
}

/// The client's id is not looked at: the connection counts.
pub(super) fn unregister(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let ext = &request.ext;
    beats::unregister(context.service, &context.caller, ext.get("consumerGroup"), ext.get("producerGroup"));
    Ok(Reply::success(request))
}

pub(super) fn check_config(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let body = CheckClientConfigBody::decode(&request.body).map_err(unreadable)?;
    Ok(Reply::done(request, beats::check_client(context.service, &body)))
}

pub(super) fn consumer_list(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let GetConsumerListByGroup { consumer_group } = header(request)?;
    let ids = context.service.members.client_ids(consumer_group);
    if ids.is_empty() {
        return Err(Refusal::system_error(format!("no consumer for this group, {consumer_group}")));
    }
    Ok(Reply::body(request, ConsumerIdList { consumer_id_list: ids.into_iter().collect() }.encode()))
}

pub(super) fn consumer_connections(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let GetConsumerListByGroup { consumer_group } = header(request)?;
    let offline = || {
        let remark = format!("the consumer group[{consumer_group}] not online");
        Refusal::new(response::CONSUMER_NOT_ONLINE, remark)
    };
    let connections = context.service.members.consumer_connections(consumer_group).ok_or_else(offline)?;
    Ok(Reply::body(request, without_unknown_languages(connections.to_json())))
}

pub(super) fn producer_connections(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let GetProducerConnectionList { producer_group } = header(request)?;
    let missing = || Refusal::system_error(format!("the producer group[{producer_group}] not exist"));
    let connections = context.service.members.producer_connections(producer_group).ok_or_else(missing)?;
    Ok(Reply::body(request, without_unknown_languages(connections.to_json())))
}

pub(super) fn all_producers(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    Ok(Reply::body(request, context.service.members.producer_table().encode()))
}

pub(super) fn lock(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let body = LockBatchRequest::decode(&request.body).map_err(unreadable)?;
    let locked = context.service.locks.lock(&body.consumer_group, &body.client_id, body.mq_set, now_ms());
    Ok(Reply::body(request, LockBatchResponse { lock_ok_mq_set: locked }.encode()))
}

pub(super) fn unlock(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let body = LockBatchRequest::decode(&request.body).map_err(unreadable)?;
    context.service.locks.unlock(&body.consumer_group, &body.client_id, &body.mq_set);
    Ok(Reply::success(request))
}

/// A language without a name is left out, as Java leaves out what is null.
fn without_unknown_languages(mut connections: Value) -> Vec<u8> {
    if let Some(Value::Array(set)) = connections.get_mut("connectionSet") {
        for connection in set {
            if let Value::Object(members) = connection {
                members.retain(|(key, value)| key.as_str() != Some("language") || value.as_str() != Some(""));
            }
        }
    }
    connections.write(Flavour::Quoted)
}
