//! Which queue a message goes to when the caller leaves it open (client.md 2.6): round robin, away from the broker that
//! failed last and, if wanted, from brokers that were slow. Pure.
use super::latency::LatencyFaults;
use ferromq_protocol::body::MessageQueue;
use tokio::time::Instant;

/// The index of the queue. `from` is where round robin stands. `None` only without queues.
pub(crate) fn choose_queue(
    queues: &[MessageQueue],
    from: usize,
    last_broker: Option<&str>,
    faults: Option<(&LatencyFaults, Instant)>,
) -> Option<usize> {
    let count = queues.len();
    if count == 0 {
        return None;
    }
    let start = from % count;
    let find = |suits: &dyn Fn(&str) -> bool| {
        let turn = (start..count).chain(0..start);
        turn.into_iter().find(|&i| last_broker != Some(&*queues[i].broker_name) && suits(&queues[i].broker_name))
    };
    let chosen = match faults {
        Some((faults, now)) => find(&|b| faults.is_available(b, now)).or_else(|| find(&|b| faults.is_reachable(b))),
        None => find(&|_| true),
    };
    Some(chosen.unwrap_or(start))
}

/// True when some queue lies on another broker than `broker`.
pub(crate) fn has_other_broker(queues: &[MessageQueue], broker: &str) -> bool {
    queues.iter().any(|queue| queue.broker_name != broker)
}

#[cfg(test)]
mod tests {
    use super::super::latency::{LatencyOptions, Outcome};
    use super::*;
    use std::time::Duration;

    fn queues() -> Vec<MessageQueue> {
        [("a", 0), ("a", 1), ("b", 0), ("b", 1)].map(|(broker, id)| MessageQueue::new("T", broker, id)).to_vec()
    }

    /// Every queue gets its turn, and a retry leaves the broker that failed.
    #[test]
    fn round_robin() {
        let queues = queues();
        let plain: Vec<_> = (0..5).map(|from| choose_queue(&queues, from, None, None).unwrap()).collect();
        assert_eq!(plain, [0, 1, 2, 3, 0]);
        let away: Vec<_> = (0..4).map(|from| choose_queue(&queues, from, Some("a"), None).unwrap()).collect();
        assert_eq!(away, [2, 2, 2, 3]);
        assert_eq!(choose_queue(&queues[..2], 1, Some("a"), None), Some(1), "the only broker is used again");
        assert_eq!(choose_queue(&[], 1, None, None), None);
    }

    /// Slow brokers are avoided, then unreachable ones; when nothing suits, round robin goes on.
    #[test]
    fn avoids_faults() {
        let (queues, options, now) = (queues(), LatencyOptions::default(), Instant::now());
        let mut faults = LatencyFaults::default();
        faults.update(&options, "a", Duration::from_secs(2), Outcome::Answered, now);
        assert_eq!(choose_queue(&queues, 0, None, Some((&faults, now))), Some(2));
        faults.update(&options, "b", Duration::ZERO, Outcome::Unreachable, now);
        assert_eq!(choose_queue(&queues, 2, None, Some((&faults, now))), Some(0), "slow is better than unreachable");
        assert_eq!(choose_queue(&queues, 1, Some("a"), Some((&faults, now))), Some(1), "nothing suits");
    }
}
