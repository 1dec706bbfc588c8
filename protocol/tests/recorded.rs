//! Bodies of the recorded frames (`testdata/frames`): JSON of every known type is read completely and written with the
//! same content; records and batches are read, and written to the same bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic as the tests do")]
use ferromq_protocol::body::*;
use ferromq_protocol::json::{self, Flavour, Key, Value};
use ferromq_protocol::{batch, record};

mod frames;

/// One recorded body.
struct Recorded {
    /// File and number of the frame.
    place: String,
    /// True for answers.
    response: bool,
    /// Code of the request, also in its answer.
    request: i32,
    body: Vec<u8>,
}

/// Every body that was recorded whole.
fn recorded() -> Vec<Recorded> {
    let frames = frames::all().into_iter().filter(|frame| frame.body_len > 0 && !frame.cut);
    let body = |frame: frames::Recorded| Recorded {
        place: frame.to_string(),
        response: frame.response,
        request: if frame.response { frame.req_code } else { frame.code },
        body: frame.frame[frame.frame.len() - frame.body_len..].to_vec(),
    };
    frames.map(body).collect()
}

/// True when `whole` has everything that `part` has; lists in any order, numbers by value, keys by meaning.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(_), Value::Object(members)) => members.iter().all(|(key, value)| {
            let member = whole.entries().iter().find(|(other, _)| same_key(other, key));
            value.is_null() || member.is_some_and(|(_, member)| contains(member, value))
        }),
        (Value::Array(items), Value::Array(parts)) => {
            items.len() == parts.len() && parts.iter().all(|part| items.iter().any(|item| contains(item, part)))
        }
        (Value::Float(_), _) | (_, Value::Float(_)) => whole.as_f64() == part.as_f64(),
        _ => whole == part,
    }
}

fn same_key(one: &Key, other: &Key) -> bool {
    match (one.object(), other.object()) {
        (Some(one), Some(other)) => contains(&one, &other) && contains(&other, &one),
        _ => one.text() == other.text(),
    }
}

/// Compares what was written with what was read.
fn check(recorded: &Recorded, body: Result<Value, BodyError>) {
    let text = String::from_utf8_lossy(&recorded.body);
    let written = body.unwrap_or_else(|error| panic!("{}: {error:?}\n{text}", recorded.place));
    let original = json::parse(&recorded.body).unwrap();
    let again = json::parse(&written.write(Flavour::Quoted)).unwrap();
    assert!(contains(&again, &original), "{}\nread:    {text}\nwritten: {written:?}", recorded.place);
}

/// The body of a known type as written again; `None` for others.
fn rewritten(recorded: &Recorded) -> Option<Result<Value, BodyError>> {
    let bytes = &recorded.body[..];
    macro_rules! rewrite {
        ($type:ty) => {
            <$type>::decode(bytes).map(|body| body.to_json())
        };
    }
    Some(match (recorded.response, recorded.request) {
        (false, 34) => rewrite!(HeartbeatData),
        (false, 41 | 42) => rewrite!(LockBatchRequest),
        (false, 46) => rewrite!(CheckClientConfigBody),
        (false, 103) => rewrite!(RegisterBrokerBody),
        (false, 200) => rewrite!(SubscriptionGroupConfig),
        (false, 220) | (true, 222) => rewrite!(ResetOffsetBody),
        (true, 21) => rewrite!(TopicConfigTable),
        (true, 28 | 103 | 219) => rewrite!(KvTable),
        (true, 38) => rewrite!(ConsumerIdList),
        (true, 41) => rewrite!(LockBatchResponse),
        (true, 105) => rewrite!(TopicRouteData),
        (true, 106) => rewrite!(ClusterInfo),
        (true, 201) => rewrite!(SubscriptionGroupTable),
        (true, 202) => rewrite!(TopicStatsTable),
        (true, 203) => rewrite!(ConsumerConnection),
        (true, 204) => rewrite!(ProducerConnection),
        (true, 206 | 224 | 305 | 343) => rewrite!(TopicList),
        (true, 208) => rewrite!(ConsumeStats),
        (true, 221 | 223) => rewrite!(GetConsumerStatusBody),
        (true, 300) => rewrite!(GroupList),
        (true, 307) => rewrite!(ConsumerRunningInfo),
        (true, 309) => rewrite!(ConsumeMessageDirectlyResult),
        (true, 315) => rewrite!(BrokerStatsData),
        (true, 317) => rewrite!(ConsumeStatsList),
        (true, 328) => rewrite!(ProducerTable),
        (true, 351) => rewrite!(TopicConfig),
        _ => return None,
    })
}

/// Nothing a peer sent gets lost between reading and writing.
#[test]
fn json_bodies() {
    let mut checked = 0;
    for recorded in recorded() {
        // zlib streams: registrations in the compressed form.
        if recorded.request == 103 && !recorded.response && recorded.body[0] == 0x78 {
            let body = RegisterBrokerBody::decode_compressed(&recorded.body, 493).unwrap();
            let again = RegisterBrokerBody::decode_compressed(&body.encode_compressed().unwrap(), 493).unwrap();
            assert_eq!(again, body);
            checked += 1;
        } else if let Some(body) = rewritten(&recorded) {
            check(&recorded, body);
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} bodies of known types");
}

/// Records of pull, query, view, check and pop frames: valid CRC, and the same bytes when written again.
#[test]
fn records() {
    let mut checked = 0;
    for recorded in recorded() {
        if !matches!((recorded.response, recorded.request), (true, 11 | 12 | 33 | 361 | 200_050) | (false, 39 | 309)) {
            continue;
        }
        for view in record::iter(&recorded.body) {
            let view = view.unwrap_or_else(|error| panic!("{}: {error}", recorded.place));
            view.check_body_crc().unwrap();
            let mut again = Vec::new();
            record::encode(&mut again, &view.to_message()).unwrap();
            assert_eq!(again, view.as_bytes(), "{}", recorded.place);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} records");
}

/// Batch sends: the same bytes when written again.
#[test]
fn batches() {
    let mut checked = 0;
    for recorded in recorded().iter().filter(|r| !r.response && r.request == 320) {
        let messages: Vec<_> = batch::iter(&recorded.body).collect::<Result<_, _>>().unwrap();
        let mut again = Vec::new();
        batch::encode(&mut again, &messages).unwrap();
        assert_eq!(again, recorded.body, "{}", recorded.place);
        checked += messages.len();
    }
    assert!(checked > 1, "{checked} messages");
}
