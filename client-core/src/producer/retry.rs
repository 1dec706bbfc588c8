//! When a send is tried again, after which pause, and how long one attempt may take (client.md 2.4): pure decisions
//! inside one time budget.
use std::time::Duration;

/// First pause before a request goes to the same broker again; doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// With less than this left, another attempt has no chance.
const LEFT_MIN: Duration = Duration::from_millis(5);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The request did not leave this machine.
    NotSent,
    /// It may have been executed: no answer, or the connection broke.
    Unknown,
    /// The broker refused it with a code that may pass elsewhere or later, or did not store it as configured.
    Refused,
    /// Nothing will change by trying again.
    Final,
}

/// The attempts of one send.
#[derive(Debug)]
pub(crate) struct Attempts {
    retries_left: u32,
    /// Requests to repeat at no charge are repeated at all.
    persistent: bool,
    /// Failures in a row without another broker to turn to.
    in_place: u32,
    /// Other brokers tried at no charge since the last pause.
    moved: u32,
}

/// Other brokers tried without a pause before one is made: a whole cluster that is gone must not be hammered.
const MOVES_WITHOUT_PAUSE: u32 = 3;

impl Attempts {
    pub(crate) fn new(retries: u32) -> Self {
        Self { retries_left: retries, persistent: retries > 0, in_place: 0, moved: 0 }
    }

    /// Time for the next attempt out of what is left of the budget. `cap`: the option; `other_broker`: there is somebody
    /// else to turn to afterwards.
    pub(crate) fn time(&self, left: Duration, cap: Option<Duration>, other_broker: bool) -> Duration {
        if self.retries_left == 0 {
            return left;
        }
        match cap {
            Some(cap) => left.min(cap),
            None if other_broker => left / 2,
            None => left,
        }
    }

    /// Whether to try again, and after which pause. `None`: give up.
    pub(crate) fn again(&mut self, failed: Failed, left: Duration, other_broker: bool) -> Option<Duration> {
        let free = failed == Failed::NotSent && self.persistent;
        if failed == Failed::Final || left < LEFT_MIN || (!free && self.retries_left == 0) {
            return None;
        }
        if !free {
            self.retries_left -= 1;
        }
        if other_broker && self.moved < MOVES_WITHOUT_PAUSE {
            self.moved += 1;
            return Some(Duration::ZERO);
        }
        self.moved = 0;
        let pause = PAUSE_FIRST.saturating_mul(1 << self.in_place.min(8)).min(PAUSE_MAX);
        self.in_place += 1;
        Some(pause.min(left.saturating_sub(LEFT_MIN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(3);

    /// Failures after which the message may be stored are retried as often as configured, refusals too.
    #[test]
    fn retries_are_counted() {
        let mut attempts = Attempts::new(2);
        assert_eq!(attempts.again(Failed::Unknown, LEFT, true), Some(Duration::ZERO));
        assert_eq!(attempts.again(Failed::Refused, LEFT, true), Some(Duration::ZERO));
        assert_eq!(attempts.again(Failed::Unknown, LEFT, true), None);
        assert_eq!(Attempts::new(2).again(Failed::Final, LEFT, true), None);
        assert_eq!(Attempts::new(0).again(Failed::NotSent, LEFT, true), None);
    }

    /// A request that did not leave is repeated until the budget ends, with growing pauses.
    #[test]
    fn unsent_requests_last() {
        let mut attempts = Attempts::new(1);
        let pauses: Vec<_> =
            (0..6).map(|_| attempts.again(Failed::NotSent, LEFT, false).unwrap().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 500, 500]);
        assert_eq!(attempts.again(Failed::NotSent, Duration::from_millis(4), false), None);
        let short = attempts.again(Failed::NotSent, Duration::from_millis(25), false);
        assert_eq!(short, Some(Duration::from_millis(20)), "a pause leaves time for the attempt");
    }

    /// Turning to other brokers costs no pause at first; when all fail, pauses begin.
    #[test]
    fn a_dead_cluster_is_not_hammered() {
        let mut attempts = Attempts::new(2);
        let pauses: Vec<_> = (0..5).map(|_| attempts.again(Failed::NotSent, LEFT, true).unwrap().as_millis()).collect();
        assert_eq!(pauses, [0, 0, 0, 50, 0]);
    }

    /// The first attempt leaves time for a second one when there is another broker; the last gets everything.
    #[test]
    fn time_is_reserved() {
        let mut attempts = Attempts::new(1);
        assert_eq!(attempts.time(LEFT, None, true), LEFT / 2);
        assert_eq!(attempts.time(LEFT, None, false), LEFT);
        assert_eq!(attempts.time(LEFT, Some(Duration::from_secs(1)), false), Duration::from_secs(1));
        attempts.again(Failed::Unknown, LEFT, true);
        assert_eq!(attempts.time(LEFT, Some(Duration::from_secs(1)), true), LEFT);
    }
}
