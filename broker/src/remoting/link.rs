//! The way back to a client over a remoting connection.
use crate::service::transaction::CheckRequest;
use crate::service::ClientLink;
use bytes::Bytes;
use ferromq_protocol::code::request::{CHECK_TRANSACTION_STATE, NOTIFY_CONSUMER_IDS_CHANGED};
use ferromq_protocol::headers::{CheckTransactionState, NotifyConsumerIdsChanged};
use ferromq_protocol::{Command, Header};
use ferromq_remoting::Connection;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

/// Bytes that a client has not taken yet above which it is asked about no more transactions: it is asked again in the next
/// round, and a million checks do not lie in memory.
const CHECK_BYTES_WAITING_MAX: usize = 1024 * 1024;

/// A remoting connection as the service sees it. Weak: a table entry must not keep a dead socket's memory.
pub(super) struct Link {
    id: u64,
    peer: SocketAddr,
    connection: Weak<Connection>,
}

impl Link {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        let peer = super::canonical(connection.peer());
        Self { id: connection.id(), peer, connection: Arc::downgrade(connection) }
    }

    /// The connection, unless it is gone.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.upgrade()
    }
}

impl ClientLink for Link {
    fn id(&self) -> u64 {
        self.id
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn is_open(&self) -> bool {
        self.connection.upgrade().is_some_and(|c| c.is_open())
    }

    fn notify_group_changed(&self, group: &str) {
        let Some(connection) = self.connection.upgrade() else { return };
        let header = NotifyConsumerIdsChanged { consumer_group: group }.to_ext();
        let request = Command::request(NOTIFY_CONSUMER_IDS_CHANGED, header, Bytes::new());
        if let Err(error) = connection.oneway(request) {
            tracing::debug!(%error, group, "membership notice not sent");
        }
    }

    fn check_transaction(&self, check: &CheckRequest<'_>) -> bool {
        let Some(connection) = self.connection.upgrade().filter(|c| c.bytes_waiting() <= CHECK_BYTES_WAITING_MAX)
        else {
            return false;
        };
        let header = CheckTransactionState {
            topic: Some(check.topic),
            tran_state_table_offset: check.queue_offset,
            commit_log_offset: check.log_offset,
            msg_id: check.unique_key,
            transaction_id: check.unique_key,
            offset_msg_id: Some(check.offset_id),
            broker_name: Some(check.broker),
        };
        let request = Command::request(CHECK_TRANSACTION_STATE, header.to_ext(), Bytes::copy_from_slice(check.record));
        let sent = connection.oneway(request);
        if let Err(error) = &sent {
            tracing::debug!(%error, "transaction check not sent");
        }
        sent.is_ok()
    }

    fn close(&self, reason: &str) {
        if let Some(connection) = self.connection.upgrade() {
            connection.close(reason);
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
