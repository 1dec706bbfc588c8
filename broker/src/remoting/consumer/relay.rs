//! Requests of tools that consumers answer or carry out: 307, 309, 223, and 222 in the way of 4.x (wire.md 4.5). The broker passes them on over the connection of
//! the client they name, and the client's answer back.
use super::header;
use crate::remoting::call::{call, tell};
use crate::remoting::later::{self, may_wait, on_disk_thread};
use crate::remoting::reply::{refusal_of, unreadable, Reply};
use crate::remoting::Context;
use crate::service::members::Client;
use crate::service::progress::Reset;
use crate::service::Refusal;
use bytes::Bytes;
use ferromq_protocol::body::{GetConsumerStatusBody, MessageQueue, ResetOffsetBody};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{ConsumeMessageDirectly, GetConsumerRunningInfo, GetConsumerStatus, ResetOffset};
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::json::Flavour;
use ferromq_protocol::{language, Command, ExtFields, Header};
use ferromq_remoting::{CallError, Connection};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take for its running info or for consuming a message.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take for its offsets.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// V3_1_8_SNAPSHOT: the first clients that answer running info and direct consumption.
const RELAY_VERSION_MIN: i32 = 62;
/// V3_0_7_SNAPSHOT: the first clients that can be told new offsets.
const RESET_VERSION_MIN: i32 = 28;

pub(super) fn running_info(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let asked: GetConsumerRunningInfo<'_> = header(request)?;
    let target = target(context, asked.consumer_group, asked.client_id)?;
    let ask = Command::request(code::GET_CONSUMER_RUNNING_INFO, request.ext.clone(), Bytes::new());
    pass_on(context, request, &target, asked.consumer_group, asked.client_id, ask);
    Ok(Reply::Later)
}

/// The message that the request names is read here and handed to the client in the body.
pub(super) fn consume_directly(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let asked: ConsumeMessageDirectly<'_> = header(request)?;
    let client_id = asked.client_id.unwrap_or_default();
    let target = target(context, asked.consumer_group, client_id)?;
    let message_id: OffsetMessageId = asked.msg_id.unwrap_or_default().parse().map_err(unreadable)?;
    let topic_sys_flag =
        asked.topic.and_then(|topic| context.service.topics.get(topic)).map_or(0, |c| c.topic_sys_flag);
    let group_sys_flag = context.service.groups.get(asked.consumer_group).map_or(0, |c| c.group_sys_flag);
    let ext = ConsumeMessageDirectly {
        broker_name: Some(&context.service.identity.name),
        topic_sys_flag: Some(topic_sys_flag),
        group_sys_flag: Some(group_sys_flag),
        ..asked.clone()
    };
    let mut ask = Command::request(code::CONSUME_MESSAGE_DIRECTLY, ext.to_ext(), Bytes::new());
    let (service, request) = (Arc::clone(context.service), request.clone());
    let (group, client_id) = (asked.consumer_group.to_owned(), client_id.to_owned());
    may_wait(context)?;
    on_disk_thread(Arc::clone(context.connection), later::SHORT, move |connection| {
        match crate::service::query::by_offset(&service, message_id.physical_offset) {
            Ok(record) => {
                ask.body = record;
                call(&*target.link, ask, CLIENT_TIMEOUT, relay(connection, request, group, client_id));
            }
            Err(refusal) => Reply::refused(&request, &refusal).send(connection, &request),
        }
    });
    Ok(Reply::Later)
}

/// Tells every client of the group where to go.
pub(super) fn reset(context: &Context<'_>, reset: &Reset<'_>, offsets: &ResetOffsetBody) -> Result<(), Refusal> {
    let Reset { group, topic, timestamp, .. } = *reset;
    let clients = context.service.members.consumers(group);
    if clients.is_empty() {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {timestamp}"
        );
        return Err(Refusal::new(response::CONSUMER_NOT_ONLINE, remark));
    }
    if let Some(old) = clients.iter().find(|client| client.version < RESET_VERSION_MIN) {
        let version = ferromq_protocol::version::name(old.version);
        return Err(Refusal::system_error(format!("the client does not support this feature. version={version}")));
    }
    let header =
        ResetOffset { topic, group, queue_id: reset.queue_id, offset: None, timestamp, is_force: reset.is_force };
    for client in &clients {
        // The reference chooses the form by the language of the tool; a C++ client reads the list only.
        let is_list = client.language == language::CPP;
        let body = if is_list { offsets.encode_list() } else { offsets.encode_as(Flavour::Java) };
        tell(&*client.link, Command::request(code::RESET_CONSUMER_CLIENT_OFFSET, header.to_ext(), body));
    }
    tracing::info!(group, topic, clients = clients.len(), offsets = ?offsets.offset_table, "clients told new offsets");
    Ok(())
}

