//! Messages to be sent: one buffer with all texts and bodies, one table with their lengths.
//!
//! # Layout of the table, 32-bit numbers
//! Per message: token (-1: nobody waits), way (0 any queue, 1 by its sharding key, 2 one-way, 3 a queue given), flag, delay
//! level, then the lengths in bytes of topic (-1: that of the message before), tag, keys, sharding key or name of the queue's
//! broker (-1: none), the number of properties, the length of the body, the number of the queue; then per property the lengths
//! of name and value. The buffer has these parts in this order.
//!
//! Every length is checked: a wrong table is [`Class::Internal`], never a wrong read.
use bytes::Bytes;
use ferromq_bridge::{Class, Failure, How, Message, MessageQueue};

/// Numbers per message, before those of its properties.
const COLUMNS: usize = 11;

/// A message, where it goes, and the token of its result.
pub(crate) struct Outgoing {
    pub(crate) token: i32,
    pub(crate) how: How,
    /// Or what its properties are refused for.
    pub(crate) message: Result<Message, Failure>,
}

/// Reads `count` messages. The buffer is copied once; the bodies are slices of the copy.
pub(crate) fn read(count: u32, bytes: &[u8], numbers: &[i32]) -> Result<Vec<Outgoing>, Failure> {
    let used = used(count, numbers)?;
    let bytes = bytes.get(..used).ok_or_else(broken)?;
    let mut reader = Reader { bytes: Bytes::copy_from_slice(bytes), at: 0, numbers, topic: String::new() };
    (0..count).map(|_| reader.next()).collect()
}

/// Bytes that `count` messages take: the rest of the buffer is spare.
fn used(count: u32, numbers: &[i32]) -> Result<usize, Failure> {
    let (mut at, mut used) = (0, 0);
    let length = |number: i32| usize::try_from(number).unwrap_or(0);
    for _ in 0..count {
        let row = numbers.get(at..at + COLUMNS).ok_or_else(broken)?;
        used += row[4..8].iter().map(|number| length(*number)).sum::<usize>() + length(row[9]);
        at += COLUMNS;
        let properties = numbers.get(at..at + 2 * length(row[8])).ok_or_else(broken)?;
        used += properties.iter().map(|number| length(*number)).sum::<usize>();
        at += properties.len();
    }
    Ok(used)
}

struct Reader<'a> {
    bytes: Bytes,
    at: usize,
    numbers: &'a [i32],
    topic: String,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Outgoing, Failure> {
        let (row, rest) = self.numbers.split_at_checked(COLUMNS).ok_or_else(broken)?;
        let (lengths, rest) = rest.split_at_checked(2 * usize::try_from(row[8]).unwrap_or(0)).ok_or_else(broken)?;
        self.numbers = rest;
        if let Some(topic) = self.text(row[4])? {
            self.topic = topic;
        }
        let (tag, keys, place) = (self.text(row[5])?, self.text(row[6])?, self.text(row[7])?);
        let mut properties = Vec::with_capacity(lengths.len() / 2);
        for pair in lengths.chunks_exact(2) {
            properties.push((self.text(pair[0])?.unwrap_or_default(), self.text(pair[1])?.unwrap_or_default()));
        }
        let body = self.part(row[9])?;
        let mut message = Message::new(self.topic.as_str(), body).with_flag(row[2]);
        if row[3] > 0 {
            message = message.with_delay_level(row[3]);
        }
        if let Some(tag) = tag {
            message = message.with_tag(tag);
        }
        if let Some(keys) = keys {
            message = message.with_key(keys);
        }
        let message = properties
            .into_iter()
            .try_fold(message, |message, (name, value)| message.with_property(name, value))
            .map_err(Failure::from);
        let how = match (row[1], place) {
            (0, None) => How::Anywhere,
            (1, Some(key)) => How::Sharded(key),
            (2, None) => How::OneWay,
            (3, Some(broker)) => How::Queue(MessageQueue::new(self.topic.as_str(), broker, row[10])),
            _ => return Err(broken()),
        };
        Ok(Outgoing { token: row[0], how, message })
    }

    fn part(&mut self, length: i32) -> Result<Bytes, Failure> {
        let end = self.at + usize::try_from(length).map_err(|_| broken())?;
        if end > self.bytes.len() {
            return Err(broken());
        }
        let part = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(part)
    }

    fn text(&mut self, length: i32) -> Result<Option<String>, Failure> {
        if length < 0 {
            return Ok(None);
        }
        let part = self.part(length)?;
        // Node writes UTF-8; anything else would be its mistake and is only made readable.
        Ok(Some(String::from_utf8_lossy(&part).into_owned()))
    }
}

fn broken() -> Failure {
    Failure::new(Class::Internal, "a packed message does not fit its table")
}
