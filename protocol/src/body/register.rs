//! The body of a broker's registration, in JSON and in the compressed form (wire.md 5.3, 5.4).
//!
//! Inflated, the compressed form is: DataVersion; number of topics, topics; filter servers; and, from brokers of version
//! 413 and later, number of mappings, mappings. Numbers are i32, every part is a text after its i32 length. A topic is
//! `<name> <read queues> <write queues> <perm> <filter type> <attributes JSON>`; order and sysFlag get lost.
use super::{BodyError, DataVersion, Member, TopicConfig, TopicConfigTable, TopicFilterType, TopicQueueMappingInfo};
use crate::be::i32_at;
use crate::compress::{compress, decompress, Compression};
use crate::json::{self, Flavour};
use std::collections::BTreeMap;

/// Most bytes a compressed registration may inflate to; more is an error. 100,000 topics take about 10 MiB.
pub const REGISTRATION_BYTES_MAX: usize = 128 << 20;
/// Brokers of this version and later write mappings.
pub const MAPPINGS_SINCE_VERSION: i32 = 413;
/// "Best compression", as Java does it.
const LEVEL: u32 = 9;

json_body! {
    /// What a broker tells the name server (103).
    pub struct RegisterBrokerBody {
        filter_server_list: Vec<String> = "filterServerList";
        topic_config_table: TopicConfigTable = "topicConfigSerializeWrapper";
    }
}
json_codec!(RegisterBrokerBody);

impl RegisterBrokerBody {
    /// The compressed form of brokers since version 413.
    pub fn encode_compressed(&self) -> Result<Vec<u8>, BodyError> {
        let mut out = Vec::new();
        put_part(&mut out, &self.topic_config_table.data_version.encode());
        put_count(&mut out, self.topic_config_table.topic_config_table.len());
        for topic in self.topic_config_table.topic_config_table.values() {
            put_part(&mut out, topic_text(topic).as_bytes());
        }
        put_part(&mut out, &self.filter_server_list.to_value().write(Flavour::Quoted));
        let mappings = self.topic_config_table.topic_queue_mapping_info_map.iter().flat_map(BTreeMap::values);
        put_count(&mut out, mappings.clone().count());
        for mapping in mappings {
            put_part(&mut out, &mapping.to_json().write(Flavour::Quoted));
        }
        Ok(compress(Compression::Zlib, LEVEL, &out)?)
    }

    /// Reads the compressed form; `version` is that of the request.
    pub fn decode_compressed(bytes: &[u8], version: i32) -> Result<Self, BodyError> {
        let inflated = decompress(Compression::Zlib, bytes, REGISTRATION_BYTES_MAX)?;
        let mut reader = Reader { bytes: &inflated, at: 0 };
        let mut body = Self::default();
        let table = &mut body.topic_config_table;
        table.data_version = DataVersion::decode(reader.part()?.as_bytes())?;
        for _ in 0..reader.number()? {
            let at = reader.at;
            let topic = parse_topic(reader.part()?).ok_or(BodyError::Registration { at, what: "no topic" })?;
            table.topic_config_table.insert(topic.topic_name.clone(), topic);
        }
        let at = reader.at;
        let filters = json::parse(reader.part()?.as_bytes()).ok().and_then(|list| Vec::from_value(&list));
        body.filter_server_list = filters.ok_or(BodyError::Registration { at, what: "no list of filter servers" })?;
        if version >= MAPPINGS_SINCE_VERSION {
            let mut mappings = BTreeMap::new();
            for _ in 0..reader.number()? {
                let at = reader.at;
                let mapping = json::parse(reader.part()?.as_bytes()).ok();
                let mapping = mapping.and_then(|value| TopicQueueMappingInfo::from_value(&value));
                let mapping = mapping.ok_or(BodyError::Registration { at, what: "no topic mapping" })?;
                mappings.insert(mapping.topic.clone(), mapping);
            }
            body.topic_config_table.topic_queue_mapping_info_map = Some(mappings);
        }
        Ok(body)
    }
}

/// The six members of a topic, separated by blanks; the attributes have none inside.
fn topic_text(topic: &TopicConfig) -> String {
    let attributes = topic.attributes.to_value().write(Flavour::Quoted);
    format!(
        "{} {} {} {} {} {}",
        topic.topic_name,
        topic.read_queue_nums,
        topic.write_queue_nums,
        topic.perm,
        topic.topic_filter_type,
        String::from_utf8_lossy(&attributes)
    )
}

/// The sixth member is missing in 4.9 and ignored when it cannot be read.
fn parse_topic(text: &str) -> Option<TopicConfig> {
    let mut members = text.splitn(6, ' ');
    let topic_name = members.next()?.to_owned();
    let read_queue_nums = members.next()?.parse().ok()?;
    let write_queue_nums = members.next()?.parse().ok()?;
    let perm = members.next()?.parse().ok()?;
    let topic_filter_type = TopicFilterType::from_name(members.next()?)?;
    let attributes = members.next().and_then(|text| json::parse(text.as_bytes()).ok());
    let attributes = attributes.and_then(|value| BTreeMap::from_value(&value)).unwrap_or_default();
    Some(TopicConfig {
        topic_name,
        read_queue_nums,
        write_queue_nums,
        perm,
        topic_filter_type,
        attributes,
        ..TopicConfig::default()
    })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // A registration with more than i32::MAX parts cannot exist in memory.
    out.extend_from_slice(&(count as i32).to_be_bytes());
}

fn put_part(out: &mut Vec<u8>, text: &[u8]) {
    put_count(out, text.len());
    out.extend_from_slice(text);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A count or length; negative ones count as 0.
    fn number(&mut self) -> Result<usize, BodyError> {
        if self.bytes.len() < self.at + 4 {
            return Err(BodyError::Registration { at: self.at, what: "a number is missing" });
        }
        self.at += 4;
        Ok(usize::try_from(i32_at(self.bytes, self.at - 4)).unwrap_or(0))
    }

    /// A text after its length.
    fn part(&mut self) -> Result<&'a str, BodyError> {
        let at = self.at;
        let len = self.number()?;
        let part = self.bytes.get(self.at..self.at + len);
        let part = part.ok_or(BodyError::Registration { at, what: "a text is longer than the rest" })?;
        self.at += len;
        std::str::from_utf8(part).map_err(|_| BodyError::Registration { at, what: "a text is not UTF-8" })
    }
}
