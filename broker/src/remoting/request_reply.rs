//! Replies to requests: 324, 325 from the one who replies, 326 to the one who asked (broker.md 3.9).
use super::call::call;
use super::reply::{refusal_of, unreadable, Reply};
use super::send::of_header;
use super::Context;
use crate::service::request_reply::{self, Asker, Concluded, Prepared};
use crate::service::{Refusal, Service};
use bytes::Bytes;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{PushReply, SendFailure, SendMessage, SendMessageResponse};
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::{Command, Header};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take to confirm a reply.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a reply; `None` for other codes.
pub(super) fn handle(context: &Context<'_>, request: &Command) -> Option<Reply> {
    let naming = match request.code {
        code::SEND_REPLY_MESSAGE => Naming::Long,
        code::SEND_REPLY_MESSAGE_V2 => Naming::Short,
        _ => return None,
    };
    let reply = serve(context, request, naming).unwrap_or_else(|refusal| {
        let mut answer = refusal_of(request, &refusal);
        if !refusal.thrown {
            let config = context.service.config();
            answer.ext =
                SendFailure { msg_region: Some(&config.region_id), trace_on: Some(flag(config.trace_on)) }.to_ext();
        }
        Reply::Command(answer)
    });
    Some(reply)
}

fn serve(context: &Context<'_>, request: &Command, naming: Naming) -> Result<Reply, Refusal> {
    let (service, producer) = (Arc::clone(context.service), context.caller.peer);
    let header = SendMessage::decode_named(&request.ext, naming).map_err(unreadable)?;
    let prepared = request_reply::prepare(&service, &context.caller, &of_header(&header, request))?;
    let asker = match &prepared.asker {
        Ok(asker) => asker,
        Err(remark) => {
            let remark = Err(remark.clone());
            return Ok(Reply::Command(answer(&service, request, &header, producer, &prepared, remark)));
        }
    };
    let push = push_request(&service, request, &header, producer, &prepared, asker);
    let (link, failed) = (Arc::clone(&asker.link), asker.failed());
    let (connection, request) = (Arc::clone(context.connection), request.clone());
    call(&*link, push, PUSH_TIMEOUT, move |result| {
        let pushed = match result {
            Ok(taken) if taken.code == response::SUCCESS => Ok(()),
            result => {
                tracing::warn!(?result, "a reply was not taken by the client that waits for it");
                Err(failed)
            }
        };
        // It was read before.
        let Ok(header) = SendMessage::decode_named(&request.ext, naming) else { return };
        let answer = answer(&service, &request, &header, producer, &prepared, pushed);
        Reply::Command(answer).send(&connection, &request);
    });
    Ok(Reply::Later)
}

/// PUSH_REPLY_MESSAGE_TO_CLIENT.
fn push_request(
    service: &Service,
    request: &Command,
    header: &SendMessage<'_>,
    producer: SocketAddr,
    prepared: &Prepared,
    asker: &Asker,
) -> Command {
    let push = PushReply {
        producer_group: header.producer_group,
        topic: header.topic,
        default_topic: header.default_topic,
        default_topic_queue_nums: header.default_topic_queue_nums,
        queue_id: header.queue_id,
        sys_flag: header.sys_flag,
        born_timestamp: header.born_timestamp,
        flag: header.flag,
        properties: Some(&asker.properties),
        reconsume_times: Some(header.reconsume_times),
        unit_mode: header.unit_mode,
        born_host: &producer.to_string(),
        store_host: &service.identity.store_host.to_string(),
        store_timestamp: prepared.store_timestamp,
    };
    Command::request(code::PUSH_REPLY_MESSAGE_TO_CLIENT, push.to_ext(), Bytes::clone(&request.body))
}

/// The answer to the one who replied, after the copy is stored.
fn answer(
    service: &Service,
    request: &Command,
    header: &SendMessage<'_>,
    producer: SocketAddr,
    prepared: &Prepared,
    pushed: Result<(), String>,
) -> Command {
    let config = service.config();
    let (msg_region, trace_on) = (Some(config.region_id.as_str()), Some(flag(config.trace_on)));
    let Concluded { code, remark, queue_id, stored } =
        request_reply::conclude(service, producer, &of_header(header, request), prepared, pushed);
    let mut answer = Command::response_to(request, code, remark);
    let Some(queue_id) = queue_id else {
        answer.ext = SendFailure { msg_region, trace_on }.to_ext();
        return answer;
    };
    let mut msg_id = String::new();
    match stored {
        Some((physical_offset, _)) => {
            OffsetMessageId { store_host: service.identity.store_host, physical_offset }.write_to(&mut msg_id)
        }
        // Clients demand one.
        None => msg_id.push('0'),
    }
    let queue_offset = stored.map_or(0, |(_, queue_offset)| queue_offset);
    let (transaction_id, batch_uniq_id, recall_handle) = (None, None, None);
    answer.ext = SendMessageResponse {
        msg_id: &msg_id,
        queue_id,
        queue_offset,
        transaction_id,
        batch_uniq_id,
        recall_handle,
        msg_region,
        trace_on,
    }
    .to_ext();
    answer
}

fn flag(on: bool) -> &'static str {
    if on {
        "true"
    } else {
        "false"
    }
}
