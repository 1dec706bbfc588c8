//! Consumers: the push consumer, which calls a listener, and the lite pull consumer, which is polled (client.md 3, 4).
//!
//! Decisions are pure and stand alone: shares of queues (`allocate`), differences (`rebalance`), what is cached and may be
//! committed (`process_queue`), where to begin (`start_offset`). Around them, `push` and `lite` hold what runs.
//!
//! Invariants
//! * A message is settled only after the listener (or the application) is done with it: at least once, never lost.
//! * One task per queue pulls; no thread belongs to a queue.
//! * An error is never taken for "no offset".
mod allocate;
mod listener;
mod lite;
mod local_offsets;
mod locks;
mod offset_store;
mod process_queue;
pub(crate) mod pull;
mod push;
mod rebalance;
mod start_offset;
mod stats;
mod subscription;

pub use allocate::{sort_members, sort_queues, AllocateError, AllocateStrategy, CustomRule};
pub use listener::{ConcurrentContext, ConsumeConcurrentlyStatus, ConsumeOrderlyStatus, OrderlyContext};
pub use lite::{LitePullConsumer, LitePullConsumerBuilder, LitePullOptions};
pub use push::{AssignmentListener, Delivery, Outcome, PushConsumer, PushConsumerBuilder, PushOptions};
pub use start_offset::ConsumeFrom;

use crate::instance::{Boundary, ClientInstance};
use crate::Error;
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::topic;
use offset_store::OffsetStore;
use start_offset::{start_plan, StartPlan};

/// Where a queue begins that was just assigned: what the store knows, else what the option says.
async fn start_offset(
    instance: &ClientInstance,
    offsets: &OffsetStore,
    queue: &MessageQueue,
    from: ConsumeFrom,
) -> Result<i64, Error> {
    let stored = offsets.read(queue).await?;
    let timeout = instance.options().api_timeout;
    match start_plan(stored, from, topic::is_retry(&queue.topic)) {
        StartPlan::At(offset) => Ok(offset),
        StartPlan::AskMax => instance.max_offset(queue, timeout).await,
        StartPlan::AskTime(time) => instance.search_offset(queue, time, Boundary::Lower, timeout).await,
    }
}
