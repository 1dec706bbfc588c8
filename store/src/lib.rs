//! The durable log: segments, consume queues, hash index, checkpoint, flush, recovery, retention. Byte-compatible with
//! Apache RocketMQ's data directory, in both directions.
//!
//! Plain threads and files. It knows nothing of the network, of groups or of configuration files' content.

mod batch;
pub mod checkpoint;
mod clock;
pub mod config_file;
mod disk;
mod dispatch;
mod error;
pub mod faults;
mod get;
pub mod index;
mod known;
mod life;
mod log;
mod open_files;
mod options;
mod platform;
mod queue;
mod recover;
mod resident;
pub mod retention;
mod spin;
mod store;
pub mod tool;
mod types;

pub use batch::{AppendBatch, QueueHandle};
pub use error::{AppendError, NotWritable, OpenError, ReadError, ShutdownError, WouldBlock};
pub use index::IndexOptions;
pub use options::{FlushMode, ReadLimits, StoreOptions, RECORD_EXTRA_BYTES_MAX, UNIT_BYTES};
pub use retention::{DeleteHours, RetentionOptions};
pub use store::{LogCursor, Store};
pub use types::*;
