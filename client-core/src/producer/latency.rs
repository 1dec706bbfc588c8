//! Which brokers were slow or failed lately, as a pure table (client.md 2.7): time is passed in, nothing is probed.
//!
//! A broker that was slow is left out for a time that grows with its slowness; one that failed counts as very slow.
//! Without another choice it is used all the same.
use crate::Error;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Latency counted for an attempt that failed.
const ISOLATION_LATENCY: Duration = Duration::from_millis(10_000);

/// From which latency on a broker is left out, and for how long. Equally long lists, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyOptions {
    /// `latencyMax`.
    pub latency_max: Vec<Duration>,
    /// `notAvailableDuration`.
    pub not_available: Vec<Duration>,
}

impl Default for LatencyOptions {
    fn default() -> Self {
        let ms = |values: [u64; 7]| values.map(Duration::from_millis).to_vec();
        Self {
            latency_max: ms([50, 100, 550, 1800, 3000, 5000, 15000]),
            not_available: ms([0, 0, 2000, 5000, 6000, 10000, 30000]),
        }
    }
}

impl LatencyOptions {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.latency_max.len() != self.not_available.len() || !self.latency_max.is_sorted() {
            return Err(Error::config("latency", "latency_max and not_available must be equally long and ascending"));
        }
        Ok(())
    }

    /// How long a broker with this latency is left out.
    fn pause(&self, latency: Duration) -> Duration {
        let steps = self.latency_max.iter().zip(&self.not_available).rev();
        steps.into_iter().find(|(from, _)| latency >= **from).map_or(Duration::ZERO, |(_, pause)| *pause)
    }
}

/// What an attempt says about its broker (client.md 2.7, point 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered with success, or the failure says nothing about it.
    Answered,
    /// It answered with an error code.
    Refused,
    /// No connection, no answer.
    Unreachable,
}

#[derive(Debug)]
struct Item {
    available_from: Instant,
    reachable: bool,
}

/// State per broker name.
#[derive(Debug, Default)]
pub(crate) struct LatencyFaults {
    items: HashMap<String, Item>,
}

impl LatencyFaults {
    /// Takes an attempt into account. A success never shortens a pause.
    pub(crate) fn update(
        &mut self,
        options: &LatencyOptions,
        broker: &str,
        latency: Duration,
        outcome: Outcome,
        now: Instant,
    ) {
        let isolated = outcome != Outcome::Answered;
        let available_from = now + options.pause(if isolated { ISOLATION_LATENCY } else { latency });
        match self.items.get_mut(broker) {
            Some(item) => {
                item.available_from = item.available_from.max(available_from);
                item.reachable = !isolated;
            }
            None => {
                self.items.insert(broker.to_owned(), Item { available_from, reachable: !isolated });
            }
        }
    }

    /// True when the broker is not left out at the moment.
    pub(crate) fn is_available(&self, broker: &str, now: Instant) -> bool {
        self.items.get(broker).is_none_or(|item| now >= item.available_from)
    }

    /// True unless its last attempt failed.
    pub(crate) fn is_reachable(&self, broker: &str) -> bool {
        self.items.get(broker).is_none_or(|item| item.reachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's table: slowness and failures leave a broker out for a time, which a success does not shorten.
    #[test]
    fn pauses() {
        let (options, mut faults) = (LatencyOptions::default(), LatencyFaults::default());
        let now = Instant::now();
        let at = |s: u64| now + Duration::from_millis(s);
        assert!(faults.is_available("a", now) && faults.is_reachable("a"));
        faults.update(&options, "a", Duration::from_millis(549), Outcome::Answered, now);
        assert!(faults.is_available("a", now));
        faults.update(&options, "a", Duration::from_millis(550), Outcome::Answered, now);
        assert!(!faults.is_available("a", at(1999)) && faults.is_available("a", at(2000)));
        faults.update(&options, "a", Duration::ZERO, Outcome::Unreachable, now);
        assert!(!faults.is_reachable("a") && !faults.is_available("a", at(9_999)));
        faults.update(&options, "a", Duration::ZERO, Outcome::Answered, at(1));
        assert!(
            faults.is_reachable("a") && !faults.is_available("a", at(9_999)) && faults.is_available("a", at(10_000))
        );
    }

    /// Every step of the default table.
    #[test]
    fn steps() {
        let options = LatencyOptions::default();
        let pause = |ms| options.pause(Duration::from_millis(ms)).as_millis();
        let seen = [0, 50, 100, 549, 550, 1800, 3000, 5000, 10_000, 15_000].map(pause);
        assert_eq!(seen, [0, 0, 0, 0, 2000, 5000, 6000, 10_000, 10_000, 30_000]);
    }
}
