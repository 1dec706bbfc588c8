//! Pulling (broker.md 4): the checks in their order, one read of the log, and what becomes of the offsets.
//!
//! Nothing here waits: a pull that finds nothing tells its caller until when it may be held and for what, one whose data is
//! not in memory asks to be done again on a thread that may wait. Per pull, not per message: a look-up of group, topic and
//! subscription, each a shared lock for one map access.
mod filter;

pub use filter::{Expression, PullFilter, NO_SQL};

use super::clock::now_ms;
use super::error::FAQ;
use super::offsets::PullTrace;
use super::topics::{perm, Topic};
use super::{Caller, Refusal, Service};
use crate::config::BrokerConfig;
use bytes::Bytes;
use ferromq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
use ferromq_protocol::code::response;
use ferromq_store::{GetRequest, GetResult, GetStatus, UnitFilter};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of one answer, whatever the store's own limits are (broker.md 4.4).
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest time a pull is held, so that nonsense in a request does not keep it for ever. Clients ask for 15 or 20 s.
const HOLD_TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// Values of the answer's `forbiddenType` (broker.md 4.1).
pub mod forbidden {
    /// The broker's permission.
    pub const BROKER: i32 = 1;
    /// The group's configuration.
    pub const GROUP: i32 = 2;
    /// The topic's permission.
    pub const TOPIC: i32 = 3;
    /// The group may not consume by broadcast.
    pub const BROADCASTING: i32 = 4;
    /// The group may not read this topic.
    pub const SUBSCRIPTION: i32 = 5;
}

/// One pull, whatever transport it came by (wire.md 4.2).
#[derive(Debug, Clone, Copy)]
pub struct PullRequest<'a> {
    /// It came as LITE_PULL_MESSAGE.
    pub lite: bool,
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: i32,
    /// First offset wanted.
    pub offset: i64,
    /// Most messages wanted; at least one is given.
    pub max_messages: i32,
    /// Consumer offset to store.
    pub commit_offset: Option<i64>,
    /// How long the pull may be held when nothing is there.
    pub suspend: Option<Duration>,
    /// The filter that came with the pull; without one the group's subscription counts.
    pub expression: Option<Expression<'a>>,
    /// Version of the subscription the client knows.
    pub sub_version: i64,
}

/// How the pull is done.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// False when it was held: it stores no offset, and is held again only while its filter finds nothing it wants.
    pub first: bool,
    /// How long a pull that was held may still be held.
    pub time_left: Duration,
    /// The thread may wait for the disk.
    pub blocking: bool,
}

/// What becomes of a pull.
#[derive(Debug)]
pub enum Pulled {
    /// The answer.
    Answer(PullAnswer),
    /// Nothing is there: hold the pull until a message comes behind `answer.next_offset` that the filter lets pass, or the
    /// time is over; then pull again from there with `first` false. `answer` is what to say when it is not held after all.
    Hold {
        /// How long.
        time: Duration,
        /// What it waits for.
        filter: PullFilter,
        /// The answer without holding.
        answer: PullAnswer,
    },
    /// The data is not in memory: pull again with `blocking` true.
    Cold,
}

/// An answer with code 0, 19, 20 or 21.
#[derive(Debug)]
pub struct PullAnswer {
    /// Response code.
    pub code: i32,
    /// Name of the outcome, the answer's remark.
    pub status: &'static str,
    /// Offset to continue at.
    pub next_offset: i64,
    /// Smallest offset of the queue.
    pub min_offset: i64,
    /// Next offset of the queue to be written.
    pub max_offset: i64,
    /// Broker id to pull from next.
    pub suggested_broker: i64,
    /// Flag bits of the topic.
    pub topic_sys_flag: i32,
    /// Flag bits of the group.
    pub group_sys_flag: i32,
    /// The messages: stored records, back to back, as slices of the log.
    pub slices: Vec<Bytes>,
}

/// A pull that is refused.
#[derive(Debug)]
pub struct PullRefusal {
    /// Code and remark.
    pub refusal: Refusal,
    /// One of [`forbidden`], with NO_PERMISSION.
    pub forbidden: Option<i32>,
}

