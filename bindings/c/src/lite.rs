//! Lite pull consumers: the application asks for messages, and decides where to read and what to commit.
use crate::call::{done, span, unexpected};
use crate::delivery::fmq_delivery;
use crate::error::fmq_error;
use crate::message_queue::{fmq_message_queue, fmq_message_queues, read};
use crate::options::{self, fmq_options};
use crate::platform::{answer, entry, give, Caller};
use ferromq_bridge::options::{Dialect, LiteConfig, LITE_OPTIONS};
use ferromq_bridge::{Class, Failure, LiteCall, LitePullConsumer, MessageQueue, Value, WakeUp};
use std::ffi::c_char;

/// What stands for "there is no offset".
pub const FMQ_NO_OFFSET: i64 = -1;

/// A consumer that polls. Any number of threads may use one. Its calls block until they are done, each within the budget of
/// the option api_timeout; the first one starts it.
pub struct fmq_lite {
    consumer: LitePullConsumer,
    /// Most messages per poll.
    batch_max: usize,
}

/// Makes a call and waits for its result, which has a limit of its own.
fn ask(lite: &fmq_lite, call: LiteCall) -> Result<Value, Failure> {
    done("the call", -1, |to| lite.consumer.call(call, to))
}

/// A call without a result.
fn tell(lite: *mut fmq_lite, call: impl FnOnce(&Caller) -> Result<LiteCall, Failure>) -> *mut fmq_error {
    entry(|caller| ask(caller.shared(lite, "lite consumer")?, call(caller)?).map(drop))
}

/// A call about a queue whose result is an offset.
fn offset(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: *mut i64,
    call: impl FnOnce(MessageQueue) -> LiteCall,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(offset, "offset")?;
        let call = call(one(caller, queue)?);
        match ask(caller.shared(lite, "lite consumer")?, call)? {
            Value::Offset(offset) => {
                out.set(offset.unwrap_or(FMQ_NO_OFFSET));
                Ok(())
            }
            _ => Err(unexpected("the call")),
        }
    })
}

/// A call whose result are queues.
fn queues_of(
    lite: *mut fmq_lite,
    queues: *mut *mut fmq_message_queues,
    call: impl FnOnce(&Caller) -> Result<LiteCall, Failure>,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(queues, "queues")?;
        match ask(caller.shared(lite, "lite consumer")?, call(caller)?)? {
            Value::Queues(queues) => {
                out.set(give(fmq_message_queues::new(&queues)));
                Ok(())
            }
            _ => Err(unexpected("the call")),
        }
    })
}

fn one(caller: &Caller, queue: *const fmq_message_queue) -> Result<MessageQueue, Failure> {
    read(caller, caller.shared(queue, "queue")?)
}

fn several(caller: &Caller, queues: *const fmq_message_queue, count: usize) -> Result<Vec<MessageQueue>, Failure> {
    caller.slice(queues, count, "queues")?.iter().map(|queue| read(caller, queue)).collect()
}

/// A lite consumer of `group`. Checks the options (NULL: all at their defaults) and does nothing else; it starts with its first
/// call.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_new(
    group: *const c_char,
    options: *const fmq_options,
    lite: *mut *mut fmq_lite,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(lite, "lite consumer")?;
        let mut config = LiteConfig::new(caller.text(group, "group")?, Dialect::C);
        options::set(caller, &mut config, LITE_OPTIONS, options)?;
        let batch_max = config.options.pull_batch_size;
        let consumer = LitePullConsumer::new(config, WakeUp::Condition)?;
        out.set(give(fmq_lite { consumer, batch_max }));
        Ok(())
    })
}

/// Joins the group. Not needed before other calls.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_start(lite: *mut fmq_lite) -> *mut fmq_error {
    tell(lite, |_| Ok(LiteCall::Start))
}

/// Shares the queues of `topic` with the other members of the group; `expression` as in `fmq_subscription`. Not together with
/// `fmq_lite_assign`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_subscribe(
    lite: *mut fmq_lite,
    topic: *const c_char,
    expression: *const c_char,
) -> *mut fmq_error {
    tell(lite, |caller| {
        let topic = caller.text(topic, "topic")?.to_owned();
        let expression = caller.maybe_text(expression, "expression")?.unwrap_or("*").to_owned();
        Ok(LiteCall::Subscribe(topic, expression))
    })
}

/// Ends the subscription of `topic`; without one nothing happens.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_unsubscribe(lite: *mut fmq_lite, topic: *const c_char) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::Unsubscribe(caller.text(topic, "topic")?.to_owned())))
}

/// Reads exactly these `count` queues from now on, only messages that fit `expression` (NULL: all). Not together with
/// `fmq_lite_subscribe`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_assign(
    lite: *mut fmq_lite,
    queues: *const fmq_message_queue,
    count: usize,
    expression: *const c_char,
) -> *mut fmq_error {
    tell(lite, |caller| {
        let expression = caller.maybe_text(expression, "expression")?.unwrap_or("*").to_owned();
        Ok(LiteCall::Assign(several(caller, queues, count)?, expression))
    })
}

