//! One pull: the request of push and lite pull consumers and what its answer means (client.md 3.9, wire.md 4.2).
use crate::instance::ClientInstance;
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::body::{MessageQueue, SubscriptionData};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{PullMessage, PullMessageResponse};
use ferromq_protocol::{sysflag, Command, Header};
use std::time::Duration;

/// Longest time the client waits for an answer, however long the broker may hold the request.
pub(crate) const PULL_TIMEOUT: Duration = Duration::from_secs(30);
/// How much later than the time it may hold the request a broker's answer can come: Java's looks every 5 s. A pull that
/// got lost with a broker that hung for a while is repeated after that, not after the full time.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a broker said FLOW_CONTROL.
pub(crate) const FLOW_CONTROL_PAUSE: Duration = Duration::from_millis(20);
/// Bit of every lite pull.
const LITE: i32 = sysflag::PULL_SUSPEND | sysflag::PULL_SUBSCRIPTION | sysflag::PULL_LITE;

/// What is asked for.
pub(crate) struct Pull<'a> {
    pub group: &'a str,
    pub queue: &'a MessageQueue,
    pub offset: i64,
    pub count: i32,
    pub bytes: i32,
    /// How long the broker may hold the request.
    pub suspend: Duration,
    /// The consumer offset to store on the way.
    pub commit: Option<i64>,
    pub subscription: &'a SubscriptionData,
    /// Send the expression along instead of relying on the heartbeat's.
    pub with_expression: bool,
    pub kind: PullKind,
}

/// Which request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullKind {
    /// PULL_MESSAGE of a push consumer.
    Push,
    /// LITE_PULL_MESSAGE.
    Lite,
    /// PULL_MESSAGE with the fields of a lite pull, for brokers that do not know 361.
    LiteOld,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullStatus {
    Found,
    /// Nothing new until the time was up.
    NoNew,
    /// Messages were there, and none matched.
    NoMatched,
    /// The offset is outside the queue.
    Illegal,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub status: PullStatus,
    /// Where to go on, whatever was found.
    pub next: i64,
    /// Broker id to ask next.
    pub suggested: i64,
    /// Records, back to back.
    pub records: Bytes,
}

fn command(pull: &Pull<'_>) -> Command {
    let mut sys_flag = match pull.kind {
        PullKind::Push => sysflag::PULL_SUSPEND,
        PullKind::Lite => LITE,
        PullKind::LiteOld => LITE & !sysflag::PULL_LITE,
    };
    if pull.with_expression {
        sys_flag |= sysflag::PULL_SUBSCRIPTION;
    }
    if pull.commit.is_some() {
        sys_flag |= sysflag::PULL_COMMIT_OFFSET;
    }
    let lite = pull.kind != PullKind::Push;
    let with_text = sys_flag & sysflag::PULL_SUBSCRIPTION != 0;
    let header = PullMessage {
        consumer_group: pull.group,
        topic: &pull.queue.topic,
        queue_id: pull.queue.queue_id,
        queue_offset: pull.offset,
        max_msg_nums: pull.count,
        sys_flag,
        commit_offset: pull.commit.unwrap_or(0),
        suspend_timeout_millis: pull.suspend.as_millis() as i64,
        subscription: with_text.then_some(pull.subscription.sub_string.as_str()),
        sub_version: if lite { 0 } else { pull.subscription.sub_version },
        expression_type: &pull.subscription.expression_type,
        max_msg_bytes: Some(pull.bytes),
        request_source: None,
        proxy_froward_client_id: None,
        broker_name: Some(&pull.queue.broker_name),
    };
    let code = if pull.kind == PullKind::Lite { request::LITE_PULL_MESSAGE } else { request::PULL_MESSAGE };
    Command::request(code, header.to_ext(), Bytes::new())
}

/// Sends a pull to `addr` and waits for the answer. A broker that does not know the subscription is told and asked once more.
pub(crate) async fn pull(instance: &ClientInstance, addr: &str, pull: &Pull<'_>) -> Result<Pulled, Error> {
    let command = command(pull);
    let code = command.code;
    let timeout = PULL_TIMEOUT.min(pull.suspend + ANSWER_WITHIN);
    let mut answer = instance.call(addr, command.clone(), timeout).await?;
    let forgotten = [response::SUBSCRIPTION_NOT_EXIST, response::SUBSCRIPTION_NOT_LATEST].contains(&answer.code);
    if forgotten && instance.introduce(addr).await {
        answer = instance.call(addr, command, timeout).await?;
    }
    let Some(status) = status_of(answer.code) else {
        let remark = answer.remark.unwrap_or_default();
        return Err(Error::Broker { code: answer.code, remark, addr: addr.to_owned(), request: code });
    };
    let header = PullMessageResponse::decode(&answer.ext);
    let header = header.map_err(|e| Error::Decode { addr: addr.to_owned(), request: code, reason: e.to_string() })?;
    Ok(Pulled {
        status,
        next: header.next_begin_offset,
        suggested: header.suggest_which_broker_id,
        records: answer.body,
    })
}

fn status_of(code: i32) -> Option<PullStatus> {
    Some(match code {
        response::SUCCESS => PullStatus::Found,
        response::PULL_NOT_FOUND => PullStatus::NoNew,
        response::PULL_RETRY_IMMEDIATELY => PullStatus::NoMatched,
        response::PULL_OFFSET_MOVED => PullStatus::Illegal,
        _ => return None,
    })
}

/// How long to wait after a failed pull.
pub(crate) fn pause_after(error: &Error, usual: Duration) -> Duration {
    if error.broker_code() == Some(response::FLOW_CONTROL) {
        FLOW_CONTROL_PAUSE
    } else {
        usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(kind: PullKind, commit: Option<i64>, with_expression: bool) -> (i32, i32, Option<String>, i64) {
        let subscription = SubscriptionData { sub_version: 7, ..SubscriptionData::parse_tag("T", "a").unwrap() };
        let queue = MessageQueue::new("T", "b", 1);
        let made = command(&Pull {
            group: "G",
            queue: &queue,
            offset: 3,
            count: 32,
            bytes: 100,
            suspend: Duration::from_secs(15),
            commit,
            subscription: &subscription,
            with_expression,
            kind,
        });
        let header = PullMessage::decode(&made.ext).unwrap();
        (made.code, header.sys_flag, header.subscription.map(str::to_owned), header.sub_version)
    }

    /// Flag bits, code and expression of each kind (client.md 3.9 point 5, 4.3 point 4).
    #[test]
    fn requests() {
        assert_eq!(flags(PullKind::Push, None, false), (11, 2, None, 7));
        assert_eq!(flags(PullKind::Push, Some(5), true), (11, 1 + 2 + 4, Some("a".into()), 7));
        assert_eq!(flags(PullKind::Lite, None, false), (361, 2 + 4 + 16, Some("a".into()), 0));
        assert_eq!(flags(PullKind::LiteOld, None, false), (11, 2 + 4, Some("a".into()), 0));
    }
}
