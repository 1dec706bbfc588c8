//! What a consumer group has seen: distinct (queue, offset) pairs, redeliveries, order per aircraft, totals.
use ferromq::MessageExt;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

/// The books of one group; shared by its members.
#[derive(Debug, Default)]
pub struct Ledger {
    books: Mutex<Books>,
}

/// The numbers.
#[derive(Debug, Default, Clone)]
pub struct Books {
    /// Broker, queue and offset of every message seen.
    pub places: HashSet<(String, i32, i64)>,
    /// Deliveries of a message that had been seen before.
    pub redelivered: u64,
    /// A flight came before an earlier one of the same aircraft.
    pub out_of_order: u64,
    /// Messages whose tag or properties are not what was sent.
    pub damaged: u64,
    /// Flights and miles per aircraft.
    pub aircraft: HashMap<String, (u32, u64)>,
    /// Deliveries per member.
    pub members: HashMap<String, u64>,
}

/// What is entered of a delivered message: broker, queue, offset, key, tag, and the properties `sequence` and `distance`.
#[derive(Debug, Deserialize)]
pub struct Entry(String, i32, i64, Option<String>, Option<String>, Option<u64>, Option<u64>);

impl From<&MessageExt> for Entry {
    fn from(message: &MessageExt) -> Self {
        let text = |value: Option<&str>| value.map(str::to_string);
        let number = |name: &str| message.property(name).and_then(|v| v.parse::<u64>().ok());
        let (broker, key, tag) = (message.broker_name().to_string(), text(message.keys()), text(message.tag()));
        let (sequence, distance) = (number("sequence"), number("distance"));
        Entry(broker, message.queue_id(), message.queue_offset(), key, tag, sequence, distance)
    }
}

impl Ledger {
    /// Enters one delivery to `member`. `wanted` is the tag that the group subscribes to, if it does.
    pub fn enter(&self, member: &str, entry: Entry, wanted: Option<&str>) {
        let Ok(mut books) = self.books.lock() else { return };
        *books.members.entry(member.to_string()).or_default() += 1;
        let Entry(broker, queue, offset, key, tag, sequence, distance) = entry;
        if !books.places.insert((broker, queue, offset)) {
            books.redelivered += 1;
            return;
        }
        let (Some(sequence), Some(distance), Some(key)) = (sequence, distance, key) else {
            books.damaged += 1;
            return;
        };
        if wanted.is_some() && tag.as_deref() != wanted {
            books.damaged += 1;
        }
        let (flights, miles) = books.aircraft.entry(key).or_default();
        let expected = u64::from(*flights);
        *flights += 1;
        *miles += distance;
        // With a tag filter there are gaps, so only the complete groups can be held to the sequence.
        if wanted.is_none() && sequence != expected {
            books.out_of_order += 1;
        }
    }

    /// Distinct messages so far.
    pub fn count(&self) -> usize {
        self.books.lock().map_or(0, |b| b.places.len())
    }

    /// A copy of the books.
    pub fn books(&self) -> Books {
        self.books.lock().map(|b| b.clone()).unwrap_or_default()
    }
}
