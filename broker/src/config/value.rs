//! The types of broker properties that only the broker has. Text forms are the constants of Apache's enums (broker.md 2.1).
use ferromq_protocol::setting_enum;

setting_enum! {
    /// When the log is forced to disk (store.md 2.8).
    FlushDiskType, "ASYNC_FLUSH | SYNC_FLUSH" {
        /// In the background; an acknowledgement waits for nothing.
        Async = "ASYNC_FLUSH",
        /// An acknowledgement waits for the flush, unless the message says WAIT=false.
        Sync = "SYNC_FLUSH",
    }
}

setting_enum! {
    /// Role of the broker in its group. Only masters exist so far; a slave is refused at start with a clear error.
    BrokerRole, "ASYNC_MASTER | SYNC_MASTER | SLAVE" {
        /// Master; acknowledgements do not wait for slaves.
        AsyncMaster = "ASYNC_MASTER",
        /// Master; with the default of one in-sync replica it behaves as the asynchronous one (broker.md 3.4).
        SyncMaster = "SYNC_MASTER",
        /// Slave.
        Slave = "SLAVE",
    }
}
