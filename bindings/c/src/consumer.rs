//! Push consumers: the application takes messages and settles them.
use crate::call::{done, span};
use crate::delivery::fmq_delivery;
use crate::error::fmq_error;
use crate::log;
use crate::options::{self, fmq_options};
use crate::platform::{answer, entry, give};
use crate::producer::wake_up;
use crate::queue::{fmq_queue, Source};
use ferromq_bridge::options::{Dialect, PushConfig, PUSH_OPTIONS};
use ferromq_bridge::{Class, Failure, Feed, Outcome, PushConsumer};
use std::ffi::c_char;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// A topic and which of its messages are wanted.
#[repr(C)]
pub struct fmq_subscription {
    /// The topic.
    pub topic: *const c_char,
    /// "*", or tags joined by "||"; NULL is "*".
    pub expression: *const c_char,
}

/// What came of a message.
#[repr(C)]
pub enum fmq_outcome {
    /// Consumed.
    FMQ_CONSUMED = 0,
    /// Not consumed: it shall come again, see `fmq_delivery_set_delay_level`. In order, after the pause of the queue (option
    /// suspend), and with it all that was taken behind it.
    FMQ_RETRY = 1,
    /// Not looked at: whoever takes next gets it.
    FMQ_RELEASE = 2,
}

/// A member of a consumer group that is given messages of the queues it shares with the other members. Any number of threads
/// may take and settle.
pub struct fmq_consumer {
    consumer: Arc<PushConsumer>,
    queue: fmq_queue,
    number: u64,
    /// Room that a take must offer: ordered messages are taken in batches that are not divided.
    batch_max: usize,
}

impl fmq_consumer {
    fn new(consumer: PushConsumer, batch_max: usize) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let consumer = Arc::new(consumer);
        let queue = fmq_queue(Source::Consumer(consumer.clone()));
        Self { consumer, queue, number: COUNT.fetch_add(1, Ordering::Relaxed), batch_max }
    }
}

/// A consumer of `group` for `count` subscriptions. `orderly`: messages of a queue come in order, and what is taken of a queue must
/// be settled before more of it comes. Checks the options (NULL: all at their defaults) and does nothing else.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_new(
    group: *const c_char,
    options: *const fmq_options,
    subscriptions: *const fmq_subscription,
    count: usize,
    orderly: bool,
    consumer: *mut *mut fmq_consumer,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(consumer, "consumer")?;
        let mut config = PushConfig::new(caller.text(group, "group")?, Dialect::C);
        options::set(caller, &mut config, PUSH_OPTIONS, options)?;
        let mut wanted = Vec::new();
        for subscription in caller.slice(subscriptions, count, "subscriptions")? {
            let topic = caller.text(subscription.topic, "topic")?;
            let expression = caller.maybe_text(subscription.expression, "expression")?.unwrap_or("*");
            wanted.push((topic.to_owned(), expression.to_owned()));
        }
        let batch_max = if orderly { config.options.consume_batch_size } else { 0 };
        let consumer = PushConsumer::new(config, orderly, &wanted, wake_up()?)?;
        out.set(give(fmq_consumer::new(consumer, batch_max)));
        Ok(())
    })
}

/// A consumer without a network, which is given `count` made-up messages with bodies of `length` bytes, `rate` per second (0: as
/// fast as they are taken): for benchmarks and tests of what is around it. It needs no start.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_new_echo(
    count: usize,
    length: usize,
    rate: u32,
    consumer: *mut *mut fmq_consumer,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(consumer, "consumer")?;
        let consumer = PushConsumer::echo(Feed::new(count, length, rate), wake_up()?)?;
        out.set(give(fmq_consumer::new(consumer, 0)));
        Ok(())
    })
}

/// Joins the group. Blocks until that is done or has failed.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_start(consumer: *mut fmq_consumer) -> *mut fmq_error {
    entry(|caller| {
        let consumer = &caller.shared(consumer, "consumer")?.consumer;
        done("the start of the consumer", -1, |to| consumer.start(to)).map(drop)
    })
}

