//! Messages as they are delivered, and the names of queues.
use ferromq_bridge::fork::Guarded;
use ferromq_bridge::{MessageExt, Taken};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyTzInfo};

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
    message: MessageExt,
    /// Of a push consumer, until it is settled. A forked child must not drop it.
    taken: Option<Guarded<Mutex<Option<Taken>>>>,
    body: PyOnceLock<Py<PyBytes>>,
    properties: PyOnceLock<Py<PyDict>>,
}

impl MessageView {
    /// Of a poll: nobody waits for what comes of it.
    pub fn polled(message: MessageExt) -> Self {
        Self { message, taken: None, body: PyOnceLock::new(), properties: PyOnceLock::new() }
    }

    /// Of a push consumer, to be settled.
    pub fn taken(taken: Taken) -> Self {
        let message = taken.message().clone();
        Self { taken: Some(Guarded::new(Mutex::new(Some(taken)))), ..Self::polled(message) }
    }

    /// What has to be settled; `None` the second time.
    pub fn take(&self) -> Option<Taken> {
        self.taken.as_ref()?.here()?.lock().take()
    }
}

/// Milliseconds since 1970 as an aware datetime in UTC.
fn moment(py: Python<'_>, millis: i64) -> PyResult<Bound<'_, PyDateTime>> {
    PyDateTime::from_timestamp(py, millis as f64 / 1000.0, Some(&*PyTzInfo::utc(py)?))
}

#[pymethods]
impl MessageView {
    /// The topic; of a message that comes again, the one it was sent to.
    #[getter]
    fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The body, decompressed.
    #[getter]
    fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.get_or_init(py, || PyBytes::new(py, self.message.body()).unbind()).clone_ref(py)
    }

    /// The tag.
    #[getter]
    fn tag(&self) -> Option<&str> {
        self.message.tag()
    }

    /// The keys.
    #[getter]
    fn keys(&self) -> Vec<&str> {
        self.message.keys().unwrap_or_default().split_whitespace().collect()
    }

    /// All properties, reserved ones included.
    #[getter]
    fn properties(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let made = self.properties.get_or_try_init(py, || {
            let properties = PyDict::new(py);
            for (name, value) in self.message.properties() {
                properties.set_item(name, value)?;
            }
            PyResult::Ok(properties.unbind())
        })?;
        Ok(made.clone_ref(py))
    }

    /// The sharding key.
    #[getter]
    fn sharding_key(&self) -> Option<&str> {
        self.message.sharding_key()
    }

    /// The unique id given by the producer; without one, the broker's id.
    #[getter]
    fn message_id(&self) -> String {
        self.message.message_id().into_owned()
    }

    /// The broker's id: its address and the offset in its log.
    #[getter]
    fn offset_message_id(&self) -> String {
        self.message.offset_message_id()
    }

    /// The queue it was read from.
    #[getter]
    fn queue(&self) -> MessageQueue {
        MessageQueue(self.message.queue())
    }

    /// Offset in the queue.
    #[getter]
    fn queue_offset(&self) -> i64 {
        self.message.queue_offset()
    }

    /// When the producer made it, milliseconds since 1970 by the producer's clock.
    #[getter]
    fn born_timestamp(&self) -> i64 {
        self.message.born_timestamp()
    }

    /// When the producer made it, by the producer's clock.
    #[getter]
    fn born_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        moment(py, self.message.born_timestamp())
    }

    /// When the broker stored it, milliseconds since 1970 by the broker's clock.
    #[getter]
    fn store_timestamp(&self) -> i64 {
        self.message.store_timestamp()
    }

    /// When the broker stored it, by the broker's clock.
    #[getter]
    fn store_time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        moment(py, self.message.store_timestamp())
    }

    /// Where it came from, as the broker saw it: host and port.
    #[getter]
    fn born_host(&self) -> String {
        self.message.born_host().to_string()
    }

    /// The broker that stored it: host and port.
    #[getter]
    fn store_host(&self) -> String {
        self.message.store_host().to_string()
    }

    /// How often it was delivered before and sent back.
    #[getter]
    fn reconsume_times(&self) -> i32 {
        self.message.reconsume_times()
    }

    fn __repr__(&self) -> String {
        let (message, queue) = (&self.message, self.message.queue());
        format!(
            "<ferromq.MessageView {} of {queue} at {}, {} bytes>",
            message.message_id(),
            message.queue_offset(),
            message.body().len()
        )
    }
}
