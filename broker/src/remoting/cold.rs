//! Reading of cold data: 2001, 2002, 2003, 2004 (wire.md 4.9). The reference slows down groups that read what is no longer in
//! memory, when `coldDataFlowControlEnable` says so, which is off by default. Here cold reads have threads of their own and disturb
//! nobody, so limits are taken and answered as with that switch off: they have no effect.
use super::reply::Reply;
use crate::service::Refusal;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::json::{Flavour, Value};
use ferromq_protocol::Command;

/// Field of 2004: 0 as the operating system likes, 1 random access.
const READ_AHEAD_MODE: &str = "READ_AHEAD_MODE";
/// Defaults of the reference that the answer of 2003 names: bytes per minute of a group and of all.
const GROUP_THRESHOLD: i64 = 3 * 1024 * 1024;
const GLOBAL_THRESHOLD: i64 = 100 * 1024 * 1024;

/// Serves a request; `None` when its code is none of these.
pub(super) fn handle(request: &Command) -> Option<Result<Reply, Refusal>> {
    Some(match request.code {
        code::UPDATE_COLD_DATA_FLOW_CTR_CONFIG | code::REMOVE_COLD_DATA_FLOW_CTR_CONFIG => {
            tracing::info!(code = request.code, "limits of cold reads have no effect in this broker");
            Ok(Reply::success(request))
        }
        code::GET_COLD_DATA_FLOW_CTR_INFO => Ok(Reply::body(request, limits())),
        code::SET_COMMITLOG_READ_MODE => read_mode(request),
        _ => return None,
    })
}

fn limits() -> Vec<u8> {
    let nothing = || Value::Object(Vec::new());
    Value::object([
        ("runtimeTable", nothing()),
        ("configTable", nothing()),
        ("cgColdReadThreshold", Value::from(GROUP_THRESHOLD)),
        ("globalColdReadThreshold", Value::from(GLOBAL_THRESHOLD)),
        ("globalAcc", Value::from(0)),
    ])
    .write(Flavour::Quoted)
}

fn read_mode(request: &Command) -> Result<Reply, Refusal> {
    let mode = request.ext.get(READ_AHEAD_MODE).and_then(|mode| mode.parse::<i32>().ok());
    let Some(mode @ (0 | 1)) = mode else {
        return Err(Refusal::new(response::INVALID_PARAMETER, "set commitlog readahead mode param error"));
    };
    let remark = format!("set commitlog readahead mode success, mode: {mode}");
    Ok(Reply::Command(Command::response_to(request, response::SUCCESS, Some(remark))))
}
