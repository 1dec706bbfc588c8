//! Request frames as templates whose numbers have a fixed width, so that the driver patches digits instead of encoding.
//!
//! The driver shall cost as little as possible: it competes with the server for the machine's two cores.
use bytes::{Bytes, BytesMut};
use ferromq_protocol::headers::CreateTopic;
use ferromq_protocol::{code, Codec, Command, ExtFields, Header};

/// Width of every patched decimal number.
pub const DIGITS: usize = 10;
/// Opaques start here: ten digits in JSON, four bytes in binary.
pub const FIRST_OPAQUE: i32 = 1_000_000_000;
/// Marks the places to patch; no other field of a template has this value.
const MARK: &str = "7777777777";

/// One encoded request.
#[derive(Debug, Clone)]
pub struct Template {
    frame: Vec<u8>,
    codec: Codec,
    opaque_at: usize,
    /// Where the variable decimal number of the header stands, if there is one.
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

fn request(codec: Codec, code: i32, fields: &[(&str, &str)], body: Bytes) -> Result<Template, String> {
    let ext: ExtFields = fields.iter().copied().collect();
    let mut command = Command::request(code, ext, body);
    command.opaque = FIRST_OPAQUE;
    command.codec = codec;
    Template::new(command)
}

/// SEND_MESSAGE_V2 of a body of `size` bytes with a tag and a unique key, as the official client writes it.
pub fn send(codec: Codec, topic: &str, queue: i32, size: usize) -> Result<Template, String> {
    let properties = "UNIQ_KEY\u{1}7F000001162E2A139A5500000E100000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";
    let fields = [
        ("a", "BenchProducer"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", &queue.to_string()),
        ("f", "0"),
        ("g", "1700000000000"),
        ("h", "0"),
        ("i", properties),
        ("j", "0"),
        ("k", "false"),
        ("m", "false"),
        ("n", "bench"),
    ];
    request(codec, code::request::SEND_MESSAGE_V2, &fields, Bytes::from(vec![b'x'; size]))
}

/// PULL_MESSAGE of 32 messages at a variable offset, with the subscription in the request.
pub fn pull(codec: Codec, topic: &str, queue: i32) -> Result<Template, String> {
    let fields = [
        ("consumerGroup", "BenchConsumer"),
        ("topic", topic),
        ("queueId", &queue.to_string()),
        ("queueOffset", MARK),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "15000"),
        ("subscription", "*"),
        ("subVersion", "0"),
        ("expressionType", "TAG"),
    ];
    request(codec, code::request::PULL_MESSAGE, &fields, Bytes::new())
}

/// UPDATE_AND_CREATE_TOPIC.
pub fn create_topic(topic: &str, queues: u32) -> Result<Template, String> {
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
