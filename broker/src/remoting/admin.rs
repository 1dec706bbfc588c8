//! Administration of topics, groups and configuration: 17, 18, 21, 25, 26, 28, 45, 200, 201, 207, 215, 225, 305, 306, 316, 323, 329, 351,
//! 352, 353, 354, 401, 402, 513.
//!
//! Requests that change something write to disk before they are answered, on a blocking thread. CONSUMER_SEND_MSG_BACK (36)
//! goes that way too, for it reads a message that may lie anywhere in the log. Listings may be long and are answered like queries.
mod absent;
mod static_topic;

use super::reply::{unreadable, Reply};
use super::{later, send, Context};
use crate::service::{admin, cleaning, request_modes, runtime_info, Caller, Refusal, Service};
use ferromq_protocol::body::{
    KvTable, SetMessageRequestMode, SubscriptionGroupConfig, TopicConfig, TopicConfigTable, TopicFilterType, TopicList,
};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{
    CreateTopic, DeleteSubscriptionGroup, GetAllSubscriptionGroup, GetAllSubscriptionGroupResponse, GetAllTopicConfig,
    GetAllTopicConfigResponse, GetBrokerConfigResponse, GetTopicConfig, GroupForbidden, GroupName,
    ResumeCheckHalfMessage, TopicName,
};
use ferromq_protocol::json::{self, Value};
use ferromq_protocol::{Command, Header, HeaderError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Remark of successes whose handler sets none in the reference (wire.md 2.6).
const NO_REMARK: &str = "not set any response code";

/// Serves a request; `None` when its code is none of administration's.
pub(super) fn handle(context: &Context<'_>, request: &Command) -> Option<Reply> {
    let service = context.service;
    let reply = match request.code {
        code::GET_TOPIC_CONFIG => topic_config(service, request),
        code::GET_SUBSCRIPTIONGROUP_CONFIG => group_config(service, request),
        code::UPDATE_AND_GET_GROUP_FORBIDDEN => group_forbidden(service, request),
        code::GET_BROKER_CONFIG => broker_config(service, request),
        code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => {
            let list = TopicList { topic_list: service.topics.system_names(), ..TopicList::default() };
            Ok(Reply::body(request, list.encode()))
        }
        code::GET_ALL_MESSAGE_REQUEST_MODE => Ok(Reply::body(request, service.request_modes.table().encode())),
        code::CHECK_ROCKSDB_CQ_WRITE_PROGRESS => Ok(rocksdb_check(request)),
        code::GET_ALL_DELAY_OFFSET => Ok(Reply::body(request, service.delay.table().encode())),
        code::GET_ALL_TOPIC_CONFIG => later::later(context, request, later::ANY, all_topics),
        code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => later::later(context, request, later::ANY, all_groups),
        code::CONSUMER_SEND_MSG_BACK
        | code::GET_BROKER_RUNTIME_INFO
        | code::UPDATE_AND_CREATE_TOPIC
        | code::UPDATE_AND_CREATE_TOPIC_LIST
        | code::UPDATE_AND_CREATE_STATIC_TOPIC
        | code::DELETE_TOPIC_IN_BROKER
        | code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP
        | code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST
        | code::DELETE_SUBSCRIPTIONGROUP
        | code::UPDATE_BROKER_CONFIG
        | code::CLEAN_EXPIRED_CONSUMEQUEUE
        | code::CLEAN_UNUSED_TOPIC
        | code::DELETE_EXPIRED_COMMITLOG
        | code::SET_MESSAGE_REQUEST_MODE
        | code::RESUME_CHECK_HALF_MESSAGE => return Some(on_blocking_thread(context, request)),
        _ => match super::cold::handle(request) {
            Some(reply) => reply,
            None => return absent::handle(service, request),
        },
    };
    Some(reply.unwrap_or_else(|refusal| Reply::refused(request, &refusal)))
}

/// Runs a request that waits for the disk on a blocking thread; the answer goes out through the connection.
fn on_blocking_thread(context: &Context<'_>, request: &Command) -> Reply {
    let (service, connection, request) = (Arc::clone(context.service), Arc::clone(context.connection), request.clone());
    let caller = context.caller.clone();
    tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let reply = blocking(&service, &caller, &request).unwrap_or_else(|refusal| Reply::refused(&request, &refusal));
        let threshold_ms = service.config().slow_request_mills;
        service.notices.took(threshold_ms, began.elapsed(), 1, || super::what(&connection, &request));
        reply.send(&connection, &request);
    });
    Reply::Later
}

