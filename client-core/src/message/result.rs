//! What a broker says about a message it has stored.
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::code::response;

/// How the message was stored. Every status means that it **is** stored on the master (client.md 2.4); the order is
/// Java's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendStatus {
    /// Stored as configured.
    SendOk,
    /// Stored; the synchronous flush did not finish in time.
    FlushDiskTimeout,
    /// Stored; the synchronous replica did not finish in time.
    FlushSlaveTimeout,
    /// Stored; there is no usable synchronous replica.
    SlaveNotAvailable,
}

impl SendStatus {
    /// The status of a response code; `None` for codes that are errors.
    pub(crate) fn of_code(code: i32) -> Option<Self> {
        match code {
            response::SUCCESS => Some(Self::SendOk),
            response::FLUSH_DISK_TIMEOUT => Some(Self::FlushDiskTimeout),
            response::FLUSH_SLAVE_TIMEOUT => Some(Self::FlushSlaveTimeout),
            response::SLAVE_NOT_AVAILABLE => Some(Self::SlaveNotAvailable),
            _ => None,
        }
    }

    /// Java's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendOk => "SEND_OK",
            Self::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            Self::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            Self::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }
}

/// The answer to a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    /// How it was stored.
    pub status: SendStatus,
    /// The unique id the client gave the message (property UNIQ_KEY); of a batch all ids, joined by commas.
    pub message_id: String,
    /// The broker's id: its address and the offset in its log; of a batch all ids, joined by commas.
    pub offset_message_id: String,
    /// The queue that took the message.
    pub queue: MessageQueue,
    /// Its offset there; of a batch, the first message's.
    pub queue_offset: i64,
    /// Transaction id; 5.x brokers give the unique id here.
    pub transaction_id: Option<String>,
    /// Region of the broker, `DefaultRegion` when it does not say.
    pub region_id: String,
    /// Handle to recall a timer message by (5.x).
    pub recall_handle: Option<String>,
}
