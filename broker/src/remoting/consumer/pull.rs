//! Pulls: PULL_MESSAGE and LITE_PULL_MESSAGE (wire.md 4.2).
//!
//! An answer is a small header and slices of the log; no message is copied. A pull that finds nothing is held with a copy
//! of its header, so that the read buffer it came in can go.
use crate::remoting::later::{may_wait, on_disk_thread};
use crate::remoting::overload::{overload, room};
use crate::remoting::reply::{refusal_of, unreadable, Reply};
use crate::remoting::Context;
use crate::service::holds::{Hold, HoldLimits, Wake};
use crate::service::pull::{self, Expression, Pass, PullAnswer, PullFilter, PullRefusal, PullRequest, Pulled};
use crate::service::{Caller, Refusal, Service};
use bytes::{Bytes, BytesMut};
use ferromq_protocol::code::request::LITE_PULL_MESSAGE;
use ferromq_protocol::frame::{self, Fixed};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{PullMessage, PullMessageResponse};
use ferromq_protocol::{Command, Header};
use ferromq_remoting::{Body, Connection, OutFrame};
use ferromq_store::UnitFilter;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Bits of a pull's sysFlag (broker.md 0.2).
const COMMIT_OFFSET: i32 = 1;
const SUSPEND: i32 = 2;
const SUBSCRIPTION: i32 = 4;

/// How a pull that comes from the client is done.
const FIRST: Pass = Pass { first: true, time_left: Duration::ZERO, blocking: false };

/// Bytes of an answer's header, roughly.
const HEAD_BYTES: usize = 320;
/// Bytes a held pull keeps besides its texts, roughly.
const HELD_BYTES: usize = 1024;

/// Serves a pull.
pub(super) fn pull(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let header = PullMessage::decode(&request.ext).map_err(unreadable)?;
    let pull_request = from_header(&header, request.code);
    match pull::pull(context.service, &context.caller, &pull_request, FIRST) {
        Ok(Pulled::Answer(answer)) => Ok(Reply::Frame(frame(request, answer))),
        Ok(Pulled::Hold { answer, .. }) if request.is_oneway() => Ok(Reply::Frame(frame(request, answer))),
        Ok(Pulled::Hold { time, filter, .. }) => {
            may_wait(context)?;
            kept(context, request, &header).hold(context.service, Instant::now() + time, filter);
            Ok(Reply::Later)
        }
        Ok(Pulled::Cold) => {
            may_wait(context)?;
            kept(context, request, &header).read_disk(Arc::clone(context.service), FIRST);
            Ok(Reply::Later)
        }
        Err(refused) => Ok(Reply::Command(refusal(request, &refused))),
    }
}

fn from_header<'a>(header: &PullMessage<'a>, code: i32) -> PullRequest<'a> {
    let has = |flag: i32| header.sys_flag & flag != 0;
    let expression = Expression { text: header.subscription, kind: header.expression_type };
    PullRequest {
        lite: code == LITE_PULL_MESSAGE,
        group: header.consumer_group,
        topic: header.topic,
        queue_id: header.queue_id,
        offset: header.queue_offset,
        max_messages: header.max_msg_nums,
        commit_offset: has(COMMIT_OFFSET).then_some(header.commit_offset),
        suspend: has(SUSPEND).then(|| Duration::from_millis(u64::try_from(header.suspend_timeout_millis).unwrap_or(0))),
        expression: has(SUBSCRIPTION).then_some(expression),
        sub_version: header.sub_version,
    }
}

/// A pull that is answered later: a copy of what is needed of its frame.
struct Kept {
    /// Code, opaque, flags and codec; no fields and no body.
    request: Command,
    caller: Caller,
    connection: Arc<Connection>,
    group: String,
    topic: String,
    expression: Option<String>,
    expression_type: String,
    /// The numbers of the header.
    header: PullMessage<'static>,
    /// False when no message ended its hold: the answer goes out together with others, for thousands may end at a time.
    hurries: bool,
}

fn kept(context: &Context<'_>, request: &Command, header: &PullMessage<'_>) -> Kept {
    let &Command { code, language, version, opaque, flag, codec, .. } = request;
    Kept {
        request: Command { code, language, version, opaque, flag, codec, ..Command::default() },
        caller: context.caller.clone(),
        connection: Arc::clone(context.connection),
        group: header.consumer_group.to_owned(),
        topic: header.topic.to_owned(),
        expression: header.subscription.map(str::to_owned),
        expression_type: header.expression_type.to_owned(),
        header: PullMessage {
            consumer_group: "",
            topic: "",
            subscription: None,
            expression_type: "",
            proxy_froward_client_id: None,
            broker_name: None,
            ..*header
        },
        hurries: true,
    }
}

impl Kept {
    fn hold(self, service: &Arc<Service>, until: Instant, filter: PullFilter) {
        let (topic, queue_id) = (self.topic.clone(), self.header.queue_id);
        let weak = Arc::downgrade(service);
        let connection = Arc::clone(&self.connection);
        let hold = Hold {
            pull_from: self.header.queue_offset,
            until,
            matches: Box::new(move |tags_code| filter.matches(tags_code)),
            is_wanted: Box::new(move || connection.is_open()),
            bytes: HELD_BYTES + self.group.len() + self.topic.len() + self.expression.as_ref().map_or(0, String::len),
            done: Box::new(move |wake: Wake| self.again(&weak, wake, until)),
        };
        let config = service.config();
        let limits = HoldLimits {
            count: usize::try_from(config.held_pulls_max).unwrap_or(0),
            bytes: usize::try_from(config.held_pulls_bytes_max).unwrap_or(0),
        };
        service.holds.hold(&topic, queue_id, hold, limits, || service.store.max_offset(&topic, queue_id));
    }

