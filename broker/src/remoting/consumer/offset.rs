//! Offsets: 14, 15, 29 to 32, 43, 222, 308, 314 (wire.md 4.2, 4.9).
use super::{header, number, relay};
use crate::remoting::reply::{unreadable, Reply};
use crate::remoting::Context;
use crate::service::progress::{self, Commit, Committed, Reset};
use crate::service::{Refusal, Service};
use ferromq_protocol::code::response;
use ferromq_protocol::headers::{
    EarliestStoreTime, EarliestStoreTimeResponse, GetMaxOffset, GetMinOffset, OffsetResponse, QueryConsumerOffset,
    QueryCorrectionOffset, ResetOffset, SearchOffset,
};
use ferromq_protocol::json::{Flavour, Value};
use ferromq_protocol::{Command, HeaderError};

pub(super) fn commit(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let ext = &request.ext;
    let required = |name: &'static str| ext.get(name).ok_or(HeaderError::Missing(name)).map_err(unreadable);
    let commit = Commit {
        group: required("consumerGroup")?,
        topic: required("topic")?,
        queue_id: number(ext, "queueId"),
        offset: number(ext, "commitOffset"),
    };
    let remark = match progress::commit(context.service, &commit)? {
        Committed::Stored => None,
        Committed::IgnoredForReset => Some(progress::IGNORED_FOR_RESET.to_owned()),
    };
    Ok(Reply::Command(Command::response_to(request, response::SUCCESS, remark)))
}

pub(super) fn committed(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let header: QueryConsumerOffset<'_> = header(request)?;
    let zero_if_unknown = header.set_zero_if_not_found.unwrap_or(true);
    let (group, topic, queue_id) = (header.consumer_group, header.topic, header.queue_id);
    let offset = progress::committed(context.service, group, topic, queue_id, zero_if_unknown)?;
    Ok(Reply::header(request, &OffsetResponse { offset }))
}

pub(super) fn max(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let header: GetMaxOffset<'_> = header(request)?;
    let offset = context.service.store.max_offset(header.topic, header.queue_id);
    Ok(Reply::header(request, &OffsetResponse { offset }))
}

pub(super) fn min(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let asked: GetMinOffset<'_> = header(request)?;
    let offset = context.service.store.min_offset(asked.topic, asked.queue_id).max(0);
    let Reply::Command(mut answer) = Reply::header(request, &OffsetResponse { offset }) else {
        return Ok(Reply::Later);
    };
    // The reference sets an empty remark here and nowhere else.
    answer.remark = Some(String::new());
    Ok(Reply::Command(answer))
}

pub(super) fn at_time(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header: SearchOffset<'_> = header(request)?;
    let offset = progress::at_time(service, header.topic, header.queue_id, header.timestamp, header.boundary_type);
    Ok(Reply::header(request, &OffsetResponse { offset }))
}

pub(super) fn earliest(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header: EarliestStoreTime<'_> = header(request)?;
    let timestamp = service.store.earliest_store_time(header.topic, header.queue_id);
    Ok(Reply::header(request, &EarliestStoreTimeResponse { timestamp }))
}

pub(super) fn all(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    Ok(Reply::body(request, context.service.offsets.table().encode()))
}

pub(super) fn reset(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let header: ResetOffset<'_> = header(request)?;
    let (group, topic, queue_id) = (header.group, header.topic, header.queue_id);
    let (offset, timestamp, is_force) = (header.offset, header.timestamp, header.is_force);
    let reset = Reset { group, topic, queue_id, offset, timestamp, is_force };
    let offsets = if context.service.config().use_server_side_reset_offset {
        progress::reset(context.service, &reset)?
    } else {
        let offsets = progress::reset_of_clients(context.service, &reset)?;
        relay::reset(context, &reset, &offsets)?;
        offsets
    };
    Ok(Reply::body(request, offsets.to_json().write(Flavour::Java)))
}

pub(super) fn clone(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let ext = &request.ext;
    let required = |name: &'static str| ext.get(name).ok_or(HeaderError::Missing(name)).map_err(unreadable);
    let offline = ext.get("offline").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let (from, to) = (required("srcGroup")?, required("destGroup")?);
    progress::clone_offsets(context.service, from, to, ext.get("topic"), offline);
    Ok(Reply::success(request))
}

pub(super) fn correction(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let header: QueryCorrectionOffset<'_> = header(request)?;
    let without = header.filter_groups.unwrap_or_default();
    let offsets = progress::correction(context.service, header.topic, header.compare_group, without);
    let offsets = Value::object(offsets);
    Ok(Reply::body(request, Value::object([("correctionOffsets", offsets)]).write(Flavour::Quoted)))
}