/// Moves up to `max` messages to `deliveries` and writes their number to `count`: what is there, or, when there is nothing, what
/// comes within `timeout_ms`. Every one of them must be settled. All places are set, those without a message to NULL. In order,
/// all messages of one call are of one queue, and `max` must be at least the option batch_size (32): batches are not divided.
///
/// A program either waits here, in as many threads as it likes, or waits for events of the queue (FMQ_EVENT_READY) and takes with
/// a timeout of 0. A closed consumer answers FMQ_CLOSED.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_take(
    consumer: *mut fmq_consumer,
    deliveries: *mut *mut fmq_delivery,
    max: usize,
    timeout_ms: i64,
    count: *mut usize,
) -> *mut fmq_error {
    entry(|caller| {
        let fmq_consumer { consumer, number, batch_max, .. } = caller.shared(consumer, "consumer")?;
        let out = caller.out(count, "count")?;
        let places = caller.room(deliveries, max, std::ptr::null_mut(), "deliveries")?;
        if max < *batch_max {
            let text = format!("a batch of ordered messages has up to {batch_max} (batch_size), not only {max}");
            return Err(Failure::new(Class::Validation, text));
        }
        let taken = match (max, timeout_ms) {
            (0, _) => Vec::new(),
            (_, 0) => consumer.take(max)?,
            _ => consumer.take_wait(max, span(timeout_ms))?,
        };
        if taken.is_empty() && consumer.is_closing() {
            return Err(Failure::new(Class::Closed, "the consumer is closed"));
        }
        out.set(taken.len());
        for (place, taken) in places.iter_mut().zip(taken) {
            *place = give(fmq_delivery::taken(taken, *number));
        }
        log::dispatch();
        Ok(())
    })
}

/// Says what came of `count` messages that were taken from this consumer; many at once cost least. `outcomes` has one for each, or
/// is NULL: all are consumed. Afterwards the deliveries do not live any more, and their places are NULL. After an error
/// nothing is settled. Works while the consumer is closing.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_settle(
    consumer: *mut fmq_consumer,
    deliveries: *mut *mut fmq_delivery,
    outcomes: *const fmq_outcome,
    count: usize,
) -> *mut fmq_error {
    entry(|caller| {
        let fmq_consumer { consumer, number, .. } = caller.shared(consumer, "consumer")?;
        let places = caller.slice_mut(deliveries, count, "deliveries")?;
        // As numbers: C may write any into an enumeration.
        let numbers = if outcomes.is_null() { &[] } else { caller.slice(outcomes.cast::<i32>(), count, "outcomes")? };
        let mut wanted = Vec::with_capacity(count);
        for (at, place) in places.iter().enumerate() {
            let delivery = caller.shared(*place, "a delivery")?;
            if delivery.consumer() != Some(*number) {
                return Err(Failure::new(Class::Validation, "a delivery was not taken from this consumer"));
            }
            wanted.push(outcome(numbers.get(at).copied().unwrap_or(0), delivery.delay_level)?);
        }
        let boxes = places.iter_mut().map(|place| caller.take_back(std::mem::replace(place, std::ptr::null_mut())));
        let taken = boxes.map(|delivery| delivery.and_then(|delivery| delivery.into_taken()));
        consumer.settle(taken.zip(wanted).filter_map(|(taken, outcome)| Some((taken?, outcome))).collect())
    })
}

fn outcome(number: i32, delay_level: i32) -> Result<Outcome, Failure> {
    const CONSUMED: i32 = fmq_outcome::FMQ_CONSUMED as i32;
    const RETRY: i32 = fmq_outcome::FMQ_RETRY as i32;
    const RELEASE: i32 = fmq_outcome::FMQ_RELEASE as i32;
    match number {
        CONSUMED => Ok(Outcome::Consumed),
        RETRY => Ok(Outcome::Retry { delay_level }),
        RELEASE => Ok(Outcome::Release),
        other => Err(Failure::new(Class::Validation, format!("{other} is no outcome"))),
    }
}

/// The queue with word that there are messages to take. Lives as long as the consumer; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_queue(consumer: *mut fmq_consumer) -> *mut fmq_queue {
    answer(std::ptr::null_mut(), |caller| {
        caller.maybe(consumer).map_or(std::ptr::null_mut(), |consumer| std::ptr::from_ref(&consumer.queue).cast_mut())
    })
}

/// Gives out nothing more (threads that wait return with FMQ_CLOSED), waits up to the option drain_timeout for what is
/// taken to be settled, commits and leaves the group. A second call returns at once.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_close(consumer: *mut fmq_consumer) -> *mut fmq_error {
    entry(|caller| {
        let fmq_consumer { consumer, queue, .. } = caller.shared(consumer, "consumer")?;
        done("the end of the consumer", -1, |to| consumer.close(to))?;
        queue.events()?.close();
        Ok(())
    })
}

/// Ends its life and that of its queue; no other thread may be using either. What was not closed is closed in the background.
/// NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_consumer_destroy(consumer: *mut fmq_consumer) {
    answer((), |caller| drop(caller.take_back(consumer)));
}
