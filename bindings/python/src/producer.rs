//! The producer. With a token a result goes to the queue; without one a waiter for it is returned.
use crate::convert::{message_of, span, Draft};
use crate::errors::raised;
use crate::message::MessageQueue;
use crate::options::{self, DIALECT};
use crate::reply::{self, begin, Drained, Waiter};
use ferromq_bridge::options::{ProducerConfig, PRODUCER_OPTIONS};
use ferromq_bridge::{Event, EventQueue, How, Message, ReplyTo, WakeUp};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// See the module.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Producer {
    inner: ferromq_bridge::Producer,
    /// What was sent in this turn of an event loop and not given on yet.
    gathered: Mutex<Vec<(Message, How, ReplyTo)>>,
}

/// A wake-up that event loops can watch.
pub fn wake_up() -> PyResult<WakeUp> {
    WakeUp::descriptor().map_err(PyErr::from)
}

fn token_of(to: &ReplyTo) -> Option<u64> {
    match to {
        ReplyTo::Token(token) => Some(*token),
        ReplyTo::Slot(_) | ReplyTo::Nobody => None,
    }
}

impl Producer {
    fn events(&self) -> PyResult<&EventQueue<Event>> {
        self.inner.events().map_err(|failure| raised(&failure))
    }
}

#[pymethods]
#[allow(clippy::too_many_arguments, reason = "the parts of a message, each of which Python gives by position")]
impl Producer {
    #[new]
    fn new(group: &str, options: &Bound<'_, PyDict>, echo: bool) -> PyResult<Self> {
        let mut config = ProducerConfig::new(group, DIALECT);
        options::set(&mut config, PRODUCER_OPTIONS, options)?;
        let make = if echo { ferromq_bridge::Producer::echo } else { ferromq_bridge::Producer::new };
        let inner = make(config, wake_up()?).map_err(|failure| raised(&failure))?;
        Ok(Self { inner, gathered: Mutex::default() })
    }

    fn fileno(&self) -> PyResult<Option<i32>> {
        Ok(self.events()?.descriptor())
    }

    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        reply::wait(py, self.events()?, seconds)
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Drained<'py>> {
        reply::drain(py, self.events()?)
    }

    fn start(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.inner.start(to))
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
        begin(token, |to| self.inner.send(message, how, to))
    }

    /// A send with a token that waits for [`Self::submit`], which has to be called when this says true: all that is sent in a
    /// turn of an event loop wakes the runtime once.
    #[pyo3(signature = (token, topic, body, key, tag, properties, sharding_key, delay_level, queue, /))]
    fn gather(
        &self,
        token: u64,
        topic: &str,
        body: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        tag: Option<&str>,
        properties: Option<&Bound<'_, PyAny>>,
        sharding_key: Option<&str>,
        delay_level: i32,
        queue: Option<&Bound<'_, MessageQueue>>,
    ) -> PyResult<bool> {
        // In a forked child this is where it is said.
        self.events()?;
        let draft = Draft { topic, body, key, tag, properties, sharding_key, delay_level, queue };
        let (message, how) = draft.finish()?;
        let mut gathered = self.gathered.lock();
        gathered.push((message, how, ReplyTo::Token(token)));
        Ok(gathered.len() == 1)
    }

    /// Gives on what was gathered. Nothing is raised: what goes wrong is the result of each.
    fn submit(&self) -> PyResult<()> {
        let gathered = std::mem::take(&mut *self.gathered.lock());
        let tokens: Vec<u64> = gathered.iter().filter_map(|(_, _, to)| token_of(to)).collect();
        if let Err(failure) = self.inner.send_each(gathered) {
            let refused = tokens.into_iter().map(|token| Event::Sent { token, result: Err(failure.clone()) });
            self.events()?.extend(refused);
        }
        Ok(())
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
        begin(token, |to| self.inner.send(message, How::OneWay, to))
    }

    fn send_many(&self, token: Option<u64>, messages: &Bound<'_, PyList>) -> PyResult<Option<Waiter>> {
        let messages = messages.iter().enumerate().map(|(at, message)| message_of(at, &message));
        let messages = messages.collect::<PyResult<Vec<_>>>()?;
        begin(token, |to| self.inner.send_many(messages, to))
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
        self.inner.enqueue(message, how, to).map_err(|failure| raised(&failure))
    }

    fn flush(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        self.submit()?;
        begin(token, |to| self.inner.flush(to))
    }

    fn close(&self, token: Option<u64>, seconds: f64) -> PyResult<Option<Waiter>> {
        let limit = span(seconds)?;
        self.submit()?;
        begin(token, |to| self.inner.close(limit, to))
    }
}
