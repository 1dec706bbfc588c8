//! Refusals that slow clients down (broker.md 0.3, 0.4): requests that waited too long, and answers that would pile up.
//!
//! The reference has a queue per kind of request and looks through it every 10 ms. Here requests wait in the read buffer of
//! their connection while those before them are served, and are looked at when their turn comes: one that is older than its kind may
//! become gets the same answer, and is not done. When bytes lie in the socket the kernel does not tell since when; they are as old as
//! their read. The texts in brackets are what clients and operators search for.
use crate::config::BrokerConfig;
use crate::service::Refusal;
use ferromq_protocol::code::request as code;
use ferromq_remoting::Connection;
use std::time::Duration;

/// How long a request may wait, in milliseconds; `None` for those that wait as long as it takes. Codes as the reference gives them
/// to its queues; what has no queue of its own is administration.
fn wait_limit(config: &BrokerConfig, request: i32) -> Option<i64> {
    match request {
        code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE | code::CONSUMER_SEND_MSG_BACK => {
            Some(config.wait_time_mills_in_send_queue)
        }
        code::PULL_MESSAGE => Some(config.wait_time_mills_in_pull_queue),
        code::LITE_PULL_MESSAGE => Some(config.wait_time_mills_in_lite_pull_queue),
        code::HEART_BEAT => Some(config.wait_time_mills_in_heartbeat_queue),
        code::END_TRANSACTION => Some(config.wait_time_mills_in_transaction_queue),
        code::QUERY_MESSAGE
        | code::VIEW_MESSAGE_BY_ID
        | code::UNREGISTER_CLIENT
        | code::CHECK_CLIENT_CONFIG
        | code::GET_CONSUMER_LIST_BY_GROUP
        | code::UPDATE_CONSUMER_OFFSET
        | code::QUERY_CONSUMER_OFFSET
        | code::SEND_REPLY_MESSAGE
        | code::SEND_REPLY_MESSAGE_V2 => None,
        _ => Some(config.wait_time_mills_in_admin_broker_queue),
    }
}

/// Refuses a request that has waited for too long; `size` requests, this one included, wait where it does.
pub(super) fn waited(config: &BrokerConfig, request: i32, age: Duration, size: usize) -> Result<(), Refusal> {
    let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    if !config.broker_fast_failure_enable || wait_limit(config, request).is_none_or(|limit| age_ms < limit) {
        return Ok(());
    }
    Err(Refusal::waited("TIMEOUT_CLEAN_QUEUE", age, size))
}

/// A limit on what waits is reached; the reference says so when a queue is full.
pub(super) fn overload() -> Refusal {
    Refusal::no_room("OVERLOAD")
}

/// True for requests with answers whose length nobody bounds but what is stored: messages, listings, statistics.
pub(super) fn may_be_long(request: i32) -> bool {
    matches!(
        request,
        code::PULL_MESSAGE
            | code::LITE_PULL_MESSAGE
            | code::QUERY_MESSAGE
            | code::VIEW_MESSAGE_BY_ID
            | code::QUERY_CONSUME_QUEUE
            | code::GET_ALL_TOPIC_CONFIG
            | code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG
            | code::GET_ALL_CONSUMER_OFFSET
            | code::GET_ALL_DELAY_OFFSET
            | code::GET_ALL_MESSAGE_REQUEST_MODE
            | code::GET_ALL_PRODUCER_INFO
            | code::GET_BROKER_CONFIG
            | code::GET_BROKER_RUNTIME_INFO
            | code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER
            | code::GET_TOPIC_STATS_INFO
            | code::GET_CONSUME_STATS
            | code::GET_BROKER_CONSUME_STATS
            | code::GET_CONSUMER_CONNECTION_LIST
            | code::GET_PRODUCER_CONNECTION_LIST
            | code::GET_CONSUMER_LIST_BY_GROUP
            | code::QUERY_CONSUME_TIME_SPAN
            | code::QUERY_TOPIC_CONSUME_BY_WHO
            | code::QUERY_TOPICS_BY_CONSUMER
    )
}

/// Refuses to add a long answer to what a client has not taken yet and `more` bytes of answers, when it is so much that its requests would not
/// be read any more: otherwise one read full of questions would make answers of gigabytes.
pub(super) fn room(connection: &Connection, more: usize) -> Result<(), Refusal> {
    connection.has_room(more).then_some(()).ok_or_else(overload)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every kind has its own limit, some have none, and the switch turns all of them off.
    #[test]
    fn old_requests_are_refused_by_their_kind() {
        let mut config = BrokerConfig::default();
        let refused = |config: &BrokerConfig, request, ms| waited(config, request, Duration::from_millis(ms), 7).err();
        let remark = "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 200ms, size of queue: 7";
        assert_eq!(refused(&config, code::SEND_MESSAGE_V2, 200), Some(Refusal::new(2, remark)));
        assert_eq!(refused(&config, code::SEND_MESSAGE_V2, 199), None);
        let limits = [
            (code::PULL_MESSAGE, 5000),
            (code::LITE_PULL_MESSAGE, 5000),
            (code::HEART_BEAT, 31_000),
            (code::END_TRANSACTION, 3000),
            (code::GET_BROKER_CONFIG, 5000),
        ];
        for (request, limit) in limits {
            assert!(refused(&config, request, limit).is_some(), "{request}");
            assert!(refused(&config, request, limit - 1).is_none(), "{request}");
        }
        assert!(refused(&config, code::UPDATE_CONSUMER_OFFSET, 1_000_000).is_none());
        config.broker_fast_failure_enable = false;
        assert!(refused(&config, code::SEND_MESSAGE_V2, 1_000_000).is_none());
    }
}
