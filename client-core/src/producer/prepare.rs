//! From a message, or several, to what is sent: validation (client.md 2.3, 2.10), unique id, compression, properties.
//! Everything here happens once per send, whatever the number of attempts.
use super::options::ProducerOptions;
use crate::message::Message;
use crate::{Compression, Error};
use bytes::Bytes;
use ferromq_protocol::batch::{self, BatchMessage};
use ferromq_protocol::properties::{self, Properties, PROPERTIES_BYTES_MAX};
use ferromq_protocol::{compress, topic};

/// Bodies of at least this many bytes are compressed on a thread for blocking work: at level 5 that takes milliseconds.
const COMPRESS_ELSEWHERE_BYTES: usize = 64 * 1024;
/// Properties that ask for a delivery time; not possible in batches.
const TIMERS: [&str; 3] = [properties::TIMER_DELAY_SEC, properties::TIMER_DELAY_MS, properties::TIMER_DELIVER_MS];

/// A send without its queue.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub topic: String,
    pub body: Bytes,
    pub flag: i32,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub properties: Properties,
    /// The unique id; of a batch all ids, joined by commas.
    pub message_id: String,
    pub batch: bool,
    /// Header fields of messages on their way to a retry topic.
    pub reconsume_times: i32,
    pub max_reconsume_times: Option<i32>,
}

/// Checks a message before any network use.
pub(crate) fn validate(message: &Message, max_body: usize) -> Result<(), Error> {
    let name = &message.topic;
    topic::validate_topic(name).map_err(|e| Error::validation(e.to_string()))?;
    if !topic::is_sendable(name) {
        return Err(Error::validation(format!("topic {name} is written by brokers only, send to another one")));
    }
    if message.body.is_empty() {
        return Err(Error::illegal_message(format!("message to topic {name} has an empty body")));
    }
    let len = message.body.len();
    if len > max_body {
        let reason = format!("message to topic {name} has a body of {len} bytes, the limit is {max_body} bytes");
        return Err(Error::illegal_message(reason));
    }
    let dispatch = message.property(properties::INNER_MULTI_DISPATCH);
    if dispatch.is_some_and(|queues| queues.contains(['/', '\\'])) {
        return Err(Error::illegal_message(format!("message to topic {name} names a queue with a path separator")));
    }
    Ok(())
}

fn check_properties(topic: &str, properties: &Properties) -> Result<(), Error> {
    let len = properties.len();
    if len > PROPERTIES_BYTES_MAX {
        let reason = format!(
            "message to topic {topic} has {len} bytes of properties (keys and tag included), the limit is \
             {PROPERTIES_BYTES_MAX} bytes"
        );
        return Err(Error::illegal_message(reason));
    }
    Ok(())
}

/// Gives the message its unique id unless it has one, and returns it.
fn identify(properties: &mut Properties, unique_id: impl FnOnce() -> String) -> String {
    if let Some(id) = properties.get(properties::UNIQ_KEY) {
        return id.to_owned();
    }
    let id = unique_id();
    properties.set(properties::UNIQ_KEY, &id);
    id
}

/// Prepares a single message.
pub(crate) async fn single(
    message: Message,
    options: &ProducerOptions,
    now_ms: i64,
    unique_id: impl FnOnce() -> String,
) -> Result<Prepared, Error> {
    validate(&message, options.max_message_size)?;
    let Message { topic, body, flag, mut properties } = message;
    let message_id = identify(&mut properties, unique_id);
    let mut prepared = Prepared {
        body,
        flag,
        sys_flag: 0,
        born_timestamp: now_ms,
        message_id,
        batch: false,
        reconsume_times: 0,
        max_reconsume_times: None,
        topic,
        properties,
    };
    if topic::is_retry(&prepared.topic) {
        let mut take = |name: &str| {
            let value = prepared.properties.get(name).and_then(|text| text.parse().ok());
            prepared.properties.remove(name);
            value
        };
        (prepared.reconsume_times, prepared.max_reconsume_times) =
            (take(properties::RECONSUME_TIME).unwrap_or(0), take(properties::MAX_RECONSUME_TIMES));
    }
    check_properties(&prepared.topic, &prepared.properties)?;
    if prepared.body.len() >= options.compress_over {
        compress_body(&mut prepared, options.compression, options.compress_level).await;
    }
    Ok(prepared)
}

