//! The push consumer.
//!
//! Whether messages come in order and among how many they are shared is known only when consuming begins: the bridge's
//! consumer is made then. The constructor makes one that never starts, for the checks.
use crate::block::{self, Block};
use crate::drained::{self, Drained};
use crate::failure::{refused, NativeFailure};
use crate::options::{self, made, GivenOption, Made};
use crate::queues::Queues;
use crate::wake::Wake;
use ferromq_bridge::options::{Dialect, PushConfig, PUSH_OPTIONS};
use ferromq_bridge::{Class, Failure, Feed, Outcome, PushConsumer, ReplyTo, Taken, WakeUp};
use napi::bindgen_prelude::Function;
use napi::Result;
use napi_derive::napi;
use std::cell::RefCell;

/// Messages per crossing.
const TAKE_MAX: usize = 64;
/// In the table of a settlement: consumed. Other numbers from -1 are the delay level of a retry.
const CONSUMED: i32 = -2;
/// In the table of a settlement: not looked at.
const RELEASED: i32 = -3;

/// See [`PushConsumer`].
#[napi]
pub struct NativePush {
    config: PushConfig,
    subscriptions: Vec<(String, String)>,
    wake: Wake,
    consumer: RefCell<Option<PushConsumer>>,
    taken: RefCell<Slots>,
    queues: RefCell<Queues>,
}

/// Messages that are taken, by slot.
#[derive(Default)]
struct Slots {
    taken: Vec<Option<Taken>>,
    free: Vec<usize>,
}

/// A push consumer of these topics with their expressions.
#[napi]
pub fn open_push(
    group: String,
    given: Vec<GivenOption>,
    topics: Vec<String>,
    expressions: Vec<String>,
    wake: Function<'_, (), ()>,
) -> Result<Made<NativePush>> {
    let wake = Wake::new(wake)?;
    let subscriptions: Vec<_> = topics.into_iter().zip(expressions).collect();
    let mut config = PushConfig::new(&group, Dialect::NODE);
    let checked = options::set(&mut config, PUSH_OPTIONS, given)
        .and_then(|()| PushConsumer::new(config.clone(), false, &subscriptions, WakeUp::Condition).map(drop));
    Ok(made(checked.map(|()| NativePush::new(config, subscriptions, wake))))
}

/// A consumer of `count` made-up messages of `body_len` bytes, for tests and benchmarks.
#[napi]
pub fn open_push_echo(count: u32, body_len: u32, wake: Function<'_, (), ()>) -> Result<Made<NativePush>> {
    let wake = Wake::new(wake)?;
    let feed = Feed::new(count as usize, body_len as usize, 0);
    let consumer = PushConsumer::echo(feed, wake.wake_up());
    Ok(made(consumer.map(|consumer| {
        let push = NativePush::new(PushConfig::new("echo", Dialect::NODE), Vec::new(), wake);
        push.consumer.replace(Some(consumer));
        push
    })))
}

impl NativePush {
    fn new(config: PushConfig, subscriptions: Vec<(String, String)>, wake: Wake) -> Self {
        let (consumer, taken, queues) = Default::default();
        Self { config, subscriptions, wake, consumer, taken, queues }
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&PushConsumer) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        match self.consumer.borrow().as_ref() {
            Some(consumer) => call(consumer),
            None => Err(Failure::new(Class::Closed, "the push consumer was not started")),
        }
    }
}

#[napi]
impl NativePush {
    /// Joins the group. `takers` share the messages.
    #[napi]
    pub fn start(&self, token: u32, orderly: bool, takers: u32) -> Option<NativeFailure> {
        if self.consumer.borrow().is_none() {
            let mut config = self.config.clone();
            config.options.consume_threads = takers as usize;
            match PushConsumer::new(config, orderly, &self.subscriptions, self.wake.wake_up()) {
                Ok(consumer) => drop(self.consumer.replace(Some(consumer))),
                Err(failure) => return Some(failure.into()),
            }
        }
        refused(self.with(|consumer| consumer.start(ReplyTo::Token(token.into()))))
    }

    /// Takes what waits, or a share of it; `None` when nothing does, or the consumer is closed.
    #[napi]
    pub fn take(&self) -> Option<Block> {
        let taken = self.with(|consumer| consumer.take(TAKE_MAX)).unwrap_or_default();
        if taken.is_empty() {
            return None;
        }
        let mut slots = self.taken.borrow_mut();
        let numbers: Vec<usize> = taken.into_iter().map(|taken| slots.put(taken)).collect();
        let messages: Vec<_> = numbers
            .iter()
            .filter_map(|slot| slots.taken[*slot].as_ref().map(|taken| (*slot as f64, taken.message())))
            .collect();
        Some(block::pack(messages.into_iter(), &mut self.queues.borrow_mut()))
    }

    /// Settles `count` messages: pairs of slot and outcome.
    #[napi]
    pub fn settle(&self, count: u32, pairs: &[i32]) -> Option<NativeFailure> {
        let mut slots = self.taken.borrow_mut();
        let settled = pairs.chunks_exact(2).take(count as usize).filter_map(|pair| {
            let taken = slots.take(usize::try_from(pair[0]).ok()?)?;
            let outcome = match pair[1] {
                CONSUMED => Outcome::Consumed,
                RELEASED => Outcome::Release,
                delay_level => Outcome::Retry { delay_level },
            };
            Some((taken, outcome))
        });
        let settled = settled.collect();
        refused(self.with(|consumer| consumer.settle(settled)))
    }

    /// Leaves the group and closes. False when it never joined.
    #[napi]
    pub fn close(&self, token: u32) -> bool {
        self.with(|consumer| consumer.close(ReplyTo::Token(token.into()))).is_ok()
    }

    /// What happened.
    #[napi]
    pub fn drain(&self) -> Option<Drained> {
        let consumer = self.consumer.borrow();
        drained::drain(consumer.as_ref()?.events().ok()?, &mut self.queues.borrow_mut())
    }
}

impl Slots {
    fn put(&mut self, taken: Taken) -> usize {
        let slot = self.free.pop().unwrap_or(self.taken.len());
        if slot == self.taken.len() {
            self.taken.push(None);
        }
        self.taken[slot] = Some(taken);
        slot
    }

    fn take(&mut self, slot: usize) -> Option<Taken> {
        let taken = self.taken.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(taken)
    }
}
