//! The codes of sending: 10, 310, 320 (runs of them become one append) and 36.
//!
//! This is the hottest path of the broker. Headers are read in one pass over the fields; what a run of sends shares is
//! looked up once; the answers of a run are encoded one behind the other and leave as one piece.
mod answer;

use super::canonical;
use super::reply::unreadable;
use crate::service::back::{self, SendBack};
use crate::service::send::{unavailable, Accepted, PutOutcome, SendRequest, SendScratch, Sending};
use crate::service::topics::TOGETHER;
use crate::service::{Caller, Refusal, Service};
use answer::{Encoder, OwnedAnswer};
use ferromq_protocol::code::request;
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{ConsumerSendMsgBack, SendMessage};
use ferromq_protocol::{Command, ExtFields, Header};
use ferromq_remoting::{Connection, OutFrame};
use ferromq_store::FlushOutcome;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};

/// True for the codes that are handled as a batch.
pub(super) fn is_send(code: i32) -> bool {
    matches!(code, request::SEND_MESSAGE | request::SEND_MESSAGE_V2 | request::SEND_BATCH_MESSAGE)
}

/// Memory that is used again by the next run of sends on this thread.
#[derive(Default)]
struct Scratch {
    send: SendScratch,
    accepted: Vec<Result<Accepted, Refusal>>,
    encoder: Encoder,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Handles a run of sends with one append.
pub(super) fn handle(
    service: &Arc<Service>,
    connection: &Arc<Connection>,
    requests: &[Command],
    answers: &mut Vec<OutFrame>,
) {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { send, accepted, encoder } = scratch;
        let mut sending = Sending::start(service, canonical(connection.peer()), send);
        accepted.clear();
        match sending.gate(connection.requests_age(), requests.len()) {
            Ok(()) => requests.chunks(TOGETHER).for_each(|requests| {
                let sends: SmallVec<[_; TOGETHER]> = requests.iter().map(decode).collect();
                sending.add_all(&sends, accepted);
            }),
            Err(refusal) => {
                if let Some(first) = requests.first() {
                    service.notices.refused(&refusal.remark, || super::what(connection, first));
                }
                let bare = Refusal { thrown: true, ..refusal };
                accepted.extend(requests.iter().map(|_| Err(bare.clone())));
            }
        }
        let stored = match (sending.records(), sending.may_wait()) {
            (0, _) => Ok(0),
            (_, false) => sending.store(),
            (_, true) => waiting(|| sending.store()),
        };
        encoder.begin(service, &sending);
        let mut waiting = Vec::new();
        for (request, result) in requests.iter().zip(accepted.drain(..)) {
            if request.is_oneway() {
                continue;
            }
            let result = result.and_then(|accepted| match (&stored, sending.results().get(accepted.records.clone())) {
                (_, Some(records)) => Ok((accepted, records)),
                (Err(refusal), None) => Err(refusal.clone()),
                (Ok(_), None) => Err(Refusal::system_error("UNKNOWN_ERROR")),
            });
            match result {
                Err(refusal) => encoder.failure(request, &refusal),
                Ok((accepted, records)) if sending.is_sync_flush() && accepted.wait_for_flush => {
                    waiting.push(encoder.owned(request, &accepted, records, sending.unique_key(&accepted)));
                }
                Ok((accepted, records)) => {
                    encoder.success(request, &accepted, records, sending.unique_key(&accepted));
                }
            }
        }
        answers.extend(encoder.finish());
        if let (Some(end), false) = (sending.results().last(), waiting.is_empty()) {
            let end = end.physical_offset + i64::from(end.size);
            let timeout = sending.config().sync_flush_timeout;
            answer_when_flushed(service, connection, end, timeout, waiting);
        }
    });
}

