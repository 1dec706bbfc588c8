//! What a broker said about a message that it has stored.
use crate::message::MessageQueue;
use ferromq_bridge::SendResult;
use pyo3::prelude::*;

/// The answer to a send. Its parts become Python's when they are looked at.
#[pyclass(frozen, module = "ferromq")]
pub struct Receipt(pub SendResult);

#[pymethods]
impl Receipt {
    /// How it was stored: `SEND_OK`, `FLUSH_DISK_TIMEOUT`, `FLUSH_SLAVE_TIMEOUT` or `SLAVE_NOT_AVAILABLE`. With every
    /// one of them it is stored on the master.
    #[getter]
    fn status(&self) -> &'static str {
        self.0.status.name()
    }

    /// The unique id that this client gave the message.
    #[getter]
    fn message_id(&self) -> &str {
        &self.0.message_id
    }

    /// The broker's id: its address and the offset in its log.
    #[getter]
    fn offset_message_id(&self) -> &str {
        &self.0.offset_message_id
    }

    /// The queue that took it.
    #[getter]
    fn queue(&self) -> MessageQueue {
        MessageQueue(self.0.queue.clone())
    }

    /// Its offset there.
    #[getter]
    fn queue_offset(&self) -> i64 {
        self.0.queue_offset
    }

    /// Region of the broker.
    #[getter]
    fn region_id(&self) -> &str {
        &self.0.region_id
    }

    fn __repr__(&self) -> String {
        let SendResult { message_id, status, queue, queue_offset, .. } = &self.0;
        format!("<ferromq.Receipt {} {message_id} of {queue} at {queue_offset}>", status.name())
    }
}
