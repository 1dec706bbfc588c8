//! The answers to sends: those of a run one behind the other, as one piece. Nearly all differ from the one before in a few numbers
//! only, so the rest is encoded once.
use crate::service::send::{Accepted, PutOutcome, Sending};
use crate::service::{Refusal, Service};
use bytes::BytesMut;
use ferromq_protocol::frame::{encode_typed_to, EncodeError, Fixed, Mark, Prepared};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{SendFailure, SendMessageResponse};
use ferromq_protocol::ids::OffsetMessageIds;
use ferromq_protocol::{Codec, Command, Header};
use ferromq_remoting::OutFrame;
use ferromq_store::RecordResult;
use std::net::SocketAddr;
use std::sync::Arc;

/// What all answers of a broker have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Common {
    region: Arc<str>,
    trace_on: &'static str,
    store_host: Option<SocketAddr>,
}

/// Writes the answers of a run one behind the other; they leave as one piece.
#[derive(Default)]
pub(super) struct Encoder {
    answers: Vec<u8>,
    buffer: BytesMut,
    common: Common,
    /// The ids of this broker's records, and memory for their text.
    ids: Option<OffsetMessageIds>,
    text: Vec<u8>,
    ready: Option<Ready>,
}

/// Answers of `common` in JSON that lack only what differs from one to the next.
struct Ready {
    with_key: Prepared,
    without_key: Prepared,
}

impl Ready {
    fn new(common: &Common) -> Option<Self> {
        const MARKS: [Mark<'static>; 5] = [
            ("\"msgId\":\"", "#"),
            ("\"queueId\":\"", "0"),
            ("\"queueOffset\":\"", "0"),
            ("\"transactionId\":", "\"#\""),
            ("\"opaque\":", "0"),
        ];
        let ([.., opaque], [ids, queue, offset, ..]) = (MARKS, MARKS);
        let prepared = |key, marks: &[Mark<'_>]| {
            Prepared::answer(PutOutcome::Ok.code(), Some(&header(common, "#", 0, 0, key)), marks)
        };
        Some(Self {
            with_key: prepared(Some("#"), &MARKS)?,
            without_key: prepared(None, &[ids, queue, offset, opaque])?,
        })
    }

    /// Writes the answer to a send that is done. After an error nothing was written.
    fn put(
        &self,
        out: &mut Vec<u8>,
        request: &Command,
        ids: &OffsetMessageIds,
        queue_id: i32,
        records: &[RecordResult],
        key: Option<&str>,
    ) -> Result<(), EncodeError> {
        let prepared = if key.is_some() { &self.with_key } else { &self.without_key };
        let filling = prepared.begin(out).with(|out| ids.join_to(physical_offsets(records), out));
        let filling = filling.int(queue_id.into()).int(first_offset(records));
        let filling = if let Some(key) = key { filling.text(key) } else { filling };
        filling.int(request.opaque.into()).end()
    }
}

impl Encoder {
    /// Bytes of answers above which the memory of a run is not kept: batches have long answers.
    const ANSWERS_KEPT_MAX: usize = 1024 * 1024;

    pub(super) fn begin(&mut self, service: &Service, sending: &Sending<'_>) {
        let config = sending.config();
        let trace_on = if config.trace_on { "true" } else { "false" };
        let (region, store_host) = (config.region_id.as_str(), Some(service.identity.store_host));
        let before = &self.common;
        if (&*before.region, before.trace_on, before.store_host) != (region, trace_on, store_host) {
            self.common = Common { region: region.into(), trace_on, store_host };
            self.ids = store_host.map(OffsetMessageIds::new);
            self.ready = Ready::new(&self.common);
        }
        self.answers.clear();
    }

    /// The answers since [`begin`](Self::begin), if there are any.
    pub(super) fn finish(&mut self) -> Option<OutFrame> {
        if self.answers.is_empty() {
            return None;
        }
        if self.answers.len() > Self::ANSWERS_KEPT_MAX {
            return Some(OutFrame::whole(std::mem::take(&mut self.answers).into()));
        }
        // The buffer is the same one again once what was split off it is written.
        self.buffer.extend_from_slice(&self.answers);
        Some(OutFrame::whole(self.buffer.split().freeze()))
    }

    pub(super) fn success(
        &mut self,
        request: &Command,
        accepted: &Accepted,
        records: &[RecordResult],
        key: Option<&str>,
    ) {
        if let (Some(ready), Some(ids), Codec::Json) = (&self.ready, &self.ids, request.codec) {
            if ready.put(&mut self.answers, request, ids, accepted.queue_id, records, key).is_ok() {
                return;
            }
        }
        let ids = joined(self.ids.as_ref(), records, &mut self.text);
        let header = header(&self.common, ids, accepted.queue_id, first_offset(records), key);
        frame(&mut self.answers, &Fixed::response_to(request, PutOutcome::Ok.code()), None, Some(&header));
    }