impl PullRefusal {
    fn forbidden(kind: i32, remark: String) -> Self {
        Self { refusal: Refusal::new(response::NO_PERMISSION, remark), forbidden: Some(kind) }
    }

    fn new(code: i32, remark: impl Into<String>) -> Self {
        Self { refusal: Refusal::new(code, remark), forbidden: None }
    }
}

/// Does a pull.
pub fn pull(service: &Service, caller: &Caller, request: &PullRequest<'_>, pass: Pass) -> Result<Pulled, PullRefusal> {
    let config = service.config();
    let (group, topic) = check(service, &config, caller, request)?;
    let filter = filter::of(service, &config, caller, request, &group)?;
    if config.use_server_side_reset_offset {
        if let Some(offset) = service.offsets.take_reset(request.group, request.topic, request.queue_id) {
            return Ok(Pulled::Answer(reset_answer(service, request, offset, &group, &topic)));
        }
    }
    let read = service.store.get(&GetRequest {
        topic: request.topic,
        queue_id: request.queue_id,
        offset: request.offset,
        max_count: usize::try_from(request.max_messages).unwrap_or(0).max(1),
        max_bytes: ANSWER_BYTES_MAX,
        filter: &filter,
        blocking: pass.blocking,
    });
    let Ok(result) = read else { return Ok(Pulled::Cold) };
    count(service, &result);
    let commit = request.commit_offset.filter(|_| pass.first);
    let trace = PullTrace { next: result.next_offset, commit, messages: result.count, now_ms: now_ms() };
    service.offsets.pulled(request.group, request.topic, request.queue_id, &trace);
    let answer = answer(result, request, &group, &topic);
    Ok(match hold_time(&config, request, pass, &filter, answer.code) {
        Some(time) => Pulled::Hold { time, filter, answer },
        None => Pulled::Answer(answer),
    })
}

/// How long to hold a pull; `None` to answer it. A pull that was held and woken by messages which its expression does not
/// want goes on waiting behind them.
fn hold_time(
    config: &BrokerConfig,
    request: &PullRequest<'_>,
    pass: Pass,
    filter: &PullFilter,
    code: i32,
) -> Option<Duration> {
    if !pass.first {
        let is_unwanted = filter.reads_records() && code == response::PULL_RETRY_IMMEDIATELY;
        return Some(pass.time_left).filter(|left| is_unwanted && !left.is_zero());
    }
    let asked = request.suspend.filter(|_| code == response::PULL_NOT_FOUND)?;
    let short = Duration::from_millis(u64::try_from(config.short_polling_time_mills).unwrap_or(0));
    Some(if config.long_polling_enable { asked.min(HOLD_TIME_MAX) } else { short })
}

