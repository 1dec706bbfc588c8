//! Requests of consumers: pulls, offsets, heartbeats, locks, queries.
use super::{Context, Reply};
use crate::service::Service;
use ferromq_protocol::Command;
use std::sync::Arc;

/// Serves a request; `None` when its code belongs to nobody here.
pub(super) fn handle(_context: &Context<'_>, _request: &Command) -> Option<Reply> {
    None
}

/// A connection is gone.
pub(super) fn closed(_service: &Arc<Service>, _link_id: u64) {}
