//! How Apache's tool writes things: permissions, configurations, messages, times. Plain functions.
use crate::when;
use ferromq::{MessageExt, MessageQueue};
use ferromq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
use std::fmt::Write;

/// `RW-`.
pub(super) fn perm(perm: i32) -> String {
    let bit = |bit: i32, letter: char| if perm & bit != 0 { letter } else { '-' };
    [bit(4, 'R'), bit(2, 'W'), bit(1, 'X')].iter().collect()
}

/// `TopicConfig [topicName=...]`.
pub(super) fn topic(config: &TopicConfig, attributes: &str) -> String {
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, order={}, \
         attributes={{{}}}]\n",
        config.topic_name,
        config.read_queue_nums,
        config.write_queue_nums,
        perm(config.perm),
        config.topic_filter_type.name(),
        config.topic_sys_flag,
        config.order,
        attributes.split(',').collect::<Vec<_>>().join(", "),
    )
}

/// `SubscriptionGroupConfig{groupName=...}`.
pub(super) fn group(group: &SubscriptionGroupConfig) -> String {
    format!(
        "SubscriptionGroupConfig{{groupName={}, consumeEnable={}, consumeFromMinEnable={}, consumeBroadcastEnable={}, \
         consumeMessageOrderly={}, retryQueueNums={}, retryMaxTimes={}, groupRetryPolicy=GroupRetryPolicy{{type=CUSTOMIZED, \
         exponentialRetryPolicy=null, customizedRetryPolicy=null}}, brokerId={}, whichBrokerWhenConsumeSlowly={}, \
         notifyConsumerIdsChangedEnable={}, groupSysFlag={}, consumeTimeoutMinute={}, subscriptionDataSet=null, attributes={{}}}}\n",
        group.group_name,
        group.consume_enable,
        group.consume_from_min_enable,
        group.consume_broadcast_enable,
        group.consume_message_orderly,
        group.retry_queue_nums,
        group.retry_max_times,
        group.broker_id,
        group.which_broker_when_consume_slowly,
        group.notify_consumer_ids_changed_enable,
        group.group_sys_flag,
        group.consume_timeout_minute,
    )
}

/// A heading and `name = value` lines.
pub(super) fn settings(heading: &str, settings: &[(String, String)]) -> String {
    let mut out = format!("============{heading}============\n");
    for (name, value) in settings {
        let _ = writeln!(out, "{name:<50}=  {value}");
    }
    out + "\n"
}

/// `yyyy-MM-dd HH:mm:ss,SSS`, in UTC (Apache's tool takes the zone of the machine).
pub(super) fn time(ms: i64) -> String {
    when::show(ms).replace('T', " ").replace('.', ",").replace('Z', "")
}

/// The same to the second.
pub(super) fn second(ms: i64) -> String {
    let text = time(ms);
    text.split(',').next().unwrap_or_default().to_owned()
}

fn properties(message: &MessageExt) -> String {
    let pairs: Vec<String> = message.properties().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The labelled lines of queryMsgById; the offset id only where the tool shows it.
pub(super) fn labelled(message: &MessageExt, with_offset_id: bool) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(out, "{label:<20} {value}");
    };
    if with_offset_id {
        line("OffsetID:", message.offset_message_id());
    }
    line("Topic:", message.topic().to_owned());
    line("Tags:", format!("[{}]", message.tags().unwrap_or("null")));
    line("Keys:", format!("[{}]", message.keys().unwrap_or("null")));
    line("Queue ID:", message.queue_id().to_string());
    line("Queue Offset:", message.queue_offset().to_string());
    line("CommitLog Offset:", message.physical_offset().to_string());
    line("Reconsume Times:", message.reconsume_times().to_string());
    line("Born Timestamp:", time(message.born_timestamp()));
    line("Store Timestamp:", time(message.store_timestamp()));
    line("Born Host:", message.born_host().to_string());
    line("Store Host:", message.store_host().to_string());
    line("System Flag:", message.sys_flag().to_string());
    line("Properties:", properties(message));
    line("Message Body:", String::from_utf8_lossy(message.body()).into_owned());
    out
}

/// A queue as Java prints it.
pub(super) fn queue(queue: &MessageQueue) -> String {
    let MessageQueue { topic, broker_name, queue_id } = queue;
    format!("MessageQueue [topic={topic}, brokerName={broker_name}, queueId={queue_id}]")
}

/// `MSGID: ... MessageExt [...] BODY: ...`.
pub(super) fn one_line(message: &MessageExt, with_body: bool) -> String {
    let bytes: Vec<String> = message.body().iter().map(|byte| i8::from_ne_bytes([*byte]).to_string()).collect();
    let transaction = message.property("__transactionId__").map_or("null", |id| id);
    let mut out = format!(
        "MSGID: {} MessageExt [brokerName={}, queueId={}, storeSize={}, queueOffset={}, sysFlag={}, bornTimestamp={}, bornHost=/{}, \
         storeTimestamp={}, storeHost=/{}, msgId={}, commitLogOffset={}, bodyCRC={}, reconsumeTimes={}, preparedTransactionOffset={}, \
         toString()=Message{{topic='{}', flag={}, properties={}, body=[{}], transactionId='{transaction}'}}]",
        message.message_id(),
        message.broker_name(),
        message.queue_id(),
        message.stored_bytes(),
        message.queue_offset(),
        message.sys_flag(),
        message.born_timestamp(),
        message.born_host(),
        message.store_timestamp(),
        message.store_host(),
        message.offset_message_id(),
        message.physical_offset(),
        message.body_crc(),
        message.reconsume_times(),
        message.prepared_transaction_offset(),
        message.topic(),
        message.flag(),
        properties(message),
        bytes.join(", "),
    );
    let body =
        if with_body { String::from_utf8_lossy(message.body()).into_owned() } else { "NOT PRINT BODY".to_owned() };
    let _ = writeln!(out, " BODY: {body}");
    out
}