/// Runs what may wait for the disk. The other tasks of this thread go on elsewhere meanwhile: clients that only ask, or consume, must not
/// wait for a log that cannot grow.
fn waiting<R>(work: impl FnOnce() -> R) -> R {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Gives answers when the log is on disk up to `end`, or when the time is over. The connection goes on meanwhile.
fn answer_when_flushed(
    service: &Service,
    connection: &Arc<Connection>,
    end: i64,
    timeout_ms: i32,
    waiting: Vec<OwnedAnswer>,
) {
    let deadline = Instant::now() + Duration::from_millis(u64::from(timeout_ms.unsigned_abs()));
    let connection = Arc::clone(connection);
    let done = move |outcome: FlushOutcome| {
        let outcome = match outcome {
            FlushOutcome::Flushed => Ok(PutOutcome::Ok),
            FlushOutcome::TimedOut => Ok(PutOutcome::FlushDiskTimeout),
            // Nobody knows what the disk holds: no success of any kind, the client tries another broker.
            FlushOutcome::Failed(why) => Err(unavailable(&why)),
        };
        let mut answers = Vec::new();
        waiting.iter().for_each(|answer| answer.encode(&mut answers, &outcome));
        if let Err(error) = connection.send(OutFrame::whole(answers.into())) {
            tracing::debug!(%error, "answers to flushed sends not sent");
        }
    };
    service.store.when_flushed(end, deadline, Box::new(done));
}

/// The send in a request. SEND_MESSAGE has the long names, the others the letters.
fn decode(request: &Command) -> Result<SendRequest<'_>, Refusal> {
    if request.code == request::SEND_MESSAGE {
        let header = SendMessage::decode_named(&request.ext, Naming::Long).map_err(unreadable)?;
        return Ok(of_header(&header, request));
    }
    decode_letters(&request.ext, &request.body, request.version)
}

/// The send of a declared header.
pub(super) fn of_header<'a>(header: &SendMessage<'a>, request: &'a Command) -> SendRequest<'a> {
    SendRequest {
        topic: header.topic,
        default_topic: Some(header.default_topic),
        default_topic_queues: Some(header.default_topic_queue_nums),
        queue_id: header.queue_id,
        sys_flag: header.sys_flag,
        flag: header.flag,
        born_timestamp: header.born_timestamp,
        properties: header.properties.unwrap_or_default(),
        reconsume_times: header.reconsume_times,
        max_reconsume_times: header.max_reconsume_times,
        unit_mode: header.unit_mode,
        is_batch: header.batch,
        body: &request.body,
        client_version: request.version,
    }
}

/// The letters of SEND_MESSAGE_V2 (wire.md 4.1.2) in one pass. Like the reference it does without the fields that a send to
/// an existing topic does not need.
fn decode_letters<'a>(ext: &'a ExtFields, body: &'a [u8], client_version: i32) -> Result<SendRequest<'a>, Refusal> {
    let (mut topic, mut queue_id, mut sys_flag, mut born_timestamp, mut flag) = (None, None, None, None, None);
    let (mut default_topic, mut default_topic_queues, mut properties) = (None, None, "");
    let (mut reconsume_times, mut max_reconsume_times, mut unit_mode, mut is_batch) = (0, None, false, false);
    for (name, value) in ext.raw() {
        let (&[letter], Some(value)) = (name, value) else { continue };
        match letter {
            b'b' => topic = Some(value),
            b'c' => default_topic = Some(value),
            b'd' => default_topic_queues = Some(number(letter, value)?),
            b'e' => queue_id = Some(number(letter, value)?),
            b'f' => sys_flag = Some(number(letter, value)?),
            b'g' => born_timestamp = Some(number(letter, value)?),
            b'h' => flag = Some(number(letter, value)?),
            b'i' => properties = value,
            b'j' => reconsume_times = number(letter, value)?,
            b'k' => unit_mode = value.eq_ignore_ascii_case("true"),
            b'l' => max_reconsume_times = Some(number(letter, value)?),
            b'm' => is_batch = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }
    Ok(SendRequest {
        topic: needed("topic", topic)?,
        default_topic,
        default_topic_queues,
        queue_id: needed("queueId", queue_id)?,
        sys_flag: needed("sysFlag", sys_flag)?,
        flag: needed("flag", flag)?,
        born_timestamp: needed("bornTimestamp", born_timestamp)?,
        properties,
        reconsume_times,
        max_reconsume_times,
        unit_mode,
        is_batch,
        body,
        client_version,
    })
}

/// The number of a field. Nearly all are a few digits, which are read by hand.
#[inline]
fn number<T: std::str::FromStr + TryFrom<i64>>(letter: u8, text: &str) -> Result<T, Refusal> {
    match digits(text).map(T::try_from) {
        Some(Ok(value)) => Ok(value),
        _ => any_number(letter, text),
    }
}

/// The number of a few digits and nothing else.
#[inline]
fn digits(text: &str) -> Option<i64> {
    /// So many digits always fit 64 bits.
    const DIGITS_MAX: usize = 18;
    if !(1..=DIGITS_MAX).contains(&text.len()) {
        return None;
    }
    text.bytes().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i64::from(digit))
    })
}

