//! The lite pull consumer. Queues cross as objects here: no call of it is made per message.
use crate::drained::{self, Drained};
use crate::failure::{refused, NativeFailure};
use crate::options::{self, made, GivenOption, Made};
use crate::queues::{NativeQueue, Queues};
use crate::wake::Wake;
use ferromq_bridge::options::{Dialect, LiteConfig, LITE_OPTIONS};
use ferromq_bridge::{Class, Failure, LiteCall, LitePullConsumer, MessageQueue, ReplyTo};
use napi::bindgen_prelude::Function;
use napi::Result;
use napi_derive::napi;
use std::cell::RefCell;
use std::time::Duration;

/// See [`LitePullConsumer`].
#[napi]
pub struct NativeLite {
    consumer: LitePullConsumer,
    queues: RefCell<Queues>,
}

/// The arguments of a call; which of them it has depends on the call.
#[napi(object)]
pub struct LiteArguments {
    /// Topic.
    pub topic: Option<String>,
    /// Tags.
    pub expression: Option<String>,
    /// Queues; calls for one queue take the first.
    pub queues: Option<Vec<NativeQueue>>,
    /// Offsets of these queues, or a time in milliseconds.
    pub numbers: Option<Vec<i64>>,
}

/// A lite pull consumer.
#[napi]
pub fn open_lite(group: String, given: Vec<GivenOption>, wake: Function<'_, (), ()>) -> Result<Made<NativeLite>> {
    let wake_up = Wake::new(wake)?.wake_up();
    let mut config = LiteConfig::new(&group, Dialect::NODE);
    let opened = options::set(&mut config, LITE_OPTIONS, given).and_then(|()| LitePullConsumer::new(config, wake_up));
    Ok(made(opened.map(|consumer| NativeLite { consumer, queues: RefCell::default() })))
}

#[napi]
impl NativeLite {
    /// Begins a call by its name.
    #[napi]
    pub fn call(&self, token: u32, name: String, arguments: LiteArguments) -> Option<NativeFailure> {
        let call = arguments
            .into_call(&name)
            .ok_or_else(|| Failure::new(Class::Internal, format!("there is no call {name} with these arguments")));
        refused(call.and_then(|call| self.consumer.call(call, ReplyTo::Token(token.into()))))
    }

    /// Ends polls that wait, at once and with what they have.
    #[napi]
    pub fn interrupt(&self) -> Option<NativeFailure> {
        refused(self.consumer.interrupt())
    }

    /// Commits (with `autoCommit`), leaves the group, closes.
    #[napi]
    pub fn close(&self, token: u32) -> Option<NativeFailure> {
        refused(self.consumer.close(ReplyTo::Token(token.into())))
    }

    /// What happened.
    #[napi]
    pub fn drain(&self) -> Option<Drained> {
        drained::drain(self.consumer.events().ok()?, &mut self.queues.borrow_mut())
    }
}

impl LiteArguments {
    fn into_call(self, name: &str) -> Option<LiteCall> {
        let Self { topic, expression, queues, numbers } = self;
        let queues: Vec<MessageQueue> = queues.unwrap_or_default().into_iter().map(MessageQueue::from).collect();
        let numbers = numbers.unwrap_or_default();
        let (queue, number) = (queues.first().cloned(), numbers.first().copied());
        Some(match name {
            "start" => LiteCall::Start,
            "subscribe" => LiteCall::Subscribe(topic?, expression?),
            "unsubscribe" => LiteCall::Unsubscribe(topic?),
            "assign" => LiteCall::Assign(queues, expression?),
            "poll" => LiteCall::Poll(Duration::from_millis(u64::try_from(number?).ok()?)),
            "commit" => LiteCall::Commit,
            "commitOffsets" => LiteCall::CommitOffsets(queues.into_iter().zip(numbers).collect()),
            "committed" => LiteCall::Committed(queue?),
            "seek" => LiteCall::Seek(queue?, number?),
            "seekToBegin" => LiteCall::SeekToBegin(queue?),
            "seekToEnd" => LiteCall::SeekToEnd(queue?),
            "pause" => LiteCall::Pause(queues),
            "resume" => LiteCall::Resume(queues),
            "assignment" => LiteCall::Assignment,
            "position" => LiteCall::Position(queue?),
            "queues" => LiteCall::Queues(topic?),
            "offsetForTime" => LiteCall::OffsetForTime(queue?, number?),
            "minOffset" => LiteCall::MinOffset(queue?),
            "maxOffset" => LiteCall::MaxOffset(queue?),
            _ => return None,
        })
    }
}