/// The checks of broker.md 4.1 before the subscription.
fn check(
    service: &Service,
    config: &BrokerConfig,
    caller: &Caller,
    request: &PullRequest<'_>,
) -> Result<(Arc<SubscriptionGroupConfig>, Arc<Topic>), PullRefusal> {
    let PullRequest { group: group_name, topic: topic_name, queue_id, .. } = *request;
    let ip = &service.identity.ip;
    if !perm::is_readable(config.broker_permission) {
        return Err(PullRefusal::forbidden(
            forbidden::BROKER,
            format!("the broker[{ip}] pulling message is forbidden"),
        ));
    }
    if request.lite && !config.lite_pull_message_enable {
        let remark = format!("the broker[{ip}] for lite pull consumer is forbidden");
        return Err(PullRefusal::forbidden(forbidden::BROKER, remark));
    }
    let Some(group) = service.groups.find(group_name, config) else {
        let remark = format!("subscription group [{group_name}] does not exist, {FAQ}");
        return Err(PullRefusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
    };
    if !group.consume_enable {
        return Err(PullRefusal::forbidden(
            forbidden::GROUP,
            format!("subscription group no permission, {group_name}"),
        ));
    }
    let Some(topic) = service.topics.get(topic_name) else {
        let remark = format!("topic[{topic_name}] not exist, apply first please! {FAQ}");
        return Err(PullRefusal::new(response::TOPIC_NOT_EXIST, remark));
    };
    if !perm::is_readable(topic.perm) {
        return Err(PullRefusal::forbidden(
            forbidden::TOPIC,
            format!("the topic[{topic_name}] pulling message is forbidden"),
        ));
    }
    if queue_id < 0 || queue_id >= topic.read_queue_nums {
        let remark = format!(
            "queueId[{queue_id}] is illegal, topic:[{topic_name}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
            topic.read_queue_nums, caller.peer
        );
        return Err(PullRefusal::new(response::INVALID_PARAMETER, remark));
    }
    Ok((group, topic))
}

fn reset_answer(
    service: &Service,
    request: &PullRequest<'_>,
    offset: i64,
    group: &SubscriptionGroupConfig,
    topic: &TopicConfig,
) -> PullAnswer {
    let (min_offset, max_offset) = service.store.queue_offsets(request.topic, request.queue_id).unwrap_or_default();
    PullAnswer {
        code: response::PULL_OFFSET_MOVED,
        status: "OFFSET_RESET",
        next_offset: offset,
        min_offset,
        max_offset,
        suggested_broker: 0,
        topic_sys_flag: topic.topic_sys_flag,
        group_sys_flag: group.group_sys_flag,
        slices: Vec::new(),
    }
}

fn answer(
    result: GetResult,
    request: &PullRequest<'_>,
    group: &SubscriptionGroupConfig,
    topic: &TopicConfig,
) -> PullAnswer {
    let (code, status) = outcome(result.status, request.offset);
    PullAnswer {
        code,
        status,
        next_offset: result.next_offset,
        min_offset: result.min_offset,
        max_offset: result.max_offset,
        // Reading from slaves is not offered, so that the master is always the right one.
        suggested_broker: 0,
        topic_sys_flag: topic.topic_sys_flag,
        group_sys_flag: group.group_sys_flag,
        slices: result.slices,
    }
}

/// Code and name of a read's outcome (broker.md 4.5).
fn outcome(status: GetStatus, offset: i64) -> (i32, &'static str) {
    let empty = if offset == 0 { response::PULL_NOT_FOUND } else { response::PULL_OFFSET_MOVED };
    match status {
        GetStatus::Found => (response::SUCCESS, "FOUND"),
        GetStatus::NoMatchedMessage => (response::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
        GetStatus::MessageWasRemoving => (response::PULL_RETRY_IMMEDIATELY, "MESSAGE_WAS_REMOVING"),
        // The reference makes a queue when it looks for one, so that it never says NO_MATCHED_LOGIC_QUEUE here.
        GetStatus::NoMatchedLogicQueue | GetStatus::NoMessageInQueue => (empty, "NO_MESSAGE_IN_QUEUE"),
        GetStatus::OffsetFoundNull => (response::PULL_NOT_FOUND, "OFFSET_FOUND_NULL"),
        GetStatus::OffsetOverflowOne => (response::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
        GetStatus::OffsetOverflowBadly => (response::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"),
        GetStatus::OffsetTooSmall => (response::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"),
        // An error and no offset: clients come back to the same messages after a while.
        GetStatus::Unreadable => {
            (response::SYSTEM_ERROR, "the disk of the broker does not give the messages; its log names the file")
        }
    }
}

fn count(service: &Service, result: &GetResult) {
    let stats = &service.stats;
    if result.status == GetStatus::Found {
        stats.get_found.fetch_add(1, Relaxed);
        stats.get_messages.fetch_add(i64::try_from(result.count).unwrap_or(0), Relaxed);
        stats.get_bytes.fetch_add(i64::try_from(result.bytes).unwrap_or(0), Relaxed);
    } else {
        stats.get_missed.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // An empty queue is "not found" only for those who start at 0; everyone else is moved.
    #[test]
    fn outcomes_have_the_codes_of_the_reference() {
        assert_eq!(outcome(GetStatus::NoMatchedLogicQueue, 0), (19, "NO_MESSAGE_IN_QUEUE"));
        assert_eq!(outcome(GetStatus::NoMessageInQueue, 5).0, 21);
        assert_eq!(outcome(GetStatus::OffsetOverflowOne, 5).0, 19);
        assert_eq!(outcome(GetStatus::OffsetOverflowBadly, 5).0, 21);
        assert_eq!(outcome(GetStatus::MessageWasRemoving, 5).0, 20);
    }
}
