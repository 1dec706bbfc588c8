//! The producer. With a token a result goes to the queue; without one a waiter for it is returned.
use crate::convert::{message_of, span, Draft};
use crate::errors::raised;
use crate::message::MessageQueue;
use crate::options::{self, DIALECT};
use crate::reply::{self, begin, Drained, Waiter};
use ferromq_bridge::options::{ProducerConfig, PRODUCER_OPTIONS};
use ferromq_bridge::{How, ReplyTo, WakeUp};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// See the module.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Producer(ferromq_bridge::Producer);

/// A wake-up that event loops can watch.
pub fn wake_up() -> PyResult<WakeUp> {
    WakeUp::descriptor().map_err(PyErr::from)
}

#[pymethods]
#[allow(clippy::too_many_arguments, reason = "the parts of a message, each of which Python gives by position")]
impl Producer {
    #[new]
    fn new(group: &str, options: &Bound<'_, PyDict>, echo: bool) -> PyResult<Self> {
        let mut config = ProducerConfig::new(group, DIALECT);
        options::set(&mut config, PRODUCER_OPTIONS, options)?;
        let make = if echo { ferromq_bridge::Producer::echo } else { ferromq_bridge::Producer::new };
        make(config, wake_up()?).map(Self).map_err(|failure| raised(&failure))
    }

    fn fileno(&self) -> PyResult<Option<i32>> {
        Ok(self.0.events().map_err(|failure| raised(&failure))?.descriptor())
    }

    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        reply::wait(py, self.0.events().map_err(|failure| raised(&failure))?, seconds)
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Drained<'py>> {
        reply::drain(py, self.0.events().map_err(|failure| raised(&failure))?)
    }

    fn start(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.0.start(to))
    }

    #[pyo3(signature = (token, topic, body, key, tag, properties, sharding_key, delay_level, queue, /))]
    fn send(
        &self,
        token: Option<u64>,
        topic: &str,
        body: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        tag: Option<&str>,
        properties: Option<&Bound<'_, PyAny>>,
        sharding_key: Option<&str>,
        delay_level: i32,
        queue: Option<&Bound<'_, MessageQueue>>,
    ) -> PyResult<Option<Waiter>> {
        let draft = Draft { topic, body, key, tag, properties, sharding_key, delay_level, queue };
        let (message, how) = draft.finish()?;
        begin(token, |to| self.0.send(message, how, to))
    }

    #[pyo3(signature = (token, topic, body, key, tag, properties, delay_level, /))]
    fn send_oneway(
        &self,
        token: Option<u64>,
        topic: &str,
        body: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        tag: Option<&str>,
        properties: Option<&Bound<'_, PyAny>>,
        delay_level: i32,
    ) -> PyResult<Option<Waiter>> {
        let draft = Draft { topic, body, key, tag, properties, sharding_key: None, delay_level, queue: None };
        let (message, _) = draft.finish()?;
        begin(token, |to| self.0.send(message, How::OneWay, to))
    }

    fn send_many(&self, token: Option<u64>, messages: &Bound<'_, PyList>) -> PyResult<Option<Waiter>> {
        let messages = messages.iter().enumerate().map(|(at, message)| message_of(at, &message));
        let messages = messages.collect::<PyResult<Vec<_>>>()?;
        begin(token, |to| self.0.send_many(messages, to))
    }

    /// Without a token only a flush hears what came of it.
    #[pyo3(signature = (token, topic, body, key, tag, properties, sharding_key, delay_level, queue, /))]
    fn enqueue(
        &self,
        token: Option<u64>,
        topic: &str,
        body: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        tag: Option<&str>,
        properties: Option<&Bound<'_, PyAny>>,
        sharding_key: Option<&str>,
        delay_level: i32,
        queue: Option<&Bound<'_, MessageQueue>>,
    ) -> PyResult<()> {
        let draft = Draft { topic, body, key, tag, properties, sharding_key, delay_level, queue };
        let (message, how) = draft.finish()?;
        let to = token.map_or(ReplyTo::Nobody, ReplyTo::Token);
        self.0.enqueue(message, how, to).map_err(|failure| raised(&failure))
    }

    fn flush(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.0.flush(to))
    }

    fn close(&self, token: Option<u64>, seconds: f64) -> PyResult<Option<Waiter>> {
        let limit = span(seconds)?;
        begin(token, |to| self.0.close(limit, to))
    }
}