    /// The hold ended: pulls again and answers, unless only messages came that the filter does not want.
    fn again(mut self, service: &Weak<Service>, wake: Wake, until: Instant) {
        let Some(service) = service.upgrade().filter(|_| self.connection.is_open()) else { return };
        self.hurries = wake == Wake::Arrived;
        if let (Err(refusal), _) | (_, Err(refusal)) = (refused(wake), room(&self.connection, 0)) {
            return self.give(Reply::refused(&self.request, &refusal));
        }
        let time_left = match wake {
            Wake::Arrived => until.saturating_duration_since(Instant::now()),
            Wake::Expired | Wake::Refused => Duration::ZERO,
        };
        let pass = Pass { first: false, time_left, blocking: false };
        let result = self.run(&service, pass);
        self.conclude(service, pass, result);
    }

    /// Pulls again on a thread that may wait for the disk.
    fn read_disk(self, service: Arc<Service>, pass: Pass) {
        // One message may be larger; it counts when it waits to be written.
        let bytes = usize::try_from(service.config().max_transfer_bytes_on_message_in_memory).unwrap_or(usize::MAX);
        on_disk_thread(Arc::clone(&self.connection), bytes, move |_| {
            if let Err(refusal) = room(&self.connection, 0) {
                return self.give(Reply::refused(&self.request, &refusal));
            }
            let pass = Pass { blocking: true, ..pass };
            let result = self.run(&service, pass);
            self.conclude(service, pass, result);
        });
    }

    fn conclude(mut self, service: Arc<Service>, pass: Pass, result: Result<Pulled, PullRefusal>) {
        match result {
            Ok(Pulled::Cold) if !pass.blocking => self.read_disk(service, pass),
            Ok(Pulled::Hold { time, filter, answer }) if !self.request.is_oneway() => {
                if !pass.first {
                    self.header.queue_offset = answer.next_offset;
                }
                self.hold(&service, Instant::now() + time, filter);
            }
            result => self.answer(result),
        }
    }

    fn run(&self, service: &Service, pass: Pass) -> Result<Pulled, PullRefusal> {
        let header = PullMessage {
            consumer_group: &self.group,
            topic: &self.topic,
            subscription: self.expression.as_deref(),
            expression_type: &self.expression_type,
            ..self.header
        };
        pull::pull(service, &self.caller, &from_header(&header, self.request.code), pass)
    }

    fn answer(&self, result: Result<Pulled, PullRefusal>) {
        let reply = match result {
            Ok(Pulled::Answer(answer) | Pulled::Hold { answer, .. }) => Reply::Frame(frame(&self.request, answer)),
            // A read that may wait is never cold; should the store say so all the same, the client asks again.
            Ok(Pulled::Cold) => Reply::refused(&self.request, &Refusal::system_error("store getMessage return null")),
            Err(refused) => Reply::Command(refusal(&self.request, &refused)),
        };
        self.give(reply);
    }

    fn give(&self, reply: Reply) {
        match self.hurries {
            true => reply.send(&self.connection, &self.request),
            false => reply.send_soon(&self.connection, &self.request),
        }
    }
}

/// Refuses a pull that there was no room to hold: its client comes back after a pause, while an answer without messages would make it
/// come back at once.
fn refused(wake: Wake) -> Result<(), Refusal> {
    match wake {
        Wake::Refused => Err(overload()),
        Wake::Arrived | Wake::Expired => Ok(()),
    }
}

fn refusal(request: &Command, refused: &PullRefusal) -> Command {
    let mut answer = refusal_of(request, &refused.refusal);
    if let Some(kind) = refused.forbidden {
        answer.ext = [("forbiddenType", kind.to_string().as_str())].into_iter().collect();
    }
    answer
}

/// The frame of an answer: its header is written in one go, its body stays where it is.
fn frame(request: &Command, answer: PullAnswer) -> OutFrame {
    let header = PullMessageResponse {
        suggest_which_broker_id: answer.suggested_broker,
        next_begin_offset: answer.next_offset,
        min_offset: answer.min_offset,
        max_offset: answer.max_offset,
        offset_delta: None,
        topic_sys_flag: Some(answer.topic_sys_flag),
        group_sys_flag: Some(answer.group_sys_flag),
        forbidden_type: None,
    };
    let mut head = BytesMut::with_capacity(HEAD_BYTES);
    let body_len = answer.slices.iter().map(Bytes::len).sum();
    let fixed = Fixed::response_to(request, answer.code);
    match frame::encode_typed(&mut head, &fixed, Some(answer.status), Some(&header), Naming::Long, body_len) {
        Ok(()) => OutFrame { head: head.freeze(), body: body(answer.slices) },
        Err(error) => OutFrame::from(&refusal_of(request, &Refusal::system_error(error.to_string()))),
    }
}

/// Slices of the log as the body of a frame.
pub(super) fn body(mut slices: Vec<Bytes>) -> Body {
    match (slices.len(), slices.pop()) {
        (_, None) => Body::None,
        (1, Some(only)) => Body::One(only),
        (_, Some(last)) => {
            slices.push(last);
            Body::Slices(slices)
        }
    }
}
