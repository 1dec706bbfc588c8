//! Messages as they are delivered, and the names of queues.
use ferromq_bridge::fork::Birth;
use ferromq_bridge::{MessageExt, Taken};
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyString, PyTzInfo};
use std::sync::OnceLock;

/// One queue of a topic on one broker.
#[pyclass(frozen, eq, ord, hash, module = "ferromq")]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageQueue(pub ferromq_bridge::MessageQueue);

#[pymethods]
impl MessageQueue {
    #[new]
    fn new(topic: String, broker_name: String, queue_id: i32) -> Self {
        Self(ferromq_bridge::MessageQueue::new(topic, broker_name, queue_id))
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("topic", "broker_name", "queue_id")
    }

    /// Topic.
    #[getter]
    fn topic(&self) -> &str {
        &self.0.topic
    }

    /// Name of the broker.
    #[getter]
    fn broker_name(&self) -> &str {
        &self.0.broker_name
    }

    /// Number of the queue.
    #[getter]
    fn queue_id(&self) -> i32 {
        self.0.queue_id
    }

    /// For `copy` and `pickle`.
    fn __getnewargs__(&self) -> (&str, &str, i32) {
        (&self.0.topic, &self.0.broker_name, self.0.queue_id)
    }

    fn __repr__(&self) -> String {
        let ferromq_bridge::MessageQueue { topic, broker_name, queue_id } = &self.0;
        format!("MessageQueue(topic={topic:?}, broker_name={broker_name:?}, queue_id={queue_id})")
    }
}

/// A received message. What it holds becomes Python's when it is looked at.
#[pyclass(frozen, module = "ferromq")]
pub struct MessageView {
    origin: Mutex<Origin>,
    birth: Birth,
    body: OnceLock<Py<PyBytes>>,
    properties: OnceLock<Py<PyDict>>,
}

/// Where the message is. Boxed: it is large, and moved more often than looked at.
enum Origin {
    /// Of a push consumer, not settled. A forked child must not drop it.
    Taken(Box<Taken>),
    /// Here: polled, or settled.
    Plain(Box<MessageExt>),
    /// Settled when nobody had it any more.
    Gone,
}

impl MessageView {
    /// Of a poll: nobody waits for what comes of it.
    pub fn polled(message: MessageExt) -> Self {
        Self::new(Origin::Plain(Box::new(message)))
    }

    /// Of a push consumer, to be settled.
    pub fn taken(taken: Taken) -> Self {
        Self::new(Origin::Taken(Box::new(taken)))
    }

    fn new(origin: Origin) -> Self {
        Self { origin: Mutex::new(origin), birth: Birth::now(), body: OnceLock::new(), properties: OnceLock::new() }
    }

    /// What has to be settled; `None` the second time, and in a forked child. `is_last`: nobody will look at it any more.
    pub fn settle(&self, is_last: bool) -> Option<Taken> {
        let mut origin = self.origin.lock();
        let Origin::Taken(taken) = &*origin else { return None };
        if !self.birth.is_here() {
            return None;
        }
        let left = if is_last { Origin::Gone } else { Origin::Plain(Box::new(taken.message().clone())) };
        match std::mem::replace(&mut *origin, left) {
            Origin::Taken(taken) => Some(*taken),
            Origin::Plain(_) | Origin::Gone => None,
        }
    }

    /// Looks at the message. Under a lock: `at` makes nothing that Python's garbage collector tracks, or the collector could
    /// run here, give up the interpreter, and another thread would wait for this lock with the interpreter in its hands.
    fn look<T>(&self, at: impl FnOnce(&MessageExt) -> T) -> PyResult<T> {
        match &*self.origin.lock() {
            Origin::Taken(taken) => Ok(at(taken.message())),
            Origin::Plain(message) => Ok(at(message)),
            Origin::Gone => Err(PyRuntimeError::new_err("this message was settled and given up")),
        }
    }
}

impl Drop for MessageView {
    fn drop(&mut self) {
        if !self.birth.is_here() {
            std::mem::forget(std::mem::replace(self.origin.get_mut(), Origin::Gone));
        }
    }
}

