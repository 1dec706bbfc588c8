//! What the counters of messages stood at at the last two midnights of the local time zone, from which tools compute what today and
//! yesterday brought (broker.md 2.4 "daily put/get counters", 12.4). As with the reference they count from the start of the broker.
//!
//! Looked at by the broker's housekeeping every ten seconds, so that a midnight is noticed that late at most. Lock: one mutex, held for
//! a comparison.
use parking_lot::Mutex;

/// A calendar day: year, month, day.
type Day = (i32, u32, u32);

/// Messages stored and messages given to consumers, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Stored for clients, without topics of the system.
    pub put: i64,
    /// Given to consumers.
    pub get: i64,
}

/// The counters at the last two midnights.
#[derive(Debug)]
pub struct Mornings(Mutex<State>);

#[derive(Debug)]
struct State {
    day: Day,
    yesterday: Totals,
    today: Totals,
}

impl Mornings {
    /// Nothing was counted before `day`.
    pub fn new(day: Day) -> Self {
        Self(Mutex::new(State { day, yesterday: Totals::default(), today: Totals::default() }))
    }

    /// Notes the counters when the day has changed since the last look.
    pub fn look(&self, day: Day, now: impl FnOnce() -> Totals) {
        let mut state = self.0.lock();
        if state.day != day {
            state.day = day;
            state.yesterday = state.today;
            state.today = now();
        }
    }

    /// The counters at the beginning of yesterday and of today.
    pub fn get(&self) -> (Totals, Totals) {
        let state = self.0.lock();
        (state.yesterday, state.today)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Counters move from today to yesterday at each midnight, and a look within a day changes nothing.
    #[test]
    fn two_midnights_are_kept() {
        let totals = |put, get| Totals { put, get };
        let mornings = Mornings::new((2024, 12, 30));
        mornings.look((2024, 12, 30), || totals(5, 3));
        assert_eq!(mornings.get(), (totals(0, 0), totals(0, 0)));
        mornings.look((2024, 12, 31), || totals(10, 7));
        mornings.look((2024, 12, 31), || totals(99, 99));
        assert_eq!(mornings.get(), (totals(0, 0), totals(10, 7)));
        mornings.look((2025, 1, 1), || totals(12, 8));
        assert_eq!(mornings.get(), (totals(10, 7), totals(12, 8)));
    }
}