fn blocking(service: &Service, caller: &Caller, request: &Command) -> Result<Reply, Refusal> {
    match request.code {
        code::CONSUMER_SEND_MSG_BACK => send::send_back(service, caller, request)?,
        code::GET_BROKER_RUNTIME_INFO => {
            let body = KvTable { table: runtime_info::table(service) };
            return Ok(Reply::body(request, body.encode()));
        }
        code::UPDATE_AND_CREATE_TOPIC => return create_topic(service, request),
        code::UPDATE_AND_CREATE_STATIC_TOPIC => {
            static_topic::check(service, request, header::<CreateTopic<'_>>(request)?.write_queue_nums)?;
            return create_topic(service, request);
        }
        code::UPDATE_AND_CREATE_TOPIC_LIST => {
            admin::put_topics(service, list(request, "topicConfigList", TopicConfig::from_json)?)?;
            return Ok(success_remark(request));
        }
        code::DELETE_TOPIC_IN_BROKER => admin::delete_topic(service, header::<TopicName<'_>>(request)?.topic)?,
        code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => {
            if !request.body.is_empty() {
                let group = SubscriptionGroupConfig::decode(&request.body).map_err(unreadable)?;
                admin::put_groups(service, vec![group])?;
            }
        }
        code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => {
            admin::put_groups(service, list(request, "groupConfigList", SubscriptionGroupConfig::from_json)?)?;
        }
        code::DELETE_SUBSCRIPTIONGROUP => {
            let header = header::<DeleteSubscriptionGroup<'_>>(request)?;
            let clean = header.clean_offset.or(header.remove_offset).unwrap_or(false);
            admin::delete_group(service, header.group_name, clean)?;
        }
        code::UPDATE_BROKER_CONFIG => update_config(service, request)?,
        code::SET_MESSAGE_REQUEST_MODE => {
            request_modes::set(service, SetMessageRequestMode::decode(&request.body).map_err(unreadable)?)?;
        }
        code::CLEAN_EXPIRED_CONSUMEQUEUE => cleaning::expired_queues(service)?,
        code::CLEAN_UNUSED_TOPIC => cleaning::unused_topics(service)?,
        code::DELETE_EXPIRED_COMMITLOG => cleaning::expired_log(service),
        code::RESUME_CHECK_HALF_MESSAGE => {
            let header = header::<ResumeCheckHalfMessage<'_>>(request)?;
            crate::service::transaction::resume(service, header.msg_id.unwrap_or_default())?;
        }
        _ => return Ok(Reply::unsupported(request)),
    }
    Ok(Reply::success(request))
}

fn header<'a, H: Header<'a>>(request: &'a Command) -> Result<H, Refusal> {
    H::decode(&request.ext).map_err(|error: HeaderError| unreadable(error))
}

fn success_remark(request: &Command) -> Reply {
    Reply::Command(Command::response_to(request, response::SUCCESS, Some(NO_REMARK.to_owned())))
}

/// The reference begins to compare the queues in its files with those in RocksDB, and says that it does so also when it has none
/// there, as here.
fn rocksdb_check(request: &Command) -> Reply {
    const IN_PROGRESS: i64 = 2;
    let body = Value::object([("checkStatus", Value::from(IN_PROGRESS))]).write(json::Flavour::Quoted);
    let mut answer = Command::response_to(request, response::SUCCESS, Some(NO_REMARK.to_owned()));
    answer.body = body.into();
    Reply::Command(answer)
}

fn list<T, E: std::fmt::Display>(
    request: &Command,
    member: &str,
    read: impl Fn(&Value) -> Result<T, E>,
) -> Result<Vec<T>, Refusal> {
    let body = json::parse(&request.body).map_err(unreadable)?;
    let items = body.get(member).map(Value::items).unwrap_or_default();
    items.iter().map(|item| read(item).map_err(unreadable)).collect()
}

fn create_topic(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header = header::<CreateTopic<'_>>(request)?;
    let attributes = crate::service::attributes::parse(header.attributes.unwrap_or_default());
    let config = TopicConfig {
        topic_name: header.topic.to_owned(),
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        perm: header.perm,
        topic_filter_type: TopicFilterType::from_name(header.topic_filter_type).unwrap_or_default(),
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        order: header.order,
        attributes: BTreeMap::new(),
    };
    // The name is checked before the attributes.
    crate::service::names::check_topic(&config.topic_name)?;
    let attributes = attributes.map_err(Refusal::system_error)?;
    admin::put_topics(service, vec![TopicConfig { attributes, ..config }])?;
    Ok(success_remark(request))
}

/// Where a page begins and how long it is at most; without paging fields everything is one page.
fn page(skip: Option<i32>, most: Option<i32>) -> (usize, usize) {
    let skip = usize::try_from(skip.unwrap_or(0)).unwrap_or(0);
    let most = most.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0).unwrap_or(usize::MAX);
    (skip, most)
}

fn all_topics(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header = header::<GetAllTopicConfig<'_>>(request)?;
    let (skip, most) = page(header.topic_seq, header.max_topic_num);
    let version = service.topics.version();
    let (topic_config_table, total) = admin::topics(service, skip, most);
    let body = TopicConfigTable {
        data_version: version,
        mapping_data_version: Some(version),
        topic_config_table,
        topic_queue_mapping_detail_map: Some(Value::Object(Vec::new())),
        topic_queue_mapping_info_map: Some(BTreeMap::new()),
    };
    let header = GetAllTopicConfigResponse { total_topic_num: i32::try_from(total).unwrap_or(i32::MAX) };
    Ok(with_header(request, &header, body.encode()))
}

fn all_groups(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let header = header::<GetAllSubscriptionGroup<'_>>(request)?;
    let (skip, most) = page(header.group_seq, header.max_group_num);
    let (body, total) = admin::groups(service, skip, most);
    let header = GetAllSubscriptionGroupResponse { total_group_num: i32::try_from(total).unwrap_or(i32::MAX) };
    Ok(with_header(request, &header, body.encode()))
}

fn with_header<'a>(request: &Command, header: &impl Header<'a>, body: bytes::Bytes) -> Reply {
    let mut answer = Command::response_to(request, response::SUCCESS, None);
    answer.ext = header.to_ext();
    answer.body = body;
    Reply::Command(answer)
}