    pub(super) fn failure(&mut self, request: &Command, refusal: &Refusal) {
        failure(&mut self.answers, Fixed::response_to(request, 0), &self.common, refusal);
    }

    pub(super) fn owned(
        &mut self,
        request: &Command,
        accepted: &Accepted,
        records: &[RecordResult],
        key: Option<&str>,
    ) -> OwnedAnswer {
        OwnedAnswer {
            fixed: Fixed::response_to(request, 0),
            common: self.common.clone(),
            ids: joined(self.ids.as_ref(), records, &mut self.text).to_owned(),
            queue_id: accepted.queue_id,
            queue_offset: first_offset(records),
            unique_key: key.map(str::to_owned),
        }
    }
}

fn failure(out: &mut Vec<u8>, fixed: Fixed, common: &Common, refusal: &Refusal) {
    let header = SendFailure { msg_region: Some(&common.region), trace_on: Some(common.trace_on) };
    let fixed = Fixed { code: refusal.code, ..fixed };
    frame(out, &fixed, Some(&refusal.remark), (!refusal.thrown).then_some(&header));
}

fn physical_offsets(records: &[RecordResult]) -> impl Iterator<Item = i64> + '_ {
    records.iter().map(|record| record.physical_offset)
}

/// The ids of records as one text.
fn joined<'a>(ids: Option<&OffsetMessageIds>, records: &[RecordResult], text: &'a mut Vec<u8>) -> &'a str {
    text.clear();
    if let Some(ids) = ids {
        ids.join_to(physical_offsets(records), text);
    }
    std::str::from_utf8(text).unwrap_or_default()
}

fn first_offset(records: &[RecordResult]) -> i64 {
    records.first().map_or(0, |r| r.queue_offset)
}

fn header<'a>(
    common: &'a Common,
    ids: &'a str,
    queue_id: i32,
    queue_offset: i64,
    unique_key: Option<&'a str>,
) -> SendMessageResponse<'a> {
    SendMessageResponse {
        msg_id: ids,
        queue_id,
        queue_offset,
        transaction_id: unique_key,
        batch_uniq_id: None,
        recall_handle: None,
        msg_region: Some(&common.region),
        trace_on: Some(common.trace_on),
    }
}

fn frame<'a, H: Header<'a>>(out: &mut Vec<u8>, fixed: &Fixed, remark: Option<&str>, header: Option<&H>) {
    if encode_typed_to(out, fixed, remark, header, Naming::Long, 0).is_err() {
        // Longer than a frame may be: only a remark could be that long, and nothing was written.
        let short = encode_typed_to::<H>(out, fixed, None, None, Naming::Long, 0);
        tracing::error!(?short, "an answer was too long and lost its remark");
    }
}

/// An answer that waits for the disk.
pub(super) struct OwnedAnswer {
    fixed: Fixed,
    common: Common,
    ids: String,
    queue_id: i32,
    queue_offset: i64,
    unique_key: Option<String>,
}

impl OwnedAnswer {
    pub(super) fn encode(&self, out: &mut Vec<u8>, outcome: &Result<PutOutcome, Refusal>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(refusal) => return failure(out, self.fixed, &self.common, refusal),
        };
        let header = header(&self.common, &self.ids, self.queue_id, self.queue_offset, self.unique_key.as_deref());
        frame(out, &Fixed { code: outcome.code(), ..self.fixed }, None, Some(&header));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::code::request;
    use ferromq_protocol::ExtFields;

    // An answer that was made ready says what the encoder would have written, with and without a key, for one record and for a batch.
    #[test]
    fn ready_answers_are_as_encoded() {
        let (region, store_host) = ("\"opaque\":0,ä", "192.0.2.9:10911".parse().ok());
        let common = Common { region: region.into(), trace_on: "true", store_host };
        let record =
            |physical_offset| RecordResult { physical_offset, queue_offset: 77, store_timestamp: 5, size: 100 };
        let records = [record(0x0123_4567_89AB), record(0), record(i64::MAX)];
        for (key, count) in [(Some("7F000001\u{1}\"#\""), 1), (None, 3), (Some(""), 3)] {
            let request = Command {
                opaque: -45,
                ..Command::request(request::SEND_MESSAGE_V2, ExtFields::empty(), Default::default())
            };
            let records = &records[..count];
            let ids = store_host.map(OffsetMessageIds::new);
            let mut encoder = Encoder { common: common.clone(), ids, ..Encoder::default() };
            let accepted = Accepted { records: 0..count, queue_id: 6, unique_key: None, wait_for_flush: false };
            encoder.success(&request, &accepted, records, key);
            let expected = std::mem::take(&mut encoder.answers);
            encoder.ready = Ready::new(&common);
            assert!(encoder.ready.is_some());
            encoder.success(&request, &accepted, records, key);
            assert_eq!(String::from_utf8_lossy(&encoder.answers), String::from_utf8_lossy(&expected));
        }
    }
}