/// What a cell holds, made when it is looked at first. Unlike `PyOnceLock` it never gives up the interpreter's lock, which
/// a busy thread would keep for 5 ms and more; two threads may make it, and one of both is kept.
fn once<T>(py: Python<'_>, cell: &OnceLock<Py<T>>, make: impl FnOnce() -> PyResult<Py<T>>) -> PyResult<Py<T>> {
    let made = match cell.get() {
        Some(made) => return Ok(made.clone_ref(py)),
        None => make()?,
    };
    Ok(cell.get_or_init(|| made).clone_ref(py))
}

/// Milliseconds since 1970 as an aware datetime in UTC.
fn moment(py: Python<'_>, millis: i64) -> PyResult<Bound<'_, PyDateTime>> {
    PyDateTime::from_timestamp(py, millis as f64 / 1000.0, Some(&*PyTzInfo::utc(py)?))
}

#[pymethods]
impl MessageView {
    /// The topic; of a message that comes again, the one it was sent to.
    #[getter]
    fn topic<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.look(|message| PyString::new(py, message.topic()))
    }

    /// The body, decompressed.
    #[getter]
    fn body(&self, py: Python<'_>) -> PyResult<Py<PyBytes>> {
        once(py, &self.body, || self.look(|message| PyBytes::new(py, message.body()).unbind()))
    }

    /// The tag.
    #[getter]
    fn tag<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.look(|message| message.tag().map(|text| PyString::new(py, text)))
    }

    /// The keys.
    #[getter]
    fn keys(&self) -> PyResult<Vec<String>> {
        self.look(|message| message.keys().unwrap_or_default().split_whitespace().map(str::to_owned).collect())
    }

    /// All properties, reserved ones included.
    #[getter]
    fn properties(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        once(py, &self.properties, || {
            let properties = PyDict::new(py);
            self.look(|message| message.properties().try_for_each(|(name, value)| properties.set_item(name, value)))??;
            Ok(properties.unbind())
        })
    }

    /// The sharding key.
    #[getter]
    fn sharding_key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.look(|message| message.sharding_key().map(|text| PyString::new(py, text)))
    }

    /// The unique id given by the producer; without one, the broker's id.
    #[getter]
    fn message_id(&self) -> PyResult<String> {
        self.look(|message| message.message_id().into_owned())
    }

    /// The broker's id: its address and the offset in its log.
    #[getter]
    fn offset_message_id(&self) -> PyResult<String> {
        self.look(|message| message.offset_message_id())
    }

    /// The queue it was read from.
    #[getter]
    fn queue(&self) -> PyResult<MessageQueue> {
        self.look(|message| MessageQueue(message.queue()))
    }

    /// Offset in the queue.
    #[getter]
    fn queue_offset(&self) -> PyResult<i64> {
        self.look(|message| message.queue_offset())
    }

    /// When the producer made it, milliseconds since 1970 by the producer's clock.
    #[getter]
    fn born_timestamp(&self) -> PyResult<i64> {
        self.look(|message| message.born_timestamp())
    }

    /// When the producer made it, by the producer's clock.
    #[getter]
    fn born_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        moment(py, self.look(MessageExt::born_timestamp)?)
    }

    /// When the broker stored it, milliseconds since 1970 by the broker's clock.
    #[getter]
    fn store_timestamp(&self) -> PyResult<i64> {
        self.look(|message| message.store_timestamp())
    }

    /// When the broker stored it, by the broker's clock.
    #[getter]
    fn store_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        moment(py, self.look(MessageExt::store_timestamp)?)
    }

    /// Where it came from, as the broker saw it: host and port.
    #[getter]
    fn born_host(&self) -> PyResult<String> {
        self.look(|message| message.born_host().to_string())
    }

    /// The broker that stored it: host and port.
    #[getter]
    fn store_host(&self) -> PyResult<String> {
        self.look(|message| message.store_host().to_string())
    }

    /// How often it was delivered before and sent back.
    #[getter]
    fn reconsume_times(&self) -> PyResult<i32> {
        self.look(|message| message.reconsume_times())
    }

    fn __repr__(&self) -> PyResult<String> {
        self.look(|message| {
            let (id, queue, bytes) = (message.message_id(), message.queue(), message.body().len());
            format!("<ferromq.MessageView {id} of {queue} at {}, {bytes} bytes>", message.queue_offset())
        })
    }
}
