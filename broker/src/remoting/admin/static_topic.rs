//! Static topics (513, broker.md 9.9), as far as they need nothing of their own: one whose queues all begin on this broker, under the
//! numbers that they have there, is a topic like others, and is created as such. What has moved, or is to move, between brokers is
//! refused: nothing here translates queue numbers and offsets.
use crate::remoting::reply::unreadable;
use crate::service::{Refusal, Service};
use ferromq_protocol::code::response;
use ferromq_protocol::json::{self, Key, Value};
use ferromq_protocol::Command;

/// Refuses a mapping (wire.md 5.5) by which a queue would be another one than that with its number here, or begin elsewhere.
pub(super) fn check(service: &Service, request: &Command, queues: i32) -> Result<(), Refusal> {
    let mapping = json::parse(&request.body).map_err(unreadable)?;
    let is_plain = |(id, items): &(Key, Value)| {
        let [item] = items.items() else { return false };
        item.text_of("bname").as_deref() == Some(service.identity.name.as_str())
            && id.as_i64().is_some_and(|id| (0..i64::from(queues)).contains(&id) && item.i64_of("queueId") == Some(id))
            && item.i64_of("logicOffset") == Some(0)
            && item.i64_of("startOffset") == Some(0)
            && item.i64_of("endOffset") == Some(-1)
    };
    let hosted = mapping.get("hostedQueues").map(Value::entries).unwrap_or_default();
    let complete = mapping.i32_of("totalQueues") == Some(queues) && usize::try_from(queues) == Ok(hosted.len());
    if complete && hosted.iter().all(is_plain) {
        return Ok(());
    }
    let remark = "a static topic is created only with all its queues on this broker, each from its beginning on";
    Err(Refusal::new(response::REQUEST_CODE_NOT_SUPPORTED, remark))
}