#[cold]
fn any_number<T: std::str::FromStr>(letter: u8, text: &str) -> Result<T, Refusal> {
    let name = char::from(letter);
    text.parse().map_err(|_| Refusal::thrown(format!("header field {name} has the illegal value {text:?}")))
}

fn needed<T>(name: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::thrown(format!("header field {name} is missing")))
}

/// CONSUMER_SEND_MSG_BACK. May wait for the disk.
pub(super) fn send_back(service: &Service, caller: &Caller, request: &Command) -> Result<(), Refusal> {
    let header = ConsumerSendMsgBack::decode(&request.ext).map_err(unreadable)?;
    let back = SendBack {
        offset: header.offset,
        group: header.group,
        delay_level: header.delay_level,
        unit_mode: header.unit_mode,
        max_reconsume_times: header.max_reconsume_times,
    };
    back::send_back(service, caller, &back)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(code: i32, ext: ExtFields) -> Command {
        Command { version: 493, ..Command::request(code, ext, bytes::Bytes::from_static(b"body")) }
    }

    // The one-pass reader of the letters agrees with the declared header, for many combinations of fields and values.
    #[test]
    fn letters_are_read_like_the_declared_header() {
        let numbers = [0, 1, -1, 7, i32::MAX, i32::MIN];
        for i in 0..2000usize {
            let pick = |salt: usize| numbers[(i / (salt + 1) + salt) % numbers.len()];
            let header = SendMessage {
                producer_group: "PG",
                topic: ["T", "%RETRY%G", " "][i % 3],
                default_topic: ["TBW102", "x"][i % 2],
                default_topic_queue_nums: pick(1),
                queue_id: pick(2),
                sys_flag: pick(3),
                born_timestamp: i64::from(pick(4)) * 3,
                flag: pick(5),
                properties: (i % 5 != 0).then_some("a\u{1}b\u{2}"),
                reconsume_times: pick(6),
                unit_mode: i % 7 == 0,
                max_reconsume_times: (i % 4 == 0).then_some(pick(7)),
                batch: i % 11 == 0,
                broker_name: None,
            };
            let mut short = ExtFields::empty();
            header.encode_named(&mut short, Naming::Short);
            let long = request(request::SEND_MESSAGE, header.to_ext());
            let short = request(request::SEND_MESSAGE_V2, short);
            assert_eq!(decode(&short).expect("complete"), decode(&long).expect("complete"));
        }
    }

    #[test]
    fn numbers_that_are_none_are_refused_without_the_fields_of_a_send() {
        let ext = ExtFields::from_iter([("b", "T"), ("e", "x"), ("f", "0"), ("g", "0"), ("h", "0")]);
        let refusal = decode_letters(&ext, &[], 0).expect_err("e is no number");
        assert!(refusal.thrown && refusal.remark.contains('e'), "{refusal:?}");
    }
}
