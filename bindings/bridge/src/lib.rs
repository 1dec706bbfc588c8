//! What every language binding shares, and nothing that a user of the Rust client would need.
//!
//! A binding translates: values of its language into the arguments of [`Producer`], [`PushConsumer`] and
//! [`LitePullConsumer`], and what comes out of an [`EventQueue`] into values of its language. It contains no messaging logic
//! (that is `ferromq`'s) and no threads that call into its language (the language takes).
//!
//! # The way of a call
//! A call never blocks and never runs on the caller's thread: it is noted and begun on the process's one runtime
//! ([`runtime`]). Its result goes where [`ReplyTo`] says: into the object's [`EventQueue`] under the caller's token, into a
//! [`Slot`] on which one thread waits, into a count that a flush looks at, or nowhere.
//!
//! # Waking up
//! [`EventQueue`] wakes its language once when it stops being empty and is drained in bulk ([`WakeUp`]: a descriptor, a
//! callback, or nothing but its own condition variable, which works with all three). Messages of a push consumer are
//! taken by the language ([`PushConsumer::take`]) when [`Event::Ready`] says so, or by threads that wait for them.
//!
//! # Forks
//! Threads do not survive `fork()`. Every object knows the process it was made in ([`fork`]); in a child it answers
//! [`Class::Forked`] and its destructor does nothing. New objects work: the child gets a runtime of its own.
//!
//! # Panics
//! Nothing here panics on purpose; a binding still catches unwinding at its border.
#![deny(unsafe_code)]

mod echo;
mod event;
mod failure;
pub mod fork;
mod lite;
pub mod log;
pub mod options;
mod outbox;
#[allow(unsafe_code, reason = "descriptors and pthread_atfork, see the module")]
mod platform;
mod producer;
mod push;
mod queue;
mod ready;
mod reply;
pub mod runtime;
mod sync;

pub use echo::Feed;
pub use event::{Event, Value};
pub use failure::{Class, ClassInfo, Failure, CLASSES};
pub use ferromq::{Message, MessageExt, MessageQueue, Outcome, SendResult, SendStatus};
pub use lite::{LiteCall, LitePullConsumer};
pub use producer::{How, Producer};
pub use push::{PushConsumer, Taken};
pub use queue::{EventQueue, WakeUp};
pub use ready::Ready;
pub use reply::{ReplyTo, Slot};
