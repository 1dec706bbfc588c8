//! RESUME_CHECK_HALF_MESSAGE (broker.md 7.4): an operator wants a half message to be checked again from the start.
//!
//! One that was given up is stored as a new half message. One that still waits needs nothing but its count, and is not
//! stored again as Apache does: then both would be delivered. What has ended stays so.
use super::half::Half;
use super::Claim;
use crate::service::send::{self, properties::Scan, Put};
use crate::service::{Refusal, Service};
use bytes::Bytes;
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::topic;

/// Puts the half message with this offset message id back. May read the disk.
pub fn resume(service: &Service, message_id: &str) -> Result<(), Refusal> {
    let bytes = record(service, message_id).ok_or_else(|| {
        let remark = format!(
            "Exception was thrown when putting message back to {}: there is no message {message_id}",
            topic::TRANS_HALF
        );
        Refusal::system_error(remark)
    })?;
    let failed = || Refusal::system_error(format!("Put message back to {} failed.", topic::TRANS_HALF));
    if let Some(half) = Half::parse(&bytes) {
        let offset = half.queue_offset();
        if service.transactions.claim(offset) != Claim::Taken {
            return Err(failed());
        }
        // Taken and given back, its checks are counted anew.
        service.transactions.give_back(offset);
        return Ok(());
    }
    let half = Half::given_up(&bytes).ok_or_else(failed)?;
    let config = service.config();
    let mut batch = service.store.new_batch();
    let properties = half.counted_properties(0);
    let put = Put { service, config: &config, writable: &send::writable(service) };
    let message = half.copy(topic::TRANS_HALF, &properties);
    put.lay_out(&mut batch, &message, None, 0, &Scan::default()).map_err(|_| failed())?;
    service.store.append(&mut batch).map_err(|_| failed())?;
    batch.results().iter().for_each(|record| service.transactions.prepared(record.queue_offset));
    tracing::info!(message_id, "half message put back to be checked");
    Ok(())
}

fn record(service: &Service, message_id: &str) -> Option<Bytes> {
    let id = OffsetMessageId::parse(message_id).ok()?;
    service.store.record_at(id.physical_offset).ok().flatten()
}
