//! Log records on their way to Python's `logging`. A Python thread waits here and hands them on.
use crate::convert::span;
use ferromq_bridge::{log, EventQueue, WakeUp};
use pyo3::prelude::*;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;
use tracing::Level;

/// Wakes the thread that waits for records; several pushes before it looks count as one.
static ARRIVED: LazyLock<EventQueue<()>> = LazyLock::new(|| EventQueue::new(WakeUp::Condition));

/// Starts gathering.
#[pyfunction]
pub fn log_install() {
    log::install(Some(Box::new(|| ARRIVED.push(()))));
}

/// Waits for records; true when there may be some.
#[pyfunction]
pub fn log_wait(py: Python<'_>, seconds: f64) -> PyResult<bool> {
    let limit = span(seconds)?;
    let arrived = py.detach(|| ARRIVED.wait(limit));
    ARRIVED.drain(usize::MAX, &mut Vec::new());
    Ok(arrived)
}

/// Python's level, logger, text, and seconds since 1970.
type Line = (u32, String, String, f64);

/// All records gathered, and how many were thrown away because nobody drained them.
#[pyfunction]
pub fn log_drain() -> (Vec<Line>, u64) {
    let (records, dropped) = log::drain();
    let lines = records.into_iter().map(|record| {
        let seconds = record.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        (number(record.level), logger(record.target), record.message, seconds)
    });
    (lines.collect(), dropped)
}

/// The least bad level, as Python counts, that is gathered.
#[pyfunction]
pub fn log_level(level: u32) {
    let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    log::set_level(levels.into_iter().find(|found| number(*found) >= level));
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        _ => 5,
    }
}

/// `ferromq_remoting::driver` becomes `ferromq.remoting.driver`.
fn logger(target: &str) -> String {
    let target = target.replace("::", ".");
    match target.strip_prefix("ferromq_") {
        Some(rest) => format!("ferromq.{rest}"),
        None => target,
    }
}
