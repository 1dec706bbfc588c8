//! Queue locks of orderly consumers: the requests (client.md 3.6, wire.md 5.10).
//!
//! A broker gives a queue to one client of a group at a time. A lock that is not renewed expires there after 60 s; here it
//! counts as lost after 30 s.
use crate::instance::ClientInstance;
use crate::route::BrokerRole;
use crate::Error;
use ferromq_protocol::body::{LockBatchRequest, LockBatchResponse, MessageQueue};
use ferromq_protocol::code::request;
use ferromq_protocol::{Command, ExtFields};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often locks are renewed.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(20);
/// How long after a renewal that failed the next one follows: often enough before the lock may not be used any more, so that a queue
/// does not stand still for want of one answer.
pub(crate) const RENEW_AGAIN: Duration = Duration::from_secs(1);
/// Without renewal for this long the lock may not be used any more.
pub(crate) const EXPIRES_HERE: Duration = Duration::from_secs(30);
/// Without renewal for this long the broker gives the queue to others.
pub(crate) const EXPIRES_AT_BROKER: Duration = Duration::from_secs(60);
/// How long after its answer a lock surely holds there: it counts from when the broker granted it.
pub(crate) const SURE_AT_BROKER: Duration = Duration::from_secs(55);
/// Budget of a lock or unlock request.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Queues by broker name: one request serves all of a broker.
pub(crate) fn by_broker(queues: impl IntoIterator<Item = MessageQueue>) -> BTreeMap<String, Vec<MessageQueue>> {
    let mut brokers: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        brokers.entry(queue.broker_name.clone()).or_default().push(queue);
    }
    brokers
}

async fn ask(
    instance: &ClientInstance,
    group: &str,
    queues: &[MessageQueue],
    code: i32,
) -> Result<(Command, String), Error> {
    let Some(first) = queues.first() else {
        return Err(Error::validation("no queues to lock"));
    };
    let addr = match instance.broker_addr(&first.broker_name, BrokerRole::Master) {
        Some(found) => found.addr,
        None => instance.master_of(first).await?,
    };
    let body = LockBatchRequest {
        client_id: instance.client_id().to_owned(),
        consumer_group: group.to_owned(),
        mq_set: queues.to_vec(),
        only_this_broker: false,
    };
    let command = Command::request(code, ExtFields::absent(), body.encode());
    Ok((instance.call_ok(&addr, command, TIMEOUT).await?, addr.to_string()))
}

/// Asks a broker for locks; all queues must be of one broker. Returns those granted.
pub(crate) async fn lock(
    instance: &ClientInstance,
    group: &str,
    queues: &[MessageQueue],
) -> Result<BTreeSet<MessageQueue>, Error> {
    let (answer, addr) = ask(instance, group, queues, request::LOCK_BATCH_MQ).await?;
    let granted = LockBatchResponse::decode(&answer.body).map_err(|e| Error::Decode {
        addr,
        request: request::LOCK_BATCH_MQ,
        reason: e.to_string(),
    })?;
    Ok(granted.lock_ok_mq_set.into_iter().collect())
}

/// Gives locks back; all queues must be of one broker. A failure is logged: the locks expire by themselves.
pub(crate) async fn unlock(instance: &ClientInstance, group: &str, queues: &[MessageQueue]) {
    if let Err(error) = ask(instance, group, queues, request::UNLOCK_BATCH_MQ).await {
        let expires = EXPIRES_AT_BROKER.as_secs();
        tracing::warn!(group, queues = queues.len(), %error, "queues not unlocked, the broker does so within {expires} s");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request per broker.
    #[test]
    fn grouping() {
        let queue = |broker: &str, id| MessageQueue::new("T", broker, id);
        let grouped = by_broker([queue("a", 0), queue("b", 0), queue("a", 1)]);
        assert_eq!(grouped["a"].len(), 2);
        assert_eq!(grouped["b"].len(), 1);
    }
}
