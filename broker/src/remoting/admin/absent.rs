//! Requests of features that this broker does not have: 370, 906, 1007, 3001 to 3005. Each gets what Apache's broker answers where the
//! feature is switched off, or finds nothing, so that clients and tools fail as they do there (broker.md 3.10; recorded answers).
use crate::remoting::reply::Reply;
use crate::service::error::FAQ;
use crate::service::Service;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::{Command, ExtFields};

/// Remark of the requests about users while there is no authentication.
const NO_USERS: &str = "An system error occurred, please try again later.";

/// Serves a request; `None` when its code is none of these.
pub(super) fn handle(service: &Service, request: &Command) -> Option<Reply> {
    let refused = |code, remark: &str| Reply::Command(Command::response_to(request, code, Some(remark.to_owned())));
    Some(match request.code {
        code::RECALL_MESSAGE => recall(service, request),
        code::EXCHANGE_BROKER_HA_INFO => ha_info(service, request),
        code::GET_BROKER_EPOCH_CACHE => refused(response::SYSTEM_ERROR, "this request only for controllerMode"),
        code::AUTH_CREATE_USER
        | code::AUTH_UPDATE_USER
        | code::AUTH_DELETE_USER
        | code::AUTH_GET_USER
        | code::AUTH_LIST_USER => refused(response::SYSTEM_ERROR, NO_USERS),
        _ => return None,
    })
}

/// Only timer messages can be recalled, and there are none: no handle is a valid one.
fn recall(service: &Service, request: &Command) -> Reply {
    let config = service.config();
    let topic = request.ext.get("topic").unwrap_or_default();
    let (code, remark) = if !config.recall_message_enable {
        (response::NO_PERMISSION, "recall failed, operation is forbidden".to_owned())
    } else if service.topics.get(topic).is_none() {
        (response::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist, apply first please!{FAQ}"))
    } else {
        (response::ILLEGAL_OPERATION, "recall handle is invalid".to_owned())
    };
    let mut answer = Command::response_to(request, code, Some(remark));
    answer.ext = ExtFields::from_iter([("MSG_REGION", config.region_id.as_str())]);
    Reply::Command(answer)
}

/// What a slave asks its master for.
fn ha_info(service: &Service, request: &Command) -> Reply {
    let mut answer = Command::response_to(request, response::SUCCESS, None);
    answer.ext = ExtFields::from_iter([
        ("masterAddress", service.identity.address.as_str()),
        ("masterFlushOffset", "0"),
        ("masterHaAddress", &service.identity.ha_address),
    ]);
    Reply::Command(answer)
}
