//! Filter data of consumer groups that subscribe with expressions (broker.md 6.5), kept in `consumerFilter.json`.
//!
//! Heartbeats bring it, pulls use it. It outlives its consumers for a day, marked as dead, so that a group that comes back
//! with the same subscription goes on as before; after a start everything counts as dead until a heartbeat says otherwise.
//! Which version of a subscription wins follows the reference: newer ones replace, older ones are ignored, one that does
//! not compile removes what was there.
//!
//! Lock: one read-write lock over the table; shared for pulls. Times are passed in, milliseconds since 1970.
use crate::filter::{bloom, Sql};
use ferromq_protocol::body::{SubscriptionData, EXPRESSION_SQL92, EXPRESSION_TAG};
use ferromq_protocol::json::{self, JsonError, Value};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long before a start the consumers of loaded data count as having died, unless it is younger than that.
const DEAD_BEFORE_START_MS: i64 = 30_000;

/// What a group wants of a topic, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterData {
    topic: String,
    group: String,
    expression: String,
    expression_type: String,
    /// Version of the subscription it came with.
    pub client_version: i64,
    born_ms: i64,
    /// 0 while a consumer is there.
    dead_ms: i64,
    compiled: Arc<Sql>,
}

impl FilterData {
    /// `None` for what does not compile, and for languages that are not SQL92.
    fn build(topic: &str, group: &str, data: &SubscriptionData, client_version: i64, now_ms: i64) -> Option<Self> {
        let compiled = match compile(&data.sub_string, &data.expression_type) {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::warn!(topic, group, error, "the expression of a subscription does not compile");
                return None;
            }
        };
        Some(Self {
            topic: topic.to_owned(),
            group: group.to_owned(),
            expression: data.sub_string.clone(),
            expression_type: data.expression_type.clone(),
            client_version,
            born_ms: now_ms,
            dead_ms: 0,
            compiled: Arc::new(compiled),
        })
    }

    /// The compiled expression.
    pub fn sql(&self) -> &Arc<Sql> {
        &self.compiled
    }

    fn is_dead(&self) -> bool {
        self.dead_ms >= self.born_ms
    }

    /// As it stands in the file.
    pub fn to_json(&self) -> Value {
        let bits = bloom::positions(&self.group, &self.topic).map(i64::from);
        let bloom = [("bitNum", Value::from(i64::from(bloom::BITS))), ("bitPos", Value::array(bits))];
        Value::object([
            ("bloomFilterData", Value::object(bloom)),
            ("bornTime", Value::from(self.born_ms)),
            ("clientVersion", Value::from(self.client_version)),
            ("consumerGroup", Value::from(self.group.as_str())),
            ("dead", Value::from(self.is_dead())),
            ("deadTime", Value::from(self.dead_ms)),
            ("expression", Value::from(self.expression.as_str())),
            ("expressionType", Value::from(self.expression_type.as_str())),
            ("topic", Value::from(self.topic.as_str())),
        ])
    }

    /// Reads one entry of the file; `None` when it does not compile here.
    fn from_json(topic: &str, group: &str, value: &Value, now_ms: i64) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| value.get(name).and_then(Value::as_i64).unwrap_or(0);
        let data = SubscriptionData {
            sub_string: text("expression"),
            expression_type: text("expressionType"),
            ..SubscriptionData::default()
        };
        let mut read = Self::build(topic, group, &data, number("clientVersion"), number("bornTime"))?;
        read.dead_ms = match number("deadTime") {
            0 => read.born_ms.max(now_ms - DEAD_BEFORE_START_MS),
            dead_ms => dead_ms,
        };
        Some(read)
    }
}

/// Compiles an expression of a type other than TAG; the error is a text for the client.
pub fn compile(expression: &str, kind: &str) -> Result<Sql, String> {
    if kind != EXPRESSION_SQL92 {
        return Err(format!("expressions of type {kind} are not known, use {EXPRESSION_SQL92} or {EXPRESSION_TAG}"));
    }
    Sql::compile(expression).map_err(|error| error.to_string())
}

type Topics = BTreeMap<String, Arc<FilterData>>;

#[derive(Default)]
struct Table {
    /// Group, then topic.
    groups: BTreeMap<String, Topics>,
    dirty: bool,
}

/// The filter data of all groups.
#[derive(Default)]
pub struct Filters(RwLock<Table>);

impl Filters {
    /// No filter data.
    pub fn new() -> Self {
        Self::default()
    }

    /// The filter data of a group on a topic, of dead consumers as well.
    pub fn get(&self, group: &str, topic: &str) -> Option<Arc<FilterData>> {
        self.0.read().groups.get(group)?.get(topic).cloned()
    }

    /// The expressions of a group, by topic.
    pub fn of_group(&self, group: &str) -> BTreeMap<String, Arc<Sql>> {
        let table = self.0.read();
        let topics = table.groups.get(group).into_iter().flatten();
        topics.map(|(topic, data)| (topic.clone(), Arc::clone(&data.compiled))).collect()
    }

