//! The bridge into Python that one would write first: every send is a native future (`future_into_py`), every message is
//! received by a call of its own. Only for `cargo xtask bench bridge`; never packaged.
#![deny(unsafe_code)]
use ferromq_bridge::{Feed, Outcome, WakeUp};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
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
struct Consumer(ferromq_bridge::PushConsumer);

#[pymethods]
impl Consumer {
    #[new]
    fn new(count: usize, body_len: usize, rate: u32) -> PyResult<Self> {
        let feed = Feed::new(count, body_len, rate);
        ferromq_bridge::PushConsumer::echo(feed, WakeUp::Condition).map(Self).map_err(failed)
    }

    /// Waits for the next body and settles its message; `None` when none came in time.
    fn receive<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let limit = Duration::from_secs_f64(seconds);
        let taken = py.detach(|| self.0.take_wait(1, limit)).map_err(failed)?;
        let body = taken.first().map(|taken| PyBytes::new(py, taken.message().body()));
        let settled = taken.into_iter().map(|taken| (taken, Outcome::Consumed)).collect();
        py.detach(|| self.0.settle(settled)).map_err(failed)?;
        Ok(body)
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
