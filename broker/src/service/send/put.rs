//! The last checks before the log (broker.md 3.3), the delay levels (store.md 7.1), and what the store's refusals mean for
//! clients (broker.md 3.5). Everything that the broker stores goes through here: sends, send-backs, due delayed messages.
use super::properties::{self, Scan};
use crate::config::BrokerConfig;
use crate::service::{Refusal, Service};
use ferromq_protocol::code::response;
use ferromq_protocol::{properties as names, record, sysflag, topic};
use ferromq_store::{AppendBatch, AppendError, NotWritable, QueueHandle};

/// What became of a message that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// As durable as the settings promise.
    Ok,
    /// Stored, but the flush took longer than `syncFlushTimeout`.
    FlushDiskTimeout,
}

impl PutOutcome {
    /// The response code; both are successes for a client.
    pub fn code(self) -> i32 {
        match self {
            Self::Ok => response::SUCCESS,
            Self::FlushDiskTimeout => response::FLUSH_DISK_TIMEOUT,
        }
    }
}

/// Lays messages out.
pub struct Put<'a> {
    /// The broker.
    pub service: &'a Service,
    /// The settings to check against.
    pub config: &'a BrokerConfig,
    /// Whether the store takes anything; looked up once per batch ([`writable`]).
    pub writable: &'a Result<(), Refusal>,
}

/// Refuses when the store takes nothing: shut down, disk full, or failed.
pub fn writable(service: &Service) -> Result<(), Refusal> {
    service.store.is_writable().map_err(|why| unavailable(&why))
}

impl Put<'_> {
    /// Checks a message and adds its record to the batch; a delay level above 0 sends it through the schedule topic. `queue` is that of the
    /// message, if it is known.
    pub fn lay_out(
        &self,
        batch: &mut AppendBatch,
        message: &record::Message<'_>,
        queue: Option<&QueueHandle>,
        level: i32,
        scan: &Scan<'_>,
    ) -> Result<(), Refusal> {
        self.writable.clone()?;
        if message.topic.len() > topic::TOPIC_CHARS_MAX && !topic::is_retry(message.topic) {
            return Err(illegal_message(self.config));
        }
        if message.body.is_empty() {
            return Err(Refusal::thrown("the message has no body"));
        }
        if scan.inner_num || message.sys_flag & sysflag::INNER_BATCH != 0 {
            return Err(illegal_message(self.config));
        }
        let kind = sysflag::transaction_type(message.sys_flag);
        let delayable = kind == sysflag::TRANSACTION_NOT || kind == sysflag::TRANSACTION_COMMIT;
        if delayable && level <= 0 && scan.timer && !scan.timer_out {
            let remark = "accurate timer message is not enabled, timerWheelEnable is false";
            return Err(Refusal::system_error(remark));
        }
        if message.body.len() > usize::try_from(self.config.max_message_size).unwrap_or(0) {
            return Err(illegal_message(self.config));
        }
        if delayable && level > 0 {
            return self.delay(batch, message, level);
        }
        push(batch, message, queue, self.config)
    }

    fn delay(&self, batch: &mut AppendBatch, message: &record::Message<'_>, level: i32) -> Result<(), Refusal> {
        let level = level.min(self.service.delay.levels());
        let mut stored = String::with_capacity(message.properties.len() + message.topic.len() + 48);
        properties::push_without(&mut stored, message.properties, properties::is_delay_related);
        properties::push(&mut stored, names::DELAY, &level.to_string());
        properties::push(&mut stored, names::REAL_TOPIC, message.topic);
        properties::push(&mut stored, names::REAL_QUEUE_ID, &message.queue_id.to_string());
        let delayed = record::Message { topic: topic::SCHEDULE, queue_id: level - 1, properties: &stored, ..*message };
        push(batch, &delayed, None, self.config)
    }
}

/// Adds one record.
pub(super) fn push(
    batch: &mut AppendBatch,
    message: &record::Message<'_>,
    queue: Option<&QueueHandle>,
    config: &BrokerConfig,
) -> Result<(), Refusal> {
    if message.properties.len() > names::PROPERTIES_BYTES_MAX {
        return Err(illegal_message(config));
    }
    let pushed = match queue {
        Some(queue) => batch.push_to(queue, message),
        None => batch.push(message),
    };
    pushed.map_err(|e| refusal_of(&e, config))
}

/// MESSAGE_ILLEGAL with the remark that names the limits.
pub fn illegal_message(config: &BrokerConfig) -> Refusal {
    let remark = format!(
        "the message is illegal, maybe msg body or properties length not matched. msg body length limit {}B, msg \
         properties length limit 32KB.",
        config.max_message_size
    );
    Refusal::new(response::MESSAGE_ILLEGAL, remark)
}

/// SERVICE_NOT_AVAILABLE with the one reason there is, and what to do about it.
pub fn unavailable(why: &NotWritable) -> Refusal {
    Refusal::new(response::SERVICE_NOT_AVAILABLE, format!("service not available now: {why}"))
}

/// What a refusal of the store means for clients (broker.md 3.5).
pub fn refusal_of(error: &AppendError, config: &BrokerConfig) -> Refusal {
    match error {
        AppendError::NotWritable(why) => unavailable(why),
        AppendError::NoSegment { reason } => {
            Refusal::system_error(format!("create mapped file failed, server is busy or broken: {reason}"))
        }
        AppendError::RawOffset { .. } => Refusal::system_error("UNKNOWN_ERROR"),
        _ => illegal_message(config),
    }
}
