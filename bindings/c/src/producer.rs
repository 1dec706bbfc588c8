//! Producers.
use crate::call::{done, span, unexpected, wait};
use crate::error::fmq_error;
use crate::message::fmq_message;
use crate::options::{self, fmq_options};
use crate::platform::{answer, entry, give};
use crate::queue::{fmq_queue, Source};
use crate::receipt::fmq_receipt;
use ferromq_bridge::options::{Dialect, ProducerConfig, PRODUCER_OPTIONS};
use ferromq_bridge::{Class, Event, Failure, How, Producer, ReplyTo, Value, WakeUp};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// Sends messages. Any number of threads may use one.
pub struct fmq_producer {
    producer: Arc<Producer>,
    queue: fmq_queue,
}

type Make = fn(ProducerConfig, WakeUp) -> Result<Producer, Failure>;

fn make(
    group: *const c_char,
    options: *const fmq_options,
    producer: *mut *mut fmq_producer,
    make: Make,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(producer, "producer")?;
        let mut config = ProducerConfig::new(caller.text(group, "group")?, Dialect::C);
        options::set(caller, &mut config, PRODUCER_OPTIONS, options)?;
        let producer = Arc::new(make(config, wake_up()?)?);
        let queue = fmq_queue(Source::Producer(producer.clone()));
        out.set(give(fmq_producer { producer, queue }));
        Ok(())
    })
}

/// A descriptor for the object's queue.
pub fn wake_up() -> Result<WakeUp, Failure> {
    WakeUp::descriptor().map_err(|error| Failure::new(Class::Internal, format!("no descriptor for the queue: {error}")))
}

/// A producer of `group`. Checks the options (NULL: all at their defaults) and does nothing else; it starts with
/// `fmq_producer_start` or its first message.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_new(
    group: *const c_char,
    options: *const fmq_options,
    producer: *mut *mut fmq_producer,
) -> *mut fmq_error {
    make(group, options, producer, Producer::new)
}

/// A producer without a network, whose messages all count as sent at once: for benchmarks and tests of what is around it.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_new_echo(
    group: *const c_char,
    options: *const fmq_options,
    producer: *mut *mut fmq_producer,
) -> *mut fmq_error {
    make(group, options, producer, Producer::echo)
}

/// Starts the producer. Not needed before a message is sent. Blocks for a moment; no server is asked yet.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_start(producer: *mut fmq_producer) -> *mut fmq_error {
    entry(|caller| {
        let producer = &caller.shared(producer, "producer")?.producer;
        done("the start of the producer", -1, |to| producer.start(to)).map(drop)
    })
}

/// Sends a message and waits for the broker's answer, which is written to `receipt` unless that is NULL. Waits for at most
/// `timeout_ms` (negative: for the option send_timeout, which bounds the send in any case); after FMQ_TIMEOUT the message
/// may still be sent.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_send(
    producer: *mut fmq_producer,
    message: *const fmq_message,
    timeout_ms: i64,
    receipt: *mut *mut fmq_receipt,
) -> *mut fmq_error {
    entry(|caller| {
        let producer = &caller.shared(producer, "producer")?.producer;
        let (message, how) = caller.shared(message, "message")?.parts();
        match wait("the send", timeout_ms, |to| producer.send(message, how, to))? {
            Event::Sent { result: Ok(result), .. } => {
                if let (Some(out), Some(result)) = (caller.maybe_out(receipt), result) {
                    out.set(give(fmq_receipt::new(result)));
                }
                Ok(())
            }
            Event::Sent { result: Err(failure), .. } => Err(failure),
            _ => Err(unexpected("the send")),
        }
    })
}

/// Sends a message without asking for an answer; returns when it is written to the connection. Success does not mean that
/// a broker has it. The sharding key is not looked at.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_send_oneway(
    producer: *mut fmq_producer,
    message: *const fmq_message,
) -> *mut fmq_error {
    entry(|caller| {
        let producer = &caller.shared(producer, "producer")?.producer;
        let message = caller.shared(message, "message")?.message();
        match wait("the one-way send", -1, |to| producer.send(message, How::OneWay, to))? {
            Event::Sent { result, .. } => result.map(drop),
            _ => Err(unexpected("the one-way send")),
        }
    })
}

/// Puts a copy of the message in line and returns at once; it is sent in the background. With a `user` that is not NULL its
/// result is an event of the producer's queue with that pointer: events wait there until they are polled. With NULL there
/// is no event; failures are counted until the next flush.
///
/// FMQ_QUEUE_FULL (retriable): queue_count_max or queue_bytes_max is reached; the message is not in line.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_enqueue(
    producer: *mut fmq_producer,
    message: *const fmq_message,
    user: *mut c_void,
) -> *mut fmq_error {
    entry(|caller| {
        let producer = &caller.shared(producer, "producer")?.producer;
        let (message, how) = caller.shared(message, "message")?.parts();
        let to = if user.is_null() { ReplyTo::Nobody } else { ReplyTo::Token(user as usize as u64) };
        producer.enqueue(message, how, to)
    })
}

/// Waits until no message is in line or under way, for at most `timeout_ms`. Writes to `failed` (unless that is NULL), also when
/// it returns an error, how many messages that were enqueued without `user` since the last flush were not sent; the error is the
/// first one's.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_flush(
    producer: *mut fmq_producer,
    timeout_ms: i64,
    failed: *mut u64,
) -> *mut fmq_error {
    entry(|caller| {
        let producer = &caller.shared(producer, "producer")?.producer;
        let flushed = done("the flush", timeout_ms, |to| producer.flush(to));
        let (count, first) = match flushed {
            Ok(Value::Flushed { failed, first }) => (failed, first),
            Ok(_) => return Err(unexpected("the flush")),
            Err(failure) => (0, Some(failure)),
        };
        if let Some(out) = caller.maybe_out(failed) {
            out.set(count);
        }
        first.map_or(Ok(()), Err)
    })
}

/// The queue with the results of enqueued messages. Lives as long as the producer; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_queue(producer: *mut fmq_producer) -> *mut fmq_queue {
    answer(std::ptr::null_mut(), |caller| {
        caller.maybe(producer).map_or(std::ptr::null_mut(), |producer| std::ptr::from_ref(&producer.queue).cast_mut())
    })
}

/// Refuses further messages, waits up to `timeout_ms` for those in line, lets the rest fail, leaves and closes. Events that
/// are there can still be polled. A second call waits for the first.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_close(producer: *mut fmq_producer, timeout_ms: i64) -> *mut fmq_error {
    entry(|caller| {
        let fmq_producer { producer, queue } = caller.shared(producer, "producer")?;
        done("the end of the producer", -1, |to| producer.close(span(timeout_ms), to))?;
        // All results are in it: who waits for more goes on.
        queue.events()?.close();
        Ok(())
    })
}

/// Ends its life and that of its queue; no other thread may be using either. What was not closed is closed in the background.
/// NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_producer_destroy(producer: *mut fmq_producer) {
    answer((), |caller| drop(caller.take_back(producer)));
}
