//! Requests that brokers send to this client (client.md 1.13): dispatched on the network task, answered there when that
//! takes no time, else from a task of the instance.
//!
//! Transaction checks (39) are not answered, replies to requests (326) are acknowledged and dropped: nothing here asks
//! for either yet.
use super::roles::Roles;
use super::ClientInstance;
use crate::message::MessageExt;
use bytes::Bytes;
use ferromq_protocol::body::{GetConsumerStatusBody, ResetOffsetBody};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{
    ConsumeMessageDirectly, GetConsumerRunningInfo, GetConsumerStatus, NotifyConsumerIdsChanged, ResetOffset,
};
use ferromq_protocol::{Command, Header};
use ferromq_remoting::{Connection, Handler, OutFrame};
use std::sync::{Arc, Weak};

/// The handler of an instance's connections.
pub(super) struct Inbound {
    roles: Arc<Roles>,
    instance: Weak<ClientInstance>,
}

/// How a request is answered.
enum Answer {
    None,
    Now(Command),
    /// Later, by a task that was started.
    Later,
}

impl Handler for Inbound {
    fn connected(&self, connection: &Arc<Connection>) {
        let Some(instance) = self.instance.upgrade() else { return };
        let addr: Arc<str> = Arc::from(connection.name());
        // Name servers are told nothing.
        if instance.routes.known_broker(&addr) {
            let weak = self.instance.clone();
            instance.spawn(async move {
                if let Some(instance) = weak.upgrade() {
                    instance.greet(&addr).await;
                }
            });
        }
    }

    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..) {
            if let Answer::Now(answer) = self.handle(connection, &request) {
                if !request.is_oneway() {
                    answers.push(OutFrame::from(&answer));
                }
            }
        }
    }
}

impl Inbound {
    pub(super) fn new(roles: Arc<Roles>, instance: Weak<ClientInstance>) -> Self {
        Self { roles, instance }
    }

    fn handle(&self, connection: &Arc<Connection>, request: &Command) -> Answer {
        match request.code {
            request::NOTIFY_CONSUMER_IDS_CHANGED => self.members_changed(request),
            request::RESET_CONSUMER_CLIENT_OFFSET => self.reset_offset(request),
            request::GET_CONSUMER_STATUS_FROM_CLIENT => self.consumer_status(request),
            request::GET_CONSUMER_RUNNING_INFO => self.running_info(request),
            request::CONSUME_MESSAGE_DIRECTLY => self.consume_directly(connection, request),
            request::PUSH_REPLY_MESSAGE_TO_CLIENT => {
                tracing::warn!(peer = connection.name(), "reply to a request that is not waited for");
                Answer::Now(success(request, Bytes::new()))
            }
            request::CHECK_TRANSACTION_STATE => {
                tracing::warn!(peer = connection.name(), "transaction check for a client without transaction producer");
                Answer::None
            }
            code => {
                let remark = format!(" request type {code} not supported");
                Answer::Now(Command::response_to(request, response::REQUEST_CODE_NOT_SUPPORTED, Some(remark)))
            }
        }
    }

    fn members_changed(&self, request: &Command) -> Answer {
        if let Ok(header) = NotifyConsumerIdsChanged::decode(&request.ext) {
            if let Some(consumer) = self.roles.consumer(header.consumer_group) {
                consumer.rebalance_now();
            }
        }
        Answer::None
    }

    fn reset_offset(&self, request: &Command) -> Answer {
        let header = ResetOffset::decode(&request.ext);
        let body =
            ferromq_protocol::json::parse(&request.body).ok().and_then(|json| ResetOffsetBody::from_json(&json).ok());
        match (header, body) {
            (Ok(header), Some(body)) => match self.roles.consumer(header.group) {
                Some(consumer) => consumer.reset_offset(header.topic, body.offset_table),
                None => tracing::debug!(group = header.group, "offset reset for a group that is not here"),
            },
            (header, body) => {
                tracing::warn!(header = ?header.err(), body = body.is_some(), "offset reset cannot be read");
            }
        }
        Answer::None
    }

    fn consumer_status(&self, request: &Command) -> Answer {
        let header = match GetConsumerStatus::decode(&request.ext) {
            Ok(header) => header,
            Err(error) => return failure(request, error.to_string()),
        };
        // As Java: a group that is not here has an empty table.
        let table = self.roles.consumer(header.group).map(|consumer| consumer.offsets(header.topic));
        let body = GetConsumerStatusBody { message_queue_table: table.unwrap_or_default(), ..Default::default() };
        Answer::Now(success(request, body.encode()))
    }

    fn running_info(&self, request: &Command) -> Answer {
        let header = match GetConsumerRunningInfo::decode(&request.ext) {
            Ok(header) => header,
            Err(error) => return failure(request, error.to_string()),
        };
        let Some(consumer) = self.roles.consumer(header.consumer_group) else {
            return not_here(request, header.consumer_group);
        };
        let mut info = consumer.running_info();
        if header.jstack_enable == Some(true) {
            info.jstack = Some("this client has no Java threads".to_owned());
        }
        Answer::Now(success(request, info.encode()))
    }

    fn consume_directly(&self, connection: &Arc<Connection>, request: &Command) -> Answer {
        let header = match ConsumeMessageDirectly::decode(&request.ext) {
            Ok(header) => header,
            Err(error) => return failure(request, error.to_string()),
        };
        let Some(consumer) = self.roles.consumer(header.consumer_group) else {
            return not_here(request, header.consumer_group);
        };
        let mut messages = Vec::with_capacity(1);
        let broker: Arc<str> = Arc::from(header.broker_name.unwrap_or_default());
        if let Err(error) = MessageExt::decode_all(&request.body, &broker, &mut messages) {
            return failure(request, error.to_string());
        }
        let Some(mut message) = messages.pop() else {
            return failure(request, "the request carries no message".to_owned());
        };
        if let Some(topic) = message.property(ferromq_protocol::properties::RETRY_TOPIC).map(Arc::<str>::from) {
            message.restore_topic(topic);
        }
        let Some(consuming) = consumer.consume_directly(message) else {
            return not_here(request, header.consumer_group);
        };
        let Some(instance) = self.instance.upgrade() else { return Answer::None };
        let (connection, mut answer) = (connection.clone(), success(request, Bytes::new()));
        instance.spawn(async move {
            answer.body = consuming.await.encode();
            if let Err(error) = connection.send(OutFrame::from(&answer)) {
                tracing::debug!(%error, "result of a directly consumed message not delivered");
            }
        });
        Answer::Later
    }
}

fn success(request: &Command, body: Bytes) -> Command {
    Command { body, ..Command::response_to(request, response::SUCCESS, None) }
}

fn failure(request: &Command, remark: String) -> Answer {
    Answer::Now(Command::response_to(request, response::SYSTEM_ERROR, Some(remark)))
}

fn not_here(request: &Command, group: &str) -> Answer {
    failure(request, format!("The Consumer Group <{group}> not exist in this consumer"))
}
