//! The types of broker properties that only the broker has. Text forms are the constants of Apache's enums (broker.md 2.1).
use ferromq_protocol::settings::SettingValue;

/// When the log is forced to disk (store.md 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushDiskType {
    /// In the background; an acknowledgement waits for nothing.
    Async,
    /// An acknowledgement waits for the flush, unless the message says WAIT=false.
    Sync,
}

impl SettingValue for FlushDiskType {
    const KIND: &'static str = "ASYNC_FLUSH | SYNC_FLUSH";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ASYNC_FLUSH" => Some(Self::Async),
            "SYNC_FLUSH" => Some(Self::Sync),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
        }
        .to_owned()
    }
}

/// Role of the broker in its group. Only masters exist so far; a slave is refused at start with a clear error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerRole {
    /// Master; acknowledgements do not wait for slaves.
    AsyncMaster,
    /// Master; with the default of one in-sync replica it behaves as the asynchronous one (broker.md 3.4).
    SyncMaster,
    /// Slave.
    Slave,
}

impl SettingValue for BrokerRole {
    const KIND: &'static str = "ASYNC_MASTER | SYNC_MASTER | SLAVE";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ASYNC_MASTER" => Some(Self::AsyncMaster),
            "SYNC_MASTER" => Some(Self::SyncMaster),
            "SLAVE" => Some(Self::Slave),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::AsyncMaster => "ASYNC_MASTER",
            Self::SyncMaster => "SYNC_MASTER",
            Self::Slave => "SLAVE",
        }
        .to_owned()
    }
}