fn topic_config(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let topic = header::<GetTopicConfig<'_>>(request)?.topic;
    match service.topics.get(topic) {
        Some(config) => Ok(Reply::body(request, config.encode())),
        None => Err(Refusal::new(response::TOPIC_NOT_EXIST, format!("No topic in this broker. topic: {topic}"))),
    }
}

fn group_config(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let group = header::<GroupName<'_>>(request)?.group;
    match service.groups.find(group, &service.config()) {
        Some(config) => Ok(Reply::body(request, config.encode())),
        None => Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker")),
    }
}

fn group_forbidden(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    const READ: i32 = 4;
    let GroupForbidden { group, topic, readable } = header(request)?;
    if let Some(readable) = readable {
        service.groups.set_readable(group, topic, readable);
    }
    let readable = service.groups.forbidden(group, topic) & READ == 0;
    let body = Value::object([
        ("group", Value::from(group)),
        ("readable", Value::from(readable)),
        ("topic", Value::from(topic)),
    ]);
    let mut answer = Command::response_to(request, response::SUCCESS, Some(String::new()));
    answer.body = body.write(json::Flavour::Quoted).into();
    Ok(Reply::Command(answer))
}

fn broker_config(service: &Service, request: &Command) -> Result<Reply, Refusal> {
    let version = String::from_utf8_lossy(&service.topics.version().encode()).into_owned();
    let header = GetBrokerConfigResponse { version: &version };
    Ok(with_header(request, &header, admin::config_text(service).into()))
}

fn update_config(service: &Service, request: &Command) -> Result<(), Refusal> {
    let text = std::str::from_utf8(&request.body).map_err(|_| Refusal::system_error("string2Properties error"))?;
    admin::update_config(service, text)
}