fn target(context: &Context<'_>, group: &str, client_id: &str) -> Result<Client, Refusal> {
    let offline = || Refusal::system_error(format!("The Consumer <{group}> <{client_id}> not online"));
    let client = context.service.members.consumer(group, client_id).ok_or_else(offline)?;
    if client.version < RELAY_VERSION_MIN {
        let version = ferromq_protocol::version::name(client.version);
        let remark = format!(
            "The Consumer <{client_id}> Version <{version}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT"
        );
        return Err(Refusal::system_error(remark));
    }
    Ok(client)
}

fn pass_on(context: &Context<'_>, request: &Command, target: &Client, group: &str, client_id: &str, ask: Command) {
    let done = relay(context.connection, request.clone(), group.to_owned(), client_id.to_owned());
    call(&*target.link, ask, CLIENT_TIMEOUT, done);
}

/// What to do with the client's answer: it goes to the tool as it is, under the tool's own opaque.
fn relay(
    connection: &Arc<Connection>,
    request: Command,
    group: String,
    client_id: String,
) -> impl FnOnce(Result<Command, CallError>) + Send + 'static {
    let connection = Arc::clone(connection);
    move |result| {
        let answer = match result {
            Ok(answer) => {
                let mut relayed = Command::response_to(&request, answer.code, answer.remark);
                (relayed.ext, relayed.body) = (answer.ext, answer.body);
                relayed
            }
            Err(error) => refusal_of(&request, &failed(&group, &client_id, &error)),
        };
        Reply::Command(answer).send(&connection, &request);
    }
}

fn failed(group: &str, client_id: &str, error: &CallError) -> Refusal {
    let code = match error {
        CallError::Timeout { .. } => response::CONSUME_MSG_TIMEOUT,
        _ => response::SYSTEM_ERROR,
    };
    Refusal::new(code, format!("consumer <{group}> <{client_id}> Exception: {error}"))
}

/// Collects the answers of several clients; the last one sends the whole.
struct Statuses {
    left: usize,
    table: BTreeMap<String, BTreeMap<MessageQueue, i64>>,
}

/// Asks every client of the group (or the one named) for the offsets it has, and answers with all of them.
pub(super) fn consumer_status(context: &Context<'_>, request: &Command) -> Result<Reply, Refusal> {
    let asked: GetConsumerStatus<'_> = header(request)?;
    let mut clients = context.service.members.consumers(asked.group);
    if clients.is_empty() {
        // The reference fails with an exception here; tools look at the code only.
        return Err(Refusal::system_error(format!("no consumer of group {} is online", asked.group)));
    }
    if let Some(wanted) = asked.client_addr.filter(|id| !id.is_empty()) {
        clients.retain(|client| client.client_id == wanted);
    }
    let statuses = Arc::new(Mutex::new(Statuses { left: clients.len() + 1, table: BTreeMap::new() }));
    let finish = {
        let (connection, request) = (Arc::clone(context.connection), request.clone());
        move |statuses: &Mutex<Statuses>, add: Option<(String, GetConsumerStatusBody)>| {
            let mut collected = statuses.lock();
            collected.left -= 1;
            if let Some((client_id, body)) = add {
                collected.table.insert(client_id, body.message_queue_table);
            }
            if collected.left == 0 {
                let consumer_table = std::mem::take(&mut collected.table);
                let body = GetConsumerStatusBody { consumer_table, ..GetConsumerStatusBody::default() };
                let remark = Some("not set any response code".to_owned());
                let mut answer = Command::response_to(&request, response::SUCCESS, remark);
                answer.body = body.encode_as(Flavour::Java);
                Reply::Command(answer).send(&connection, &request);
            }
        }
    };
    let ext: ExtFields = [("group", asked.group), ("topic", asked.topic)].into_iter().collect();
    for client in &clients {
        let ask = Command::request(code::GET_CONSUMER_STATUS_FROM_CLIENT, ext.clone(), Bytes::new());
        let (statuses, finish, client_id) = (Arc::clone(&statuses), finish.clone(), client.client_id.clone());
        call(&*client.link, ask, STATUS_TIMEOUT, move |result| {
            let answer = result.ok().filter(|answer| answer.code == response::SUCCESS);
            let body = answer.and_then(|answer| GetConsumerStatusBody::decode(&answer.body).ok());
            finish(&statuses, body.map(|body| (client_id, body)));
        });
    }
    finish(&statuses, None);
    Ok(Reply::Later)
}
