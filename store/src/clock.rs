//! The store's clock: milliseconds since 1970 as the system tells them, and as far off as a test wants.
//!
//! To ask the system costs a sixth of an append. So an appender asks the processor, whose count of ticks costs a third of that, and the
//! system only when it has counted on: each thread for itself, for what threads share costs more than the system's answer.
use crate::faults::clock_shift_ms;
use crate::platform::ticks;
use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ticks for which an answer of the system holds: less than a tenth of a millisecond, for no processor counts less than 1,000,000,000 a
/// second.
const HOLDS_TICKS: u64 = 100_000;

/// The time now.
pub(crate) fn now_ms() -> i64 {
    system_ms().saturating_add(clock_shift_ms())
}

/// The time a tenth of a millisecond ago, or less; a step of the clock shows as late.
#[inline]
pub(crate) fn recent_ms() -> i64 {
    thread_local! {
        /// The count when the system was asked last, and its answer. No processor has counted so far.
        static ASKED: Cell<(u64, i64)> = const { Cell::new((1 << 63, 0)) };
    }
    let Some(count) = ticks() else { return now_ms() };
    let (asked, mut answer) = ASKED.get();
    if count.wrapping_sub(asked) >= HOLDS_TICKS {
        answer = system_ms();
        ASKED.set((count, answer));
    }
    answer.saturating_add(clock_shift_ms())
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recent time is never ahead of the time, and follows it.
    #[test]
    fn the_recent_time_follows() {
        let start = now_ms();
        let mut recent = recent_ms();
        while recent < start + 20 {
            let before = now_ms();
            recent = recent_ms();
            assert!((before - 1..=now_ms()).contains(&recent), "{recent} after {before}");
        }
    }
}
