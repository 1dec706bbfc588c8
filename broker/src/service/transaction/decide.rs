//! The decisions about a half message: may this request end it, and what does a round of checks do with it (broker.md 7.2,
//! 7.4). Pure: times and settings are arguments.
//!
//! Ages are counted from the time at which the broker stored a half message, by one clock. The reference counts from the
//! producer's own time: there a producer whose clock is wrong by days loses its half messages to the first round.
use super::half::Half;
use crate::config::BrokerConfig;
use crate::service::Refusal;
use ferromq_protocol::code::response;
use ferromq_protocol::sysflag;

/// What a producer says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Deliver the message.
    Commit,
    /// Forget the message.
    Rollback,
    /// Not known yet: nothing changes.
    Unknown,
}

impl Decision {
    /// Reads `commitOrRollback`; `None` for a value without a meaning.
    pub fn of(value: i32) -> Option<Self> {
        match value {
            sysflag::TRANSACTION_COMMIT => Some(Self::Commit),
            sysflag::TRANSACTION_ROLLBACK => Some(Self::Rollback),
            sysflag::TRANSACTION_NOT => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// END_TRANSACTION.
#[derive(Debug, Clone, Copy)]
pub struct EndRequest<'a> {
    /// The producer group of the half message.
    pub group: &'a str,
    /// Offset of the half message in its queue.
    pub queue_offset: i64,
    /// Offset of the half message in the log.
    pub log_offset: i64,
    /// What to do.
    pub decision: Decision,
    /// It answers a check.
    pub from_check: bool,
}

/// The settings that decide, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a half message is left alone.
    pub time_out_ms: i64,
    /// Checks after which it is given up.
    pub checks_max: i32,
    /// How long the log keeps it.
    pub reserved_ms: i64,
}

impl Limits {
    /// As configured.
    pub fn of(config: &BrokerConfig) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self {
            time_out_ms: config.transaction_time_out,
            checks_max: config.transaction_check_max,
            reserved_ms: i64::from(config.file_reserved_time) * HOUR_MS,
        }
    }

    /// How long a message with this property is left alone. A text that is no number, or -1, counts as none.
    fn immunity_ms(&self, property: &str) -> i64 {
        match property.parse::<i64>() {
            Ok(seconds) if seconds != -1 => seconds.saturating_mul(1000),
            _ => self.time_out_ms,
        }
    }
}

/// Whether a request may end the half message that lies where it says (broker.md 7.2, 4 and 5).
pub fn may_end(half: &Half<'_>, request: &EndRequest<'_>, limits: &Limits, now_ms: i64) -> Result<(), Refusal> {
    if let (Some(property), false) = (half.immunity.filter(|text| !text.is_empty()), request.from_check) {
        // Behind this time the message is decided by checks alone.
        if now_ms - half.stored_ms() > limits.immunity_ms(property).max(limits.time_out_ms) {
            return Err(Refusal::new(response::ILLEGAL_OPERATION, "not set any response code"));
        }
    }
    match half.group {
        None => return Err(Refusal::thrown("the half message names no producer group")),
        Some(group) if group != request.group => return Err(Refusal::system_error("The producer group wrong")),
        Some(_) => {}
    }
    if half.queue_offset() != request.queue_offset {
        return Err(Refusal::system_error("The transaction state table offset wrong"));
    }
    if half.physical_offset() != request.log_offset {
        return Err(Refusal::system_error("The commit log offset wrong"));
    }
    Ok(())
}

/// What a round of checks does with a half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was checked often enough, or the log is about to lose it: it goes to TRANS_CHECK_MAX_TIME_TOPIC.
    GiveUp,
    /// Its time has not come.
    Wait,
    /// Its time has not come, and neither has that of any younger one.
    WaitAll,
    /// Its producers are asked.
    Check,
}

/// Decides about a half message that was checked `checks` times.
pub fn verdict(stored_ms: i64, immunity: Option<&str>, checks: i32, limits: &Limits, now_ms: i64) -> Verdict {
    let age = now_ms - stored_ms;
    if checks >= limits.checks_max || age > limits.reserved_ms {
        return Verdict::GiveUp;
    }
    if age < 0 {
        // The clock was set back; nobody knows how long the message has been waiting.
        return Verdict::Check;
    }
    match immunity.filter(|text| !text.is_empty()) {
        Some(property) if age <= limits.immunity_ms(property) => Verdict::Wait,
        None if age <= limits.time_out_ms => Verdict::WaitAll,
        _ => Verdict::Check,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { time_out_ms: 6000, checks_max: 15, reserved_ms: 72 * 3_600_000 };

    // A half message is asked about when its own time, or the broker's, is over; and given up after the last check.
    #[test]
    fn the_verdict_follows_age_and_count() {
        let at = |age, immunity, checks| verdict(1_000_000, immunity, checks, &LIMITS, 1_000_000 + age);
        assert_eq!((at(6000, None, 0), at(6001, None, 0)), (Verdict::WaitAll, Verdict::Check));
        assert_eq!((at(1000, Some("1"), 0), at(1001, Some("1"), 0)), (Verdict::Wait, Verdict::Check));
        assert_eq!((at(599_000, Some("600"), 0), at(600_001, Some("600"), 0)), (Verdict::Wait, Verdict::Check));
        for odd in ["-1", "soon", "99999999999999999999"] {
            assert_eq!((at(6000, Some(odd), 0), at(6001, Some(odd), 0)), (Verdict::Wait, Verdict::Check), "{odd}");
        }
        assert_eq!(at(i64::from(u32::MAX), Some("9223372036854775807"), 0), Verdict::GiveUp);
        assert_eq!((at(7000, None, 14), at(7000, None, 15)), (Verdict::Check, Verdict::GiveUp));
        assert_eq!(at(-5000, None, 0), Verdict::Check, "a clock that was set back");
    }

    // The three states have their numbers, everything else has none.
    #[test]
    fn decisions_have_their_numbers() {
        let read = [0, 8, 12].map(Decision::of);
        assert_eq!(read, [Some(Decision::Unknown), Some(Decision::Commit), Some(Decision::Rollback)]);
        assert!([4, 5, -1, i32::MAX].iter().all(|value| Decision::of(*value).is_none()));
    }
}
