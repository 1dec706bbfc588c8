//! Results on their way into Python: one at a time for a thread that waits, in bulk for an event loop.
use crate::convert::span;
use crate::errors::{raised, value};
use crate::message::{MessageQueue, MessageView};
use crate::receipt::Receipt;
use ferromq_bridge::{Event, EventQueue, Failure, ReplyTo, SendResult, Slot, Value};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Events drained at a time: an event loop's other callbacks get their turn after this many.
const DRAIN_MAX: usize = 4096;

/// One result on which a thread waits.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Waiter(Slot);

#[pymethods]
impl Waiter {
    /// The result in a tuple of one, `None` when it is not there after this many seconds; raises when the call failed. A
    /// result is given once.
    fn wait<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let limit = span(seconds)?;
        let Some(event) = py.detach(|| self.0.wait(limit)) else { return Ok(None) };
        match outcome(py, event)? {
            Outcome::Good(result) => Ok(Some((result,))),
            Outcome::Failed(failure) => Err(raised(&failure)),
        }
    }
}

/// Makes a call whose result goes to the queue under `token`, or without one to the waiter that is returned.
pub fn begin(token: Option<u64>, call: impl FnOnce(ReplyTo) -> Result<(), Failure>) -> PyResult<Option<Waiter>> {
    let (to, waiter) = match token {
        Some(token) => (ReplyTo::Token(token), None),
        None => {
            let slot = Slot::default();
            (ReplyTo::Slot(slot.clone()), Some(Waiter(slot)))
        }
    };
    call(to).map_err(|failure| raised(&failure))?;
    Ok(waiter)
}

/// What was drained: tokens, results beside them (exceptions among them when the first flag is set), and whether there are
/// messages to take.
pub type Drained<'py> = (Bound<'py, PyList>, Bound<'py, PyList>, bool, bool);

/// Takes everything out of the queue that fits a turn.
pub fn drain<'py>(py: Python<'py>, queue: &EventQueue<Event>) -> PyResult<Drained<'py>> {
    let mut events = Vec::new();
    queue.drain(DRAIN_MAX, &mut events);
    let (mut tokens, mut results) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
    let (mut failed, mut ready) = (false, false);
    for event in events {
        match &event {
            Event::Ready => {
                ready = true;
                continue;
            }
            Event::Sent { token, .. } | Event::SentMany { token, .. } | Event::Done { token, .. } => {
                tokens.push(*token)
            }
        }
        results.push(match outcome(py, event)? {
            Outcome::Good(result) => result,
            Outcome::Failed(failure) => {
                failed = true;
                value(py, &failure)?
            }
        });
    }
    Ok((PyList::new(py, tokens)?, PyList::new(py, results)?, failed, ready))
}

/// Waits until there is something to drain.
pub fn wait(py: Python<'_>, queue: &EventQueue<Event>, seconds: f64) -> PyResult<bool> {
    let limit = span(seconds)?;
    Ok(py.detach(|| queue.wait(limit)))
}

enum Outcome<'py> {
    Good(Bound<'py, PyAny>),
    Failed(Failure),
}

fn outcome(py: Python<'_>, event: Event) -> PyResult<Outcome<'_>> {
    let good = match event {
        Event::Ready => py.None().into_bound(py),
        Event::Sent { result: Ok(None), .. } => py.None().into_bound(py),
        Event::Sent { result: Ok(Some(result)), .. } => Bound::new(py, Receipt(result))?.into_any(),
        Event::SentMany { results, .. } => receipts(py, results)?.into_any(),
        Event::Done { result: Ok(Value::Flushed { failed, first: Some(first) }), .. } => {
            let message = format!("{failed} enqueued messages were not sent, the first because: {}", first.message);
            return Ok(Outcome::Failed(Failure { message, ..first }));
        }
        Event::Done { result: Ok(result), .. } => done(py, result)?,
        Event::Sent { result: Err(failure), .. } | Event::Done { result: Err(failure), .. } => {
            return Ok(Outcome::Failed(failure))
        }
    };
    Ok(Outcome::Good(good))
}

/// Receipts, and exceptions in the places of those not sent.
fn receipts(py: Python<'_>, results: Vec<Result<SendResult, Failure>>) -> PyResult<Bound<'_, PyList>> {
    let each = results.into_iter().map(|result| match result {
        Ok(result) => Ok(Bound::new(py, Receipt(result))?.into_any()),
        Err(failure) => value(py, &failure),
    });
    PyList::new(py, each.collect::<PyResult<Vec<_>>>()?)
}

fn done(py: Python<'_>, result: Value) -> PyResult<Bound<'_, PyAny>> {
    match result {
        Value::Nothing | Value::Flushed { .. } => Ok(py.None().into_bound(py)),
        Value::Flag(flag) => Ok(flag.into_pyobject(py)?.to_owned().into_any()),
        Value::Offset(offset) => Ok(offset.into_pyobject(py)?),
        Value::Queues(queues) => {
            let queues = queues.into_iter().map(|queue| Bound::new(py, MessageQueue(queue)));
            Ok(PyList::new(py, queues.collect::<PyResult<Vec<_>>>()?)?.into_any())
        }
        Value::Messages(messages) => {
            let messages = messages.into_iter().map(|message| Bound::new(py, MessageView::polled(message)));
            Ok(PyList::new(py, messages.collect::<PyResult<Vec<_>>>()?)?.into_any())
        }
    }
}
