//! What is stored and how far groups are: 12, 33, 202, 208, 300, 303, 315, 317, 321, 343, 345 (wire.md 4.2, 4.9).
use super::{header, pull};
use crate::remoting::reply::{refusal_of, Reply};
use crate::remoting::Context;
use crate::service::query::{self, KeyQuery, Topics};
use crate::service::{Refusal, Service};
use bytes::{Bytes, BytesMut};
use ferromq_protocol::code::response;
use ferromq_protocol::headers::{
    GetConsumeStats, GroupName, QueryConsumeQueue, QueryConsumeTimeSpan, QueryMessage, QueryMessageResponse,
    QuerySubscriptionByConsumer, TopicName, ViewMessage,
};
use ferromq_protocol::json::{Flavour, Value};
use ferromq_protocol::{Command, Header};
use ferromq_remoting::OutFrame;

/// Remark of successes whose handler sets none in the reference (wire.md 2.6).
const NO_REMARK: &str = "not set any response code";

pub(super) fn by_key(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header: QueryMessage<'_> = header(request)?;
    let found = query::by_key(
        service,
        &KeyQuery {
            topic: header.topic,
            key: header.key,
            max: header.max_num,
            unique: header.unique_key.unwrap_or(false),
            begin: header.begin_timestamp,
            end: header.end_timestamp,
        },
    );
    let answer_header = QueryMessageResponse {
        index_last_update_timestamp: found.index_last_update_timestamp,
        index_last_update_phyoffset: found.index_last_update_phyoffset,
    };
    let mut answer = Command::response_to(request, response::SUCCESS, None);
    if found.slices.is_empty() {
        answer = refusal_of(request, &Refusal::new(response::QUERY_NOT_FOUND, query::NO_MESSAGE_BY_KEY));
    }
    answer.ext = answer_header.to_ext();
    Ok(with_slices(request, &answer, found.slices))
}

pub(super) fn by_offset(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header: ViewMessage<'_> = header(request)?;
    let record = query::by_offset(service, header.offset)?;
    let answer = Command::response_to(request, response::SUCCESS, None);
    Ok(with_slices(request, &answer, vec![record]))
}

/// An answer whose body is slices of the log.
fn with_slices(request: &Command, answer: &Command, slices: Vec<Bytes>) -> Reply {
    let mut head = BytesMut::new();
    match answer.encode_head(&mut head, slices.iter().map(Bytes::len).sum()) {
        Ok(()) => Reply::Frame(OutFrame { head: head.freeze(), body: pull::body(slices) }),
        Err(error) => Reply::refused(request, &Refusal::system_error(error.to_string())),
    }
}

pub(super) fn topic_stats(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let TopicName { topic } = header(request)?;
    Ok(Reply::body(request, query::topic_stats(service, topic)?.encode()))
}

pub(super) fn consume_stats(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header: GetConsumeStats<'_> = header(request)?;
    let filled = |text: Option<&'_ str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let (list, topic) = (filled(header.topic_list), filled(header.topic));
    let topics = match (&list, &topic) {
        (Some(list), _) => Topics::List(list.split(';').filter(|topic| !topic.is_empty()).collect()),
        (None, Some(topic)) => Topics::One(topic),
        (None, None) => Topics::All,
    };
    Ok(Reply::body(request, query::consume_stats(service, header.consumer_group, &topics).encode()))
}

pub(super) fn groups_of_topic(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let TopicName { topic } = header(request)?;
    let groups = Value::array(query::groups_of_topic(context.service, topic));
    Ok(Reply::body(request, Value::object([("groupList", groups)]).write(Flavour::Quoted)))
}

pub(super) fn topics_of_group(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let GroupName { group } = header(request)?;
    let topics = Value::array(context.service.offsets.topics_of(group));
    let address = Value::from(&context.service.identity.address);
    Ok(Reply::body(request, Value::object([("brokerAddr", address), ("topicList", topics)]).write(Flavour::Quoted)))
}

pub(super) fn subscription(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let QuerySubscriptionByConsumer { group, topic } = header(request)?;
    let topic = topic.unwrap_or_default();
    let mut body = Value::object([("group", group)]);
    if let Some(subscription) = context.service.members.subscription(group, topic) {
        body.set("subscriptionData", subscription.to_json());
    }
    body.set("topic", topic);
    Ok(Reply::body(request, body.write(Flavour::Quoted)))
}