/// Compresses; a failure, or a body that does not become smaller, leaves it plain.
async fn compress_body(prepared: &mut Prepared, kind: Compression, level: u32) {
    let body = prepared.body.clone();
    let packed = if body.len() < COMPRESS_ELSEWHERE_BYTES {
        compress::compress(kind, level, &body)
    } else {
        match tokio::task::spawn_blocking(move || compress::compress(kind, level, &body)).await {
            Ok(packed) => packed,
            Err(_) => return, // the runtime stops
        }
    };
    match packed {
        Ok(packed) if packed.len() < prepared.body.len() => {
            prepared.body = Bytes::from(packed);
            prepared.sys_flag |= kind.sys_flag();
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(topic = %prepared.topic, %error, "body is sent plain"),
    }
}

/// Prepares several messages as one batch (client.md 2.10, wire.md 6.3).
pub(crate) fn batch(
    mut messages: Vec<Message>,
    options: &ProducerOptions,
    now_ms: i64,
    mut unique_id: impl FnMut() -> String,
) -> Result<Prepared, Error> {
    let Some(first) = messages.first() else {
        return Err(Error::illegal_message("a batch must have at least one message"));
    };
    let (topic, wait) = (first.topic.clone(), first.wait_store_ok());
    if topic::is_retry(&topic) {
        return Err(Error::validation(format!("retry topic {topic} takes no batches")));
    }
    let mut ids: Vec<String> = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter_mut().enumerate() {
        validate(message, options.max_message_size)?;
        check_member(message, index, &topic, wait)?;
        ids.push(identify(&mut message.properties, &mut unique_id));
        check_properties(&topic, &message.properties)?;
    }
    let size: usize = messages.iter().map(|m| batch::OVERHEAD + m.body.len() + m.properties.len()).sum();
    if size > options.max_message_size {
        let (count, max) = (messages.len(), options.max_message_size);
        let reason = format!("batch of {count} messages to topic {topic} has {size} bytes, the limit is {max} bytes");
        return Err(Error::illegal_message(reason));
    }
    let mut body = Vec::with_capacity(size);
    for message in &messages {
        let properties = message.properties.as_str();
        let member = BatchMessage { flag: message.flag, body: &message.body, properties };
        batch::encode(&mut body, &[member]).map_err(|e| Error::illegal_message(e.to_string()))?;
    }
    let mut properties = Properties::new();
    properties.set(properties::UNIQ_KEY, &unique_id());
    properties.set(properties::WAIT, if wait { "true" } else { "false" });
    Ok(Prepared {
        topic,
        body: Bytes::from(body),
        flag: 0,
        sys_flag: 0,
        born_timestamp: now_ms,
        properties,
        message_id: ids.join(","),
        batch: true,
        reconsume_times: 0,
        max_reconsume_times: None,
    })
}

/// What all members of a batch must have in common, and what none may have.
fn check_member(message: &Message, index: usize, topic: &str, wait: bool) -> Result<(), Error> {
    let refuse = |what: &str| Err(Error::validation(format!("message {index} of the batch to topic {topic} {what}")));
    if message.topic != topic {
        return refuse(&format!("goes to topic {}: a batch has one topic", message.topic));
    }
    if message.wait_store_ok() != wait {
        return refuse("differs in waiting for the store from the first one");
    }
    if message.delay_level() > 0 || TIMERS.iter().any(|timer| message.property(timer).is_some()) {
        return refuse("is delayed: send it on its own");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ProducerOptions {
        ProducerOptions { max_message_size: 1000, ..ProducerOptions::default() }
    }

    async fn prepare(message: Message) -> Result<Prepared, Error> {
        single(message, &ProducerOptions { compress_over: 200, ..options() }, 1, || "ID".into()).await
    }

    /// Each local refusal has Java's code and names the topic (client.md 2.3).
    #[tokio::test]
    async fn refusals() {
        let long = "t".repeat(128);
        let table = [
            ("", "x", -1),
            ("a b", "x", -1),
            (long.as_str(), "x", -1),
            ("SCHEDULE_TOPIC_XXXX", "x", -1),
            ("T", "", 13),
            ("T", &"x".repeat(1001), 13),
        ];
        for (topic, body, code) in table {
            let error = prepare(Message::new(topic, body.to_owned())).await.unwrap_err();
            assert_eq!((error.code(), error.kind()), (code, crate::ErrorKind::Validation), "{topic}: {error}");
        }
        let heavy = Message::new("T", "x").with_key("k".repeat(40_000));
        assert_eq!(prepare(heavy).await.unwrap_err().code(), 13);
    }

    /// The unique id stays the same once given; large bodies are compressed and marked, incompressible ones stay plain.
    #[tokio::test]
    async fn identity_and_compression() {
        let plain = prepare(Message::new("T", "x")).await.unwrap();
        assert_eq!((plain.message_id.as_str(), plain.properties.get("UNIQ_KEY")), ("ID", Some("ID")));
        let packed = prepare(Message::new("T", "x".repeat(900))).await.unwrap();
        assert_eq!((packed.sys_flag, packed.body.len() < 100), (0x301, true));
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = (state ^ (state << 13)) ^ ((state ^ (state << 13)) >> 7);
            (state >> 24) as u8
        })
        .take(300)
        .collect();
        let noise = prepare(Message::new("T", noise)).await.unwrap();
        assert_eq!((noise.sys_flag, noise.body.len()), (0, 300));
    }

    /// A message on its way to a retry topic carries its counters in the header, not in the properties.
    #[tokio::test]
    async fn retry_counters_move() {
        let mut message = Message::new("%RETRY%G", "x");
        message.properties.set(properties::RECONSUME_TIME, "3");
        message.properties.set(properties::MAX_RECONSUME_TIMES, "16");
        let prepared = prepare(message).await.unwrap();
        assert_eq!((prepared.reconsume_times, prepared.max_reconsume_times), (3, Some(16)));
        assert_eq!(prepared.properties.get(properties::RECONSUME_TIME), None);
    }

    /// A batch keeps flags, bodies, properties and ids of its members, and refuses what cannot be in one.
    #[test]
    fn batches() {
        let mut next = 0;
        let mut make = |messages| {
            batch(messages, &options(), 1, || {
                next += 1;
                format!("ID{next}")
            })
        };
        let message = || Message::new("T", "x");
        let good = make(vec![message().with_flag(4).with_tag("a"), message()]).unwrap();
        assert_eq!((good.message_id.as_str(), good.properties.get("UNIQ_KEY")), ("ID1,ID2", Some("ID3")));
        let inner: Vec<_> = batch::iter(&good.body).map(Result::unwrap).collect();
        assert_eq!((inner.len(), inner[0].flag, properties::get(inner[0].properties, "TAGS")), (2, 4, Some("a")));
        let bad = [
            vec![],
            vec![message(), Message::new("U", "x")],
            vec![message(), message().with_wait_store_ok(false)],
            vec![message().with_delay_level(1)],
            vec![Message::new("%RETRY%G", "x")],
            vec![Message::new("T", "x".repeat(600)), Message::new("T", "x".repeat(600))],
        ];
        for messages in bad {
            assert!(make(messages.clone()).is_err(), "{messages:?}");
        }
    }
}
