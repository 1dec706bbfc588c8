//! Client for Apache RocketMQ and FerroMQ brokers: producers, push and lite pull consumers, a small admin client.
//!
//! What this crate is not: it contains no broker and no storage, and depends on neither. It runs on the tokio runtime on
//! which its objects are started.
//!
//! ```no_run
//! use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, Error, Message, Producer, PushConsumer};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let producer = Producer::builder("shop").namesrv("127.0.0.1:9876").start().await?;
//!     let order = Message::new("orders", r#"{"id": 17, "state": "paid"}"#).with_tag("paid").with_key("17");
//!     match producer.send(order).await {
//!         Ok(sent) => println!("stored in {} at {} as {}", sent.queue, sent.queue_offset, sent.message_id),
//!         // The text names the cause and the servers tried; `kind`, `code` and `retriable` are for programs.
//!         Err(error) if error.retriable() => eprintln!("try again later: {error}"),
//!         Err(error) => return Err(error),
//!     }
//!
//!     let consumer = PushConsumer::builder("accounting")
//!         .namesrv("127.0.0.1:9876")
//!         .consume_from(ConsumeFrom::First)
//!         .subscribe("orders", "paid || refunded")
//!         .concurrent(|messages, _context| {
//!             for message in messages {
//!                 println!("{}@{}: {} bytes", message.queue_id(), message.queue_offset(), message.body().len());
//!             }
//!             ConsumeConcurrentlyStatus::Success
//!         })
//!         .start()
//!         .await?;
//!
//!     tokio::time::sleep(std::time::Duration::from_secs(60)).await;
//!     consumer.shutdown().await; // waits for running listeners, commits, leaves the group
//!     producer.shutdown().await; // waits for sends under way
//!     Ok(())
//! }
//! ```
//!
//! # What to use
//!
//! | Wanted | Use |
//! |---|---|
//! | send, with retries on other brokers | [`Producer::send`] |
//! | messages of one key in order | [`Producer::send_sharded`] and [`PushConsumerBuilder::orderly`] |
//! | messages as they come, on many threads | [`PushConsumerBuilder::concurrent`] |
//! | to decide oneself when to read and commit | [`LitePullConsumer`] |
//! | topics, offsets, lag | [`Admin`] |
//!
//! # When something fails
//!
//! Every call ends within its budget: [`ProducerOptions::send_timeout`] for a send with all its retries,
//! [`ClientOptions::api_timeout`] for every question about routes and offsets, [`SHUTDOWN_WITHIN`] for a shutdown. [`Error`] says what happened to which topic
//! and which servers were tried; [`Error::not_sent`] tells whether a repetition can make a duplicate. Objects that run
//! reconnect, ask for new routes and go on by themselves when brokers or name servers were away; nothing has to be made
//! anew. Delivery is at least once: a listener must bear a message that comes again.
//!
//! # Cancelling
//!
//! Every future may be dropped. A dropped send may or may not have stored its message. A dropped
//! [`LitePullConsumer::poll`] has handed out nothing. A dropped `shutdown` of a push consumer goes on in the background.
//! An object that is dropped without a shutdown ends too, but commits nothing and tells nobody.
//!
//! Times in this crate are `Duration`s, points in time milliseconds since 1970 (UTC), sizes bytes, offsets those of the
//! next message to consume.
//!
//! Invariants
//! * Every operation has one time budget, retries, connecting and route queries included.
//! * Decisions (queue choice, routes, retries, latency faults) are plain functions and structs; tasks only carry them out.
//! * Queue order, hashes and ids equal Java's, so clients of different languages can share groups and sharding keys.
//! * Nothing outlives `shutdown()`: every task belongs to an object.
#![deny(unsafe_code)]

mod admin;
mod consumer;
mod ending;
mod error;
mod instance;
mod message;
mod options;
#[allow(unsafe_code, reason = "one call of the C library, see the module")]
mod platform;
mod producer;
mod route;
mod tasks;

pub use admin::{Admin, AdminBuilder};
pub use consumer::{
    sort_members, sort_queues, AllocateError, AllocateStrategy, AssignmentListener, ConcurrentContext,
    ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, CustomRule, Delivery, LitePullConsumer,
    LitePullConsumerBuilder, LitePullOptions, OrderlyContext, Outcome, PushConsumer, PushConsumerBuilder, PushOptions,
};
pub use ending::SHUTDOWN_WITHIN;
pub use error::{client_code, Attempt, Error, ErrorKind, ServerTried, ATTEMPTS_LISTED_MAX};
pub use ferromq_protocol::body::{MessageModel, MessageQueue};
pub use ferromq_protocol::compress::Compression;
pub use ferromq_protocol::Codec;
pub use instance::{Boundary, BoxFuture, ClientInstance, ConsumerRole, Identity, Routes};
pub use message::{Message, MessageExt, SendResult, SendStatus};
pub use options::{ClientOptions, DEFAULT_INSTANCE, NAMESRV_ENV};
pub use producer::{LatencyOptions, Producer, ProducerBuilder, ProducerOptions};
pub use route::{default_route, hash_index, publish_queues, subscribe_queues, BrokerAddress, BrokerRole, TopicRoute};
