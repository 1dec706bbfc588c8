//! The two queues of the bridge under the model checker loom, which tries every order of what threads do.
//!
//! A package of its own with the bridge's own files: nothing else of the bridge is compiled twice for it. The models stand beside
//! what they check, in `queue.rs` and `ready.rs`.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the bridge uses more of these files than their models do"
)]

#[path = "../../src/platform.rs"]
mod platform;
#[path = "../../src/queue.rs"]
mod queue;
#[path = "../../src/ready.rs"]
mod ready;
#[path = "../../src/sync.rs"]
mod sync;

pub use queue::*;
