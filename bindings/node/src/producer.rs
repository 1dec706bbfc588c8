//! The producer.
use crate::drained::{self, Drained};
use crate::failure::{refused, NativeFailure};
use crate::options::{self, made, GivenOption, Made};
use crate::outgoing::{self, Outgoing};
use crate::queues::Queues;
use crate::wake::Wake;
use ferromq_bridge::options::{Dialect, ProducerConfig, PRODUCER_OPTIONS};
use ferromq_bridge::{Event, Failure, How, Message, Producer, ReplyTo};
use napi::bindgen_prelude::Function;
use napi::Result;
use napi_derive::napi;
use std::cell::RefCell;
use std::time::Duration;

/// See [`Producer`].
#[napi]
pub struct NativeProducer {
    producer: Producer,
    queues: RefCell<Queues>,
}

/// A producer; with `echo` one that answers by itself, without any network.
#[napi]
pub fn open_producer(
    group: String,
    given: Vec<GivenOption>,
    echo: bool,
    wake: Function<'_, (), ()>,
) -> Result<Made<NativeProducer>> {
    let wake_up = Wake::new(wake)?.wake_up();
    let mut config = ProducerConfig::new(&group, Dialect::NODE);
    let opened = options::set(&mut config, PRODUCER_OPTIONS, given).and_then(|()| match echo {
        true => Producer::echo(config, wake_up),
        false => Producer::new(config, wake_up),
    });
    Ok(made(opened.map(|producer| NativeProducer { producer, queues: RefCell::default() })))
}

fn reply(token: i32) -> ReplyTo {
    u64::try_from(token).map_or(ReplyTo::Nobody, ReplyTo::Token)
}

#[napi]
impl NativeProducer {
    /// Starts. Not needed before a send.
    #[napi]
    pub fn start(&self, token: i32) -> Option<NativeFailure> {
        refused(self.producer.start(reply(token)))
    }

    /// Sends packed messages, each with its own token.
    #[napi]
    pub fn send(&self, count: u32, bytes: &[u8], numbers: &[i32]) -> Option<NativeFailure> {
        refused(self.each(count, bytes, numbers, |producer, message, how, to| producer.send(message, how, to)))
    }

    /// How many messages, and bytes of bodies, can be put in line for certain.
    #[napi]
    pub fn room(&self) -> Vec<f64> {
        let (count, bytes) = self.producer.room().unwrap_or_default();
        vec![count as f64, bytes as f64]
    }

    /// Puts packed messages in line, up to the first that is refused.
    #[napi]
    pub fn enqueue(&self, count: u32, bytes: &[u8], numbers: &[i32]) -> Option<NativeFailure> {
        refused(self.each(count, bytes, numbers, |producer, message, how, to| producer.enqueue(message, how, to)))
    }

    /// Sends packed messages with one result. One that cannot be sent as it is refuses all.
    #[napi]
    pub fn send_many(&self, token: i32, count: u32, bytes: &[u8], numbers: &[i32]) -> Option<NativeFailure> {
        let messages = outgoing::read(count, bytes, numbers).and_then(|outgoing| {
            outgoing.into_iter().enumerate().map(part).collect::<std::result::Result<Vec<_>, Failure>>()
        });
        refused(messages.and_then(|messages| self.producer.send_many(messages, reply(token))))
    }

    /// Answers as soon as no send is under way and none waits.
    #[napi]
    pub fn flush(&self, token: i32) -> Option<NativeFailure> {
        refused(self.producer.flush(reply(token)))
    }

    /// Waits up to `limit_ms` for what was given, and closes.
    #[napi]
    pub fn close(&self, token: i32, limit_ms: u32) -> Option<NativeFailure> {
        refused(self.producer.close(Duration::from_millis(limit_ms.into()), reply(token)))
    }

    /// What happened.
    #[napi]
    pub fn drain(&self) -> Option<Drained> {
        drained::drain(self.producer.events().ok()?, &mut self.queues.borrow_mut())
    }
}

impl NativeProducer {
    /// Gives messages one by one; one that cannot be sent as it is fails alone.
    fn each(
        &self,
        count: u32,
        bytes: &[u8],
        numbers: &[i32],
        give: impl Fn(&Producer, Message, How, ReplyTo) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<(), Failure> {
        for Outgoing { token, how, message } in outgoing::read(count, bytes, numbers)? {
            match (message, u64::try_from(token)) {
                (Ok(message), _) => give(&self.producer, message, how, reply(token))?,
                (Err(failure), Ok(token)) => {
                    self.producer.events()?.push(Event::Sent { token, result: Err(failure) });
                }
                (Err(failure), Err(_)) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// A message of many.
fn part((index, outgoing): (usize, Outgoing)) -> std::result::Result<(Message, How), Failure> {
    let Outgoing { how, message, .. } = outgoing;
    let message = message.map_err(|failure| {
        let message = format!("message {index}: {}; none was sent", failure.message);
        Failure { message, ..failure }
    })?;
    Ok((message, how))
}
