//! Where a queue without work in memory begins (client.md 3.7), as a plan: what is known now decides what is asked next.
//!
//! A failed look-up is never taken for "no offset": starting at the end or at 0 after an error loses or repeats messages.
//! Brokers answer 0 for a group without offset when the queue is young; that answer is taken as it is.
use ferromq_protocol::body::ConsumeFromWhere;

/// Where a group without a committed offset begins. Queues with one continue there whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumeFrom {
    /// After the last message (`CONSUME_FROM_LAST_OFFSET`, the default). A broker may say 0 for a young queue.
    #[default]
    Last,
    /// At the first message (`CONSUME_FROM_FIRST_OFFSET`).
    First,
    /// At the first message stored at or after this time, milliseconds since 1970 (`CONSUME_FROM_TIMESTAMP`).
    Timestamp(i64),
}

impl ConsumeFrom {
    /// As heartbeats say it.
    pub(crate) fn on_the_wire(self) -> ConsumeFromWhere {
        match self {
            Self::Last => ConsumeFromWhere::LastOffset,
            Self::First => ConsumeFromWhere::FirstOffset,
            Self::Timestamp(_) => ConsumeFromWhere::Timestamp,
        }
    }
}

/// What to do to know the first offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartPlan {
    /// Begin here.
    At(i64),
    /// Ask for the queue's end.
    AskMax,
    /// Ask for the offset of this time.
    AskTime(i64),
}

/// The plan for a queue whose store answered `stored` (`None`: the store knows no offset).
pub(crate) fn start_plan(stored: Option<i64>, from: ConsumeFrom, is_retry: bool) -> StartPlan {
    match (stored, from) {
        (Some(offset), _) if offset >= 0 => StartPlan::At(offset),
        (_, ConsumeFrom::First) => StartPlan::At(0),
        // A retry topic belongs to the group: what is in it was sent back by its members.
        (_, ConsumeFrom::Last) if is_retry => StartPlan::At(0),
        (_, ConsumeFrom::Last) => StartPlan::AskMax,
        (_, ConsumeFrom::Timestamp(_)) if is_retry => StartPlan::AskMax,
        (_, ConsumeFrom::Timestamp(time)) => StartPlan::AskTime(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of client.md 3.7.
    #[test]
    fn plans() {
        use ConsumeFrom::{First, Last, Timestamp};
        for from in [Last, First, Timestamp(9)] {
            assert_eq!(start_plan(Some(5), from, false), StartPlan::At(5));
            assert_eq!(start_plan(Some(0), from, true), StartPlan::At(0));
        }
        assert_eq!(start_plan(None, Last, false), StartPlan::AskMax);
        assert_eq!(start_plan(None, Last, true), StartPlan::At(0));
        assert_eq!(start_plan(None, First, false), StartPlan::At(0));
        assert_eq!(start_plan(None, Timestamp(9), false), StartPlan::AskTime(9));
        assert_eq!(start_plan(None, Timestamp(9), true), StartPlan::AskMax);
        assert_eq!(start_plan(Some(-1), Last, false), StartPlan::AskMax);
    }
}