pub(super) fn broker_stats(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let ext = &request.ext;
    let stats = query::broker_stats(context.service, ext.get("statsName"), ext.get("statsKey"))?;
    Ok(Reply::body(request, stats.encode()))
}

pub(super) fn all_consume_stats(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let all = query::all_consume_stats(service);
    let offsets = || all.iter().flat_map(|(_, stats)| stats).flat_map(|stats| stats.offset_table.values());
    // Offsets are what clients said and may be anything.
    let total = |differences: &mut dyn Iterator<Item = i64>| differences.fold(0, i64::saturating_add);
    let waiting = total(&mut offsets().map(|at| at.broker_offset.saturating_sub(at.consumer_offset)));
    let in_flight = total(&mut offsets().map(|at| at.pull_offset.saturating_sub(at.consumer_offset)));
    let list = all.iter().map(|(group, stats)| {
        let stats = Value::array(stats.iter().map(|stats| stats.to_json()));
        Value::object([(group.as_str(), stats)])
    });
    let body = Value::object([
        ("brokerAddr", Value::from(&service.identity.address)),
        ("consumeStatsList", Value::array(list)),
        ("totalDiff", Value::from(waiting)),
        ("totalInflightDiff", Value::from(in_flight)),
    ]);
    Ok(Reply::body(request, body.write(Flavour::Quoted)))
}

pub(super) fn time_span(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let QueryConsumeTimeSpan { topic, group } = header(request)?;
    let spans = query::time_spans(service, group, topic)?.into_iter().map(|span| {
        Value::object([
            ("consumeTimeStamp", Value::from(span.consumed)),
            ("delayTime", Value::from(span.delay)),
            ("maxTimeStamp", Value::from(span.newest)),
            ("messageQueue", ferromq_protocol::body::Member::to_value(&span.queue)),
            ("minTimeStamp", Value::from(span.oldest)),
        ])
    });
    let body = Value::object([("consumeTimeSpanSet", Value::array(spans))]);
    Ok(Reply::body(request, body.write(Flavour::Quoted)))
}

/// QUERY_CONSUME_QUEUE: units of a queue, with the subscription of a group beside them.
pub(super) fn consume_queue(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let asked: QueryConsumeQueue<'_> = header(request)?;
    let (topic, queue_id) = (asked.topic.unwrap_or_default(), asked.queue_id.unwrap_or(0));
    let Some((min, max)) = service.store.queue_offsets(topic, queue_id) else {
        return Err(Refusal::system_error(format!("{queue_id}@{topic} is not exist!")));
    };
    let group = asked.consumer_group.filter(|group| !group.is_empty());
    let subscription = group.and_then(|group| service.members.subscription(group, topic));
    let from = asked.index.unwrap_or(0);
    let units = query::units(service, topic, queue_id, from, asked.count.unwrap_or(0));
    let unit = |unit: &ferromq_store::Unit| {
        Value::object([
            ("eval", Value::from(false)),
            ("physicOffset", Value::from(unit.physical)),
            ("physicSize", Value::from(unit.size)),
            ("tagsCode", Value::from(unit.tags_code)),
        ])
    };
    let mut body = Value::Object(Vec::new());
    match (group, &subscription) {
        (Some(group), None) => body.set("filterData", format!("{group}@{topic} is not online!")),
        // Only subscriptions by expression have filter data; Java writes the others' as a text.
        (Some(group), Some(_)) => {
            let data = service.filters.get(group, topic).map_or(b"null".to_vec(), |data| data.to_json().write_pretty());
            body.set("filterData", String::from_utf8_lossy(&data).into_owned());
        }
        (None, _) => {}
    }
    body.set("maxQueueIndex", max);
    body.set("minQueueIndex", min);
    body.set("queueData", Value::array(units.iter().map(unit)));
    if let Some(subscription) = &subscription {
        body.set("subscriptionData", subscription.to_json());
    }
    if from < min || from >= max {
        let remark = Some(format!("Index {from} is not exist!"));
        return Ok(Reply::Command(Command::response_to(request, response::SUCCESS, remark)));
    }
    let remark = NO_REMARK.to_owned();
    let mut answer = Command::response_to(request, response::SUCCESS, Some(remark));
    answer.body = body.write(Flavour::Quoted).into();
    Ok(Reply::Command(answer))
}
