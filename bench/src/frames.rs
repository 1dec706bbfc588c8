//! Request frames as templates whose numbers have a fixed width, so that the driver patches digits instead of encoding.
//!
//! The driver shall cost as little as possible: it competes with the server for the machine's two cores.
use bytes::{Bytes, BytesMut};
use ferromq_protocol::batch::{self, BatchMessage};
use ferromq_protocol::headers::CreateTopic;
use ferromq_protocol::{code, Codec, Command, ExtFields, Header};

/// Width of every patched decimal number.
pub const DIGITS: usize = 10;
/// Opaques start here: ten digits in JSON, four bytes in binary.
pub const FIRST_OPAQUE: i32 = 1_000_000_000;
/// Stands where a template's variable number goes: in a topic's name, an offset, a body. At most once in a template.
pub const MARK: &str = "7777777777";
/// Bytes of the body of every sent message.
pub const BODY_BYTES: usize = 128;
/// Properties of a message as the official client writes them.
const PROPERTIES: &str = "UNIQ_KEY\u{1}7F000001162E2A139A5500000E100000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";

/// One encoded request.
#[derive(Debug, Clone)]
pub struct Template {
    frame: Vec<u8>,
    codec: Codec,
    opaque_at: usize,
    /// Where the variable decimal number stands, if there is one.
    number_at: Option<usize>,
}

impl Template {
    fn new(command: Command) -> Result<Template, String> {
        let codec = command.codec;
        let mut out = BytesMut::new();
        command.encode(&mut out).map_err(|e| format!("cannot encode a template: {e}"))?;
        let frame = out.to_vec();
        let opaque_at = match codec {
            Codec::Json => find(&frame, b"\"opaque\":").map(|at| at + 9),
            Codec::Binary => Some(8 + 5),
        };
        let number_at = find(&frame, MARK.as_bytes());
        Ok(Template { frame, codec, opaque_at: opaque_at.ok_or("a template without opaque")?, number_at })
    }

    /// Appends the frame with this opaque and number.
    pub fn put(&self, out: &mut Vec<u8>, opaque: i32, number: u64) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        match self.codec {
            Codec::Json => put_digits(&mut frame[self.opaque_at..][..DIGITS], opaque.unsigned_abs().into()),
            Codec::Binary => frame[self.opaque_at..][..4].copy_from_slice(&opaque.to_be_bytes()),
        }
        if let Some(at) = self.number_at {
            put_digits(&mut frame[at..][..DIGITS], number);
        }
    }
}

fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

fn request(codec: Codec, code: i32, fields: &[(&str, String)], body: Bytes) -> Result<Template, String> {
    let ext: ExtFields = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut command = Command::request(code, ext, body);
    command.opaque = FIRST_OPAQUE;
    command.codec = codec;
    Template::new(command)
}

/// A message of [`BODY_BYTES`] bytes that begins with `text`.
fn body(text: &str) -> Vec<u8> {
    let mut body = text.as_bytes().to_vec();
    body.resize(BODY_BYTES, b'x');
    body
}

/// SEND_MESSAGE_V2 with a tag and a unique key. The variable number may be in the topic's name or, `stamped`, at the start of
/// the body.
pub fn send(topic: &str, queue: usize, stamped: bool) -> Result<Template, String> {
    let body = body(if stamped { MARK } else { "" });
    request(Codec::Json, code::request::SEND_MESSAGE_V2, &send_fields(topic, queue, PROPERTIES, false), body.into())
}

/// SEND_BATCH_MESSAGE of `count` messages, each with the properties of a single one.
pub fn send_batch(topic: &str, queue: usize, count: usize) -> Result<Template, String> {
    let (message, mut all) = (body(""), Vec::new());
    let messages = vec![BatchMessage { flag: 0, body: &message, properties: PROPERTIES }; count];
    batch::encode(&mut all, &messages).map_err(|e| e.to_string())?;
    let key = "UNIQ_KEY\u{1}7F000001162E2A139A5500000E100000\u{2}";
    request(Codec::Json, code::request::SEND_BATCH_MESSAGE, &send_fields(topic, queue, key, true), all.into())
}

fn send_fields(topic: &str, queue: usize, properties: &str, is_batch: bool) -> [(&'static str, String); 13] {
    [
        ("a", "BenchProducer".into()),
        ("b", topic.into()),
        ("c", "TBW102".into()),
        ("d", "4".into()),
        ("e", queue.to_string()),
        ("f", "0".into()),
        ("g", "1700000000000".into()),
        ("h", "0".into()),
        ("i", properties.into()),
        ("j", "0".into()),
        ("k", "false".into()),
        ("m", is_batch.to_string()),
        ("n", "bench".into()),
    ]
}

/// PULL_MESSAGE of 32 messages at a variable offset, with the subscription in the request. With `hold` the broker may keep it
/// for so many milliseconds until something comes.
pub fn pull(codec: Codec, topic: &str, queue: usize, hold: Option<u32>) -> Result<Template, String> {
    const SUBSCRIPTION: u32 = 4;
    const SUSPEND: u32 = 2;
    let flags = SUBSCRIPTION | if hold.is_some() { SUSPEND } else { 0 };
    let fields = [
        ("consumerGroup", "BenchConsumer".into()),
        ("topic", topic.into()),
        ("queueId", queue.to_string()),
        ("queueOffset", MARK.into()),
        ("maxMsgNums", "32".into()),
        ("sysFlag", flags.to_string()),
        ("commitOffset", "0".into()),
        ("suspendTimeoutMillis", hold.unwrap_or(0).to_string()),
        ("subscription", "*".into()),
        ("subVersion", "0".into()),
        ("expressionType", "TAG".into()),
    ];
    request(codec, code::request::PULL_MESSAGE, &fields, Bytes::new())
}

/// HEART_BEAT of a producer whose client id has the variable number.
pub fn heartbeat() -> Result<Template, String> {
    let body = format!(
        "{{\"clientID\":\"127.0.0.1@{MARK}\",\"consumerDataSet\":[],\"producerDataSet\":[{{\"groupName\":\"BenchProducer\"}}]}}"
    );
    request(Codec::Json, code::request::HEART_BEAT, &[], body.into())
}

/// GET_MAX_OFFSET: a request that is answered at once and in turn.
pub fn max_offset(topic: &str) -> Result<Template, String> {
    let fields = [("topic", topic.to_owned()), ("queueId", "0".into())];
    request(Codec::Binary, code::request::GET_MAX_OFFSET, &fields, Bytes::new())
}

/// UPDATE_AND_CREATE_TOPIC; the variable number may be in the topic's name.
pub fn create_topic(topic: &str, queues: usize) -> Result<Template, String> {
    let queues = i32::try_from(queues).map_err(|_| format!("{queues} queues are too many"))?;
    let header = CreateTopic {
        topic,
        default_topic: "TBW102",
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm: 6,
        topic_filter_type: "SINGLE_TAG",
        topic_sys_flag: Some(0),
        order: false,
        attributes: None,
        force: None,
    };
    let mut command = Command::request(code::request::UPDATE_AND_CREATE_TOPIC, header.to_ext(), Bytes::new());
    command.opaque = FIRST_OPAQUE;
    Template::new(command)
}
