//! The queue of an object: results of enqueued messages, and word that there are messages to take.
use crate::call::span;
use crate::error::fmq_error;
use crate::event::fmq_event;
use crate::log;
use crate::platform::{answer, entry};
use ferromq_bridge::{Class, Event, EventQueue, Failure, Producer, PushConsumer};
use std::sync::Arc;

/// The queue of a producer or consumer. Belongs to that object and lives as long.
pub struct fmq_queue(pub(crate) Source);

/// The object it belongs to.
pub enum Source {
    Producer(Arc<Producer>),
    Consumer(Arc<PushConsumer>),
}

impl fmq_queue {
    pub(crate) fn events(&self) -> Result<&EventQueue<Event>, Failure> {
        match &self.0 {
            Source::Producer(producer) => producer.events(),
            Source::Consumer(consumer) => consumer.events(),
        }
    }
}

/// Moves up to `max` events to `events` and writes their number to `count`: what is there, or, when there is nothing, what comes
/// within `timeout_ms`. The events belong to the caller, who destroys them with `fmq_events_destroy`. All places are set, those
/// without an event to NULL. Any number of threads may poll; each event goes to one of them. When the
/// object is closed and there is nothing left the answer is FMQ_CLOSED, also for those who wait.
#[no_mangle]
pub unsafe extern "C" fn fmq_queue_poll(
    queue: *mut fmq_queue,
    events: *mut *mut fmq_event,
    max: usize,
    timeout_ms: i64,
    count: *mut usize,
) -> *mut fmq_error {
    entry(|caller| {
        let queue = caller.shared(queue, "queue")?.events()?;
        let out = caller.out(count, "count")?;
        let places = caller.room(events, max, std::ptr::null_mut(), "events")?;
        if max > 0 && timeout_ms != 0 {
            queue.wait(span(timeout_ms));
        }
        let mut drained = Vec::new();
        // Asked before: what is pushed between would be closed over.
        let closed = queue.is_closed();
        queue.drain(max, &mut drained);
        if drained.is_empty() && closed && max > 0 {
            return Err(Failure::new(
                Class::Closed,
                "the object of the queue is closed, and all its events were polled",
            ));
        }
        out.set(drained.len());
        places.iter_mut().zip(drained).for_each(|(place, event)| *place = fmq_event::give(event));
        log::dispatch();
        Ok(())
    })
}

/// A descriptor that is readable while there is something to poll, for `poll(2)` and its relatives; -1 where the system has
/// none. Belongs to the queue: it must not be read, written or closed.
#[no_mangle]
pub unsafe extern "C" fn fmq_queue_fd(queue: *const fmq_queue) -> i32 {
    answer(-1, |caller| {
        let events = caller.maybe(queue).and_then(|queue| queue.events().ok());
        events.and_then(EventQueue::descriptor).unwrap_or(-1)
    })
}
