//! The bridge into Python that one would write first: every send is a native future (`future_into_py`), every message is
//! received by one. Only for `cargo xtask bench bridge`; never packaged.
#![deny(unsafe_code)]
use ferromq_bridge::{Feed, Outcome, WakeUp};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

fn failed(error: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A message that waits to be answered.
type Job = (Vec<u8>, oneshot::Sender<usize>);

/// A producer whose messages are answered by a task, without a network.
#[pyclass(frozen)]
struct Producer(mpsc::UnboundedSender<Job>);

#[pymethods]
impl Producer {
    #[new]
    fn new() -> Self {
        let (jobs, mut line) = mpsc::unbounded_channel::<Job>();
        pyo3_async_runtimes::tokio::get_runtime().spawn(async move {
            while let Some((body, reply)) = line.recv().await {
                // Nobody waits any more when the caller was cancelled.
                let _ = reply.send(body.len());
            }
        });
        Self(jobs)
    }

    /// An awaitable of the answer.
    fn send<'py>(&self, py: Python<'py>, _topic: &str, body: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let (jobs, body) = (self.0.clone(), body.to_vec());
        pyo3_async_runtimes::tokio::future_into_py(py, async move {
            let (reply, answer) = oneshot::channel();
            jobs.send((body, reply)).map_err(failed)?;
            answer.await.map_err(failed)
        })
    }
}

/// A consumer of made-up messages.
#[pyclass(frozen)]
struct Consumer(Arc<ferromq_bridge::PushConsumer>);

#[pymethods]
impl Consumer {
    #[new]
    fn new(count: usize, body_len: usize, rate: u32) -> PyResult<Self> {
        let feed = Feed::new(count, body_len, rate);
        ferromq_bridge::PushConsumer::echo(feed, WakeUp::Condition).map(|made| Self(Arc::new(made))).map_err(failed)
    }

    /// An awaitable of the next body, whose message is settled then.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let consumer = self.0.clone();
        pyo3_async_runtimes::tokio::future_into_py(py, async move {
            let taken = loop {
                let taken = consumer.take(1).map_err(failed)?;
                if !taken.is_empty() {
                    break taken;
                }
                tokio::time::sleep(Duration::from_micros(100)).await;
            };
            let body = taken.first().map(|taken| taken.message().body().to_vec()).unwrap_or_default();
            let settled = taken.into_iter().map(|taken| (taken, Outcome::Consumed)).collect();
            consumer.settle(settled).map_err(failed)?;
            Ok(Cow::<[u8]>::Owned(body))
        })
    }
}

/// The module.
#[pymodule(gil_used = false)]
mod ferromq_naive {
    #[pymodule_export]
    use super::Consumer;
    #[pymodule_export]
    use super::Producer;
}
