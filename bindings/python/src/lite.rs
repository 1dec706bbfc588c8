//! The lite pull consumer: one entry for all its calls, by name.
use crate::convert::span;
use crate::errors::raised;
use crate::message::MessageQueue;
use crate::options::{self, DIALECT};
use crate::producer::wake_up;
use crate::reply::{self, begin, Drained, Waiter};
use ferromq_bridge::options::{LiteConfig, LITE_OPTIONS};
use ferromq_bridge::LiteCall;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// See the module.
#[pyclass(frozen, module = "ferromq._native")]
pub struct LitePullConsumer(ferromq_bridge::LitePullConsumer);

/// The arguments of a call.
struct Args<'a, 'py>(&'a Bound<'py, PyTuple>);

impl Args<'_, '_> {
    fn text(&self, at: usize) -> PyResult<String> {
        self.0.get_item(at)?.extract()
    }

    fn number(&self, at: usize) -> PyResult<i64> {
        self.0.get_item(at)?.extract()
    }

    fn queue(&self, at: usize) -> PyResult<ferromq_bridge::MessageQueue> {
        queue_of(&self.0.get_item(at)?)
    }

    fn queues(&self, at: usize) -> PyResult<Vec<ferromq_bridge::MessageQueue>> {
        self.0.get_item(at)?.try_iter()?.map(|queue| queue_of(&queue?)).collect()
    }

    fn offsets(&self, at: usize) -> PyResult<Vec<(ferromq_bridge::MessageQueue, i64)>> {
        let offsets = self.0.get_item(at)?;
        let offsets = offsets.cast::<PyDict>()?;
        offsets.iter().map(|(queue, offset)| Ok((queue_of(&queue)?, offset.extract()?))).collect()
    }
}

fn queue_of(value: &Bound<'_, PyAny>) -> PyResult<ferromq_bridge::MessageQueue> {
    let Ok(queue) = value.cast::<MessageQueue>() else {
        let given = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a queue is a ferromq.MessageQueue, not {given}")));
    };
    Ok(queue.get().0.clone())
}

/// The call of a name.
fn call_of(what: &str, args: &Args<'_, '_>) -> PyResult<LiteCall> {
    Ok(match what {
        "start" => LiteCall::Start,
        "subscribe" => LiteCall::Subscribe(args.text(0)?, args.text(1)?),
        "unsubscribe" => LiteCall::Unsubscribe(args.text(0)?),
        "assign" => LiteCall::Assign(args.queues(0)?, args.text(1)?),
        "poll" => LiteCall::Poll(span(args.0.get_item(0)?.extract()?)?),
        "commit" => LiteCall::Commit,
        "commit_except" => LiteCall::CommitExcept(args.offsets(0)?),
        "commit_offsets" => LiteCall::CommitOffsets(args.offsets(0)?),
        "committed" => LiteCall::Committed(args.queue(0)?),
        "seek" => LiteCall::Seek(args.queue(0)?, args.number(1)?),
        "seek_to_begin" => LiteCall::SeekToBegin(args.queue(0)?),
        "seek_to_end" => LiteCall::SeekToEnd(args.queue(0)?),
        "pause" => LiteCall::Pause(args.queues(0)?),
        "resume" => LiteCall::Resume(args.queues(0)?),
        "assignment" => LiteCall::Assignment,
        "position" => LiteCall::Position(args.queue(0)?),
        "queues" => LiteCall::Queues(args.text(0)?),
        "offset_for_time" => LiteCall::OffsetForTime(args.queue(0)?, args.number(1)?),
        "min_offset" => LiteCall::MinOffset(args.queue(0)?),
        "max_offset" => LiteCall::MaxOffset(args.queue(0)?),
        other => return Err(PyKeyError::new_err(other.to_owned())),
    })
}

#[pymethods]
impl LitePullConsumer {
    #[new]
    fn new(group: &str, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut config = LiteConfig::new(group, DIALECT);
        options::set(&mut config, LITE_OPTIONS, options)?;
        ferromq_bridge::LitePullConsumer::new(config, wake_up()?).map(Self).map_err(|failure| raised(&failure))
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

    #[pyo3(signature = (token, what, /, *args))]
    fn call(&self, token: Option<u64>, what: &str, args: &Bound<'_, PyTuple>) -> PyResult<Option<Waiter>> {
        let call = call_of(what, &Args(args))?;
        begin(token, |to| self.0.call(call, to))
    }

    fn close(&self, token: Option<u64>) -> PyResult<Option<Waiter>> {
        begin(token, |to| self.0.close(to))
    }
}
