//! The push consumer: Python takes messages and settles them.
use crate::convert::span;
use crate::errors::raised;
use crate::message::{MessageQueue, MessageView};
use crate::options::{self, DIALECT};
use crate::producer::wake_up;
use crate::reply::{self, begin, Drained, Waiter};
use ferromq_bridge::options::{PushConfig, PUSH_OPTIONS};
use ferromq_bridge::{Failure, Feed, Outcome, Taken};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::time::Duration;

/// An outcome: consumed. Numbers from -1 on are the delay level of a message that shall come again.
pub const CONSUMED: i32 = -3;
/// An outcome: not looked at.
pub const RELEASED: i32 = -2;

/// See the module.
#[pyclass(frozen, module = "ferromq._native")]
pub struct PushConsumer {
    inner: ferromq_bridge::PushConsumer,
}

impl From<ferromq_bridge::PushConsumer> for PushConsumer {
    fn from(inner: ferromq_bridge::PushConsumer) -> Self {
        Self { inner }
    }
}

fn outcome(number: i32) -> Outcome {
    match number {
        CONSUMED => Outcome::Consumed,
        RELEASED => Outcome::Release,
        delay_level => Outcome::Retry { delay_level },
    }
}

fn views<'py>(py: Python<'py>, taken: Result<Vec<Taken>, Failure>) -> PyResult<Bound<'py, PyList>> {
    let taken = taken.map_err(|failure| raised(&failure))?;
    let views = taken.into_iter().map(|taken| Bound::new(py, MessageView::taken(taken)));
    PyList::new(py, views.collect::<PyResult<Vec<_>>>()?)
}

#[pymethods]
impl PushConsumer {
    #[new]
    fn new(
        group: &str,
        options: &Bound<'_, PyDict>,
        orderly: bool,
        subscriptions: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let mut config = PushConfig::new(group, DIALECT);
        options::set(&mut config, PUSH_OPTIONS, options)?;
        ferromq_bridge::PushConsumer::new(config, orderly, &subscriptions, wake_up()?)
            .map(Self::from)
            .map_err(|failure| raised(&failure))
    }

    /// A consumer of made-up messages, for tests and benchmarks: so many, of so many bytes, so many per second.
    #[staticmethod]
    fn echo(count: usize, body_len: usize, rate: u32) -> PyResult<Self> {
        ferromq_bridge::PushConsumer::echo(Feed::new(count, body_len, rate), wake_up()?)
            .map(Self::from)
            .map_err(|failure| raised(&failure))
    }

    fn fileno(&self) -> PyResult<Option<i32>> {
        Ok(self.inner.events().map_err(|failure| raised(&failure))?.descriptor())
    }

    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        reply::wait(py, self.inner.events().map_err(|failure| raised(&failure))?, seconds)
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Drained<'py>> {
        reply::drain(py, self.inner.events().map_err(|failure| raised(&failure))?)
    }

    fn start(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.inner.start(to))
    }

    /// What is there now, after the queue said that there are messages.
    fn take<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Bound<'py, PyList>> {
        views(py, self.inner.take(max))
    }

    /// Waits for messages, for threads. What is there is taken without giving up the interpreter's lock: beside a busy thread
    /// getting it back costs far more than the messages.
    fn take_wait<'py>(&self, py: Python<'py>, max: usize, seconds: f64) -> PyResult<Bound<'py, PyList>> {
        let limit = span(seconds)?;
        let mut taken = self.inner.take_wait(max, Duration::ZERO);
        if taken.as_ref().is_ok_and(Vec::is_empty) {
            taken = py.detach(|| self.inner.take_wait(max, limit));
        }
        views(py, taken)
    }

    /// Says what came of messages and takes them out of the list; without outcomes all were consumed. A message that was
    /// settled before is left out.
    #[pyo3(signature = (messages, outcomes = None))]
    fn settle(&self, messages: &Bound<'_, PyList>, outcomes: Option<Vec<i32>>) -> PyResult<()> {
        let mut settled = Vec::with_capacity(messages.len());
        for (at, message) in messages.iter().enumerate() {
            let number = outcomes.as_ref().and_then(|outcomes| outcomes.get(at)).copied().unwrap_or(CONSUMED);
            let view = message.cast::<MessageView>()?;
            // The list and we here: nobody will look at it any more. (The stable interface counts under the lock.)
            #[expect(deprecated, reason = "what replaces it needs unsafe code")]
            let is_last = view.get_refcnt() <= 2;
            if let Some(taken) = view.get().settle(is_last) {
                settled.push((taken, outcome(number)));
            }
        }
        messages.del_slice(0, messages.len())?;
        self.inner.settle(settled).map_err(|failure| raised(&failure))
    }

    fn close(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.inner.close(to))
    }

    fn assigned_queues(&self) -> PyResult<Vec<MessageQueue>> {
        let queues = self.inner.assigned_queues().map_err(|failure| raised(&failure))?;
        Ok(queues.into_iter().map(MessageQueue).collect())
    }
}