    /// Takes over the subscriptions of a heartbeat; topics that the group no longer names are dead.
    pub fn register(&self, group: &str, subscriptions: &[SubscriptionData], now_ms: i64) {
        let with_expression = |data: &&SubscriptionData| !data.is_tag() && !data.sub_string.is_empty();
        if !subscriptions.iter().any(|data| with_expression(&data)) && !self.0.read().groups.contains_key(group) {
            return;
        }
        let mut table = self.0.write();
        let Table { groups, dirty } = &mut *table;
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), Topics::new());
        }
        let Some(topics) = groups.get_mut(group) else { return };
        for data in subscriptions.iter().filter(with_expression) {
            // A subscription without a version is as new as can be (wire.md 5.0).
            let version = if data.sub_version == 0 { now_ms } else { data.sub_version };
            *dirty |= register_one(topics, group, data, version, now_ms);
        }
        for (topic, data) in topics.iter_mut() {
            if !data.is_dead() && !subscriptions.iter().any(|data| data.topic == *topic) {
                Arc::make_mut(data).dead_ms = now_ms;
                *dirty = true;
            }
        }
        if topics.is_empty() {
            groups.remove(group);
        }
    }

    /// The group has no consumer any more.
    pub fn unregister(&self, group: &str, now_ms: i64) {
        if !self.0.read().groups.contains_key(group) {
            return;
        }
        let mut table = self.0.write();
        let Table { groups, dirty } = &mut *table;
        for data in groups.get_mut(group).into_iter().flat_map(BTreeMap::values_mut).filter(|data| !data.is_dead()) {
            Arc::make_mut(data).dead_ms = now_ms;
            *dirty = true;
        }
    }

    /// Forgets what has been dead for `span_ms` or longer.
    pub fn clean(&self, now_ms: i64, span_ms: i64) {
        let mut table = self.0.write();
        let Table { groups, dirty } = &mut *table;
        groups.retain(|group, topics| {
            topics.retain(|topic, data| {
                let keep = !data.is_dead() || now_ms.saturating_sub(data.dead_ms) < span_ms;
                if !keep {
                    tracing::info!(group, topic, "filter data of consumers that are long gone removed");
                    *dirty = true;
                }
                keep
            });
            !topics.is_empty()
        });
    }

    /// True when something changed since the last call.
    pub fn take_dirty(&self) -> bool {
        std::mem::take(&mut self.0.write().dirty)
    }

    /// The content of the file.
    pub fn to_file(&self) -> Vec<u8> {
        let table = self.0.read();
        let mut by_topic: BTreeMap<&str, Vec<(&str, Value)>> = BTreeMap::new();
        for (group, topics) in &table.groups {
            for (topic, data) in topics {
                by_topic.entry(topic).or_default().push((group, data.to_json()));
            }
        }
        let topics = by_topic.into_iter().map(|(topic, groups)| {
            (topic, Value::object([("groupFilterData", Value::object(groups)), ("topic", Value::from(topic))]))
        });
        Value::object([("filterDataByTopic", Value::object(topics))]).write_pretty()
    }

    /// Reads the content of the file. As with the reference, data of a bloom filter of another size makes all of it
    /// worthless; it comes again with the consumers' heartbeats.
    pub fn load(&self, file: &[u8], now_ms: i64) -> Result<(), JsonError> {
        let file = json::parse(file)?;
        let mut groups: BTreeMap<String, Topics> = BTreeMap::new();
        for (topic, data) in file.get("filterDataByTopic").map(Value::entries).unwrap_or_default() {
            let topic = topic.text();
            for (group, data) in data.get("groupFilterData").map(Value::entries).unwrap_or_default() {
                let group = group.text();
                if !is_our_bloom(data.get("bloomFilterData")) {
                    tracing::info!("consumerFilter.json was written for another bloom filter and is ignored");
                    return Ok(());
                }
                if let Some(read) = FilterData::from_json(&topic, &group, data, now_ms) {
                    groups.entry(group.into_owned()).or_default().insert(topic.to_string(), Arc::new(read));
                }
            }
        }
        *self.0.write() = Table { groups, dirty: false };
        Ok(())
    }
}

fn is_our_bloom(data: Option<&Value>) -> bool {
    let bits = data.and_then(|data| data.get("bitNum")).and_then(Value::as_i64);
    let positions = data.and_then(|data| data.get("bitPos")).map(Value::items).unwrap_or_default();
    bits == Some(i64::from(bloom::BITS)) && positions.len() == bloom::HASHES
}

