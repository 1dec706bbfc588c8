//! END_TRANSACTION (37): a run of them becomes one append.
//!
//! Half messages are usually young and in memory; a run with an old one is served on a thread that may wait for the disk, and
//! answered through the connection.
use super::reply::{unreadable, Reply};
use crate::service::transaction::{self, Decision, EndOutcome, EndRequest};
use crate::service::{Refusal, Service};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::EndTransaction;
use ferromq_protocol::{Command, Header};
use ferromq_remoting::{Connection, OutFrame};
use std::sync::Arc;

/// True for the code that is handled here.
pub(super) fn is_end(code: i32) -> bool {
    code == code::END_TRANSACTION
}

/// Handles a run of ends.
pub(super) fn end(
    service: &Arc<Service>,
    connection: &Arc<Connection>,
    requests: &[Command],
    answers: &mut Vec<OutFrame>,
) {
    let decoded = requests.iter().filter_map(|request| decode(request).ok());
    if !transaction::may_wait(service, decoded.map(|end| end.log_offset)) {
        return serve(service, requests, answers);
    }
    let (service, connection, requests) = (Arc::clone(service), Arc::clone(connection), requests.to_vec());
    tokio::task::spawn_blocking(move || {
        let mut answers = Vec::new();
        serve(&service, &requests, &mut answers);
        if let Err(error) = connection.send_all(&mut answers) {
            tracing::debug!(%error, "answers to ends of transactions not sent");
        }
    });
}

fn serve(service: &Service, requests: &[Command], answers: &mut Vec<OutFrame>) {
    let decoded: Vec<Result<EndRequest<'_>, Refusal>> = requests.iter().map(decode).collect();
    let ends: Vec<EndRequest<'_>> = decoded.iter().filter_map(|end| end.as_ref().ok().copied()).collect();
    let mut outcomes = transaction::end(service, &ends).into_iter();
    for (request, end) in requests.iter().zip(decoded) {
        let outcome = match end {
            Ok(_) => outcomes.next().unwrap_or(Ok(EndOutcome::Nothing)),
            Err(refusal) => Err(refusal),
        };
        answers.extend(reply(request, outcome).into_frame(request));
    }
}

fn reply(request: &Command, outcome: Result<EndOutcome, Refusal>) -> Reply {
    match outcome {
        Ok(EndOutcome::Nothing) => Reply::Later,
        Ok(EndOutcome::Committed) => Reply::success(request),
        Ok(EndOutcome::RolledBack) => {
            // The reference's handler sets no remark for a rollback (wire.md 2.6).
            let remark = "not set any response code".to_owned();
            Reply::Command(Command::response_to(request, response::SUCCESS, Some(remark)))
        }
        Err(refusal) => {
            tracing::warn!(%refusal, fields = ?request.ext, "a transaction was not ended");
            Reply::refused(request, &refusal)
        }
    }
}

fn decode(request: &Command) -> Result<EndRequest<'_>, Refusal> {
    let header = EndTransaction::decode(&request.ext).map_err(unreadable)?;
    let value = header.commit_or_rollback;
    let decision = Decision::of(value).ok_or_else(|| {
        Refusal::thrown(format!("header field commitOrRollback has the value {value} without a meaning"))
    })?;
    Ok(EndRequest {
        group: header.producer_group,
        queue_offset: header.tran_state_table_offset,
        log_offset: header.commit_log_offset,
        decision,
        from_check: header.from_transaction_check,
    })
}