/// The queues that are read now, to be destroyed with `fmq_message_queues_destroy`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_assignment(
    lite: *mut fmq_lite,
    queues: *mut *mut fmq_message_queues,
) -> *mut fmq_error {
    queues_of(lite, queues, |_| Ok(LiteCall::Assignment))
}

/// All queues of `topic`, to be destroyed with `fmq_message_queues_destroy`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_queues(
    lite: *mut fmq_lite,
    topic: *const c_char,
    queues: *mut *mut fmq_message_queues,
) -> *mut fmq_error {
    queues_of(lite, queues, |caller| Ok(LiteCall::Queues(caller.text(topic, "topic")?.to_owned())))
}

/// Moves messages to `deliveries` and writes their number to `count`: those that are there, or, when there are none, those that
/// come within `timeout_ms`. A poll gives as many as the option pull_batch_size says (32), so `max` must be at least that. With
/// auto_commit a poll says that what the one before gave is consumed. All places are set, those without a message to NULL; messages
/// are destroyed with `fmq_deliveries_destroy`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_poll(
    lite: *mut fmq_lite,
    deliveries: *mut *mut fmq_delivery,
    max: usize,
    timeout_ms: i64,
    count: *mut usize,
) -> *mut fmq_error {
    entry(|caller| {
        let lite = caller.shared(lite, "lite consumer")?;
        let out = caller.out(count, "count")?;
        let places = caller.room(deliveries, max, std::ptr::null_mut(), "deliveries")?;
        if max < lite.batch_max {
            let text = format!("a poll may give {} messages (pull_batch_size), not only {max}", lite.batch_max);
            return Err(Failure::new(Class::Validation, text));
        }
        let Value::Messages(messages) = ask(lite, LiteCall::Poll(span(timeout_ms)))? else {
            return Err(unexpected("the poll"));
        };
        out.set(messages.len().min(max));
        places.iter_mut().zip(messages).for_each(|(place, message)| *place = give(fmq_delivery::polled(message)));
        Ok(())
    })
}

/// Commits the positions of all queues that are read: what polls have given counts as consumed.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_commit(lite: *mut fmq_lite) -> *mut fmq_error {
    tell(lite, |_| Ok(LiteCall::Commit))
}

/// Commits an offset: that of the next message to consume.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_commit_offset(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: i64,
) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::CommitOffsets(vec![(one(caller, queue)?, offset)])))
}

/// Writes the committed offset of a queue to `offset`; FMQ_NO_OFFSET without one.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_committed(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: *mut i64,
) -> *mut fmq_error {
    self::offset(lite, queue, offset, LiteCall::Committed)
}

/// Writes the offset after the last message that a poll gave to `offset`; FMQ_NO_OFFSET before there is one.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_position(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: *mut i64,
) -> *mut fmq_error {
    self::offset(lite, queue, offset, LiteCall::Position)
}

/// Reads a queue on at an offset.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_seek(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: i64,
) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::Seek(one(caller, queue)?, offset)))
}

/// Reads a queue on at its first message.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_seek_to_begin(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::SeekToBegin(one(caller, queue)?)))
}

/// Reads a queue on after its last message.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_seek_to_end(lite: *mut fmq_lite, queue: *const fmq_message_queue) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::SeekToEnd(one(caller, queue)?)))
}

/// Reads these `count` queues no more until they are resumed.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_pause(
    lite: *mut fmq_lite,
    queues: *const fmq_message_queue,
    count: usize,
) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::Pause(several(caller, queues, count)?)))
}

/// Reads these `count` queues again.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_resume(
    lite: *mut fmq_lite,
    queues: *const fmq_message_queue,
    count: usize,
) -> *mut fmq_error {
    tell(lite, |caller| Ok(LiteCall::Resume(several(caller, queues, count)?)))
}

/// Writes the offset of the first message that was stored at or after `time_ms`, milliseconds since 1970, to `offset`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_offset_for_time(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    time_ms: i64,
    offset: *mut i64,
) -> *mut fmq_error {
    self::offset(lite, queue, offset, |queue| LiteCall::OffsetForTime(queue, time_ms))
}

/// Writes the smallest offset that is still there to `offset`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_min_offset(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: *mut i64,
) -> *mut fmq_error {
    self::offset(lite, queue, offset, LiteCall::MinOffset)
}

/// Writes the offset that the next message will get to `offset`.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_max_offset(
    lite: *mut fmq_lite,
    queue: *const fmq_message_queue,
    offset: *mut i64,
) -> *mut fmq_error {
    self::offset(lite, queue, offset, LiteCall::MaxOffset)
}

/// Ends polls that wait, commits (with auto_commit) and leaves the group. A second call returns at once.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_close(lite: *mut fmq_lite) -> *mut fmq_error {
    entry(|caller| {
        let consumer = &caller.shared(lite, "lite consumer")?.consumer;
        done("the end of the lite consumer", -1, |to| consumer.close(to)).map(drop)
    })
}

/// Ends its life; no other thread may be using it. What was not closed is closed in the background. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_lite_destroy(lite: *mut fmq_lite) {
    answer((), |caller| drop(caller.take_back(lite)));
}