/// True when something changed.
fn register_one(topics: &mut Topics, group: &str, new: &SubscriptionData, version: i64, now_ms: i64) -> bool {
    let Some(old) = topics.get_mut(&new.topic) else {
        let built = FilterData::build(&new.topic, group, new, version, now_ms);
        return built.is_some_and(|built| topics.insert(new.topic.clone(), Arc::new(built)).is_none());
    };
    let is_same = old.expression == new.sub_string && old.expression_type == new.expression_type;
    if version < old.client_version || version == old.client_version && !old.is_dead() {
        if !is_same {
            tracing::info!(group, topic = new.topic, version, "another expression without a newer version is ignored");
        }
        return false;
    }
    if is_same || version == old.client_version {
        let old = Arc::make_mut(old);
        (old.client_version, old.dead_ms) = (version, 0);
        return true;
    }
    match FilterData::build(&new.topic, group, new, version, now_ms) {
        Some(built) => *old = Arc::new(built),
        // Its pulls are refused from now on, so that the client reports the error.
        None => drop(topics.remove(&new.topic)),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(topic: &str, expression: &str, sub_version: i64) -> SubscriptionData {
        SubscriptionData {
            topic: topic.into(),
            sub_string: expression.into(),
            expression_type: EXPRESSION_SQL92.into(),
            sub_version,
            ..SubscriptionData::default()
        }
    }

    fn state(filters: &Filters, topic: &str) -> Option<(String, i64, i64)> {
        filters.get("g", topic).map(|data| (data.expression.clone(), data.client_version, data.dead_ms))
    }

    // Newer versions replace, older and equal ones do not, one that does not compile removes, and the same one revives.
    #[test]
    fn versions_decide() {
        let filters = Filters::new();
        filters.register("g", &[sql("t", "a > 1", 10)], 100);
        filters.register("g", &[sql("t", "a > 2", 10)], 101);
        filters.register("g", &[sql("t", "a > 2", 9)], 102);
        assert_eq!(state(&filters, "t"), Some(("a > 1".into(), 10, 0)));
        filters.register("g", &[sql("t", "a > 1", 11)], 103);
        assert_eq!(state(&filters, "t"), Some(("a > 1".into(), 11, 0)));
        filters.unregister("g", 200);
        assert_eq!(state(&filters, "t"), Some(("a > 1".into(), 11, 200)));
        filters.register("g", &[sql("t", "a > 1", 11)], 201);
        assert_eq!(state(&filters, "t"), Some(("a > 1".into(), 11, 0)));
        filters.register("g", &[sql("t", "a > 3", 12)], 202);
        assert_eq!(state(&filters, "t"), Some(("a > 3".into(), 12, 0)));
        filters.register("g", &[sql("t", "a >", 13)], 203);
        assert_eq!(state(&filters, "t"), None);
        filters.register("g", &[sql("t", "a >", 14), SubscriptionData::parse_tag("u", "x").unwrap()], 204);
        assert!(filters.0.read().groups.is_empty());
    }

    // Topics that a heartbeat no longer names are dead, and dead data goes after its time and not before.
    #[test]
    fn the_dead_go_after_their_time() {
        let filters = Filters::new();
        filters.register("g", &[sql("t", "a > 1", 10), sql("u", "b", 10)], 100);
        assert!(filters.take_dirty() && !filters.take_dirty());
        filters.register("g", &[sql("u", "b", 10)], 150);
        assert_eq!((state(&filters, "t").unwrap().2, state(&filters, "u").unwrap().2), (150, 0));
        filters.clean(150 + 999, 1000);
        assert!(state(&filters, "t").is_some());
        filters.clean(150 + 1000, 1000);
        assert!(state(&filters, "t").is_none() && state(&filters, "u").is_some() && filters.take_dirty());
    }

    const RECORDED: &str = include_str!("../../../testdata/config/5.4.0/consumerFilter.json");

    // The file of Apache is read and written again byte for byte; alive entries are dead after a start.
    #[test]
    fn the_file_is_apaches() {
        let filters = Filters::new();
        filters.load(RECORDED.as_bytes(), 1_800_000_000_000).unwrap();
        assert_eq!(String::from_utf8(filters.to_file()).unwrap(), RECORDED);
        let data = filters.get("LanternBasin_g_sql", "GraniteMeadow_tags").unwrap();
        assert!(data.sql().matches("a\u{1}7\u{2}color\u{1}red\u{2}"));
        let alive = RECORDED.replace("1795226001758", "0");
        filters.load(alive.as_bytes(), 1_800_000_000_000).unwrap();
        assert_eq!(filters.get("LanternBasin_g_sql", "GraniteMeadow_tags").unwrap().dead_ms, 1_799_999_970_000);
        filters.load(alive.as_bytes(), 0).unwrap();
        assert_eq!(filters.get("LanternBasin_g_sql", "GraniteMeadow_tags").unwrap().dead_ms, 1_795_225_997_634);
    }

    // Another bloom filter makes the file worthless, an entry that does not compile is left out, no JSON is an error.
    #[test]
    fn files_that_cannot_be_used() {
        let filters = Filters::new();
        for (from, to) in [("112", "120"), ("59,15,53", "59,15"), ("a > 6", "a > "), ("SQL92", "XPATH")] {
            filters.load(RECORDED.replace(from, to).as_bytes(), 0).unwrap();
            assert!(filters.0.read().groups.is_empty(), "{to}");
        }
        assert!(filters.load(b"{\"filterDataByTopic", 0).is_err());
        filters.load(b"{}", 0).unwrap();
    }
}
