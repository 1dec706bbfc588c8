//! Client for Apache RocketMQ and FerroMQ brokers: producers, push and lite pull consumers, a small admin client.
//!
//! What this crate is not: it contains no broker and no storage, and depends on neither. It runs on the tokio runtime on
//! which its objects are started.
//!
//! Invariants
//! * Every operation has one time budget, retries, connecting and route queries included.
//! * Decisions (queue choice, routes, retries, latency faults) are plain functions and structs; tasks only carry them out.
//! * Queue order, hashes and ids equal Java's, so clients of different languages can share groups and sharding keys.
//! * Nothing outlives `shutdown()`: every task belongs to an object.
#![deny(unsafe_code)]

mod admin;
mod consumer;
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
    ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, CustomRule, LitePullConsumer, LitePullConsumerBuilder,
    LitePullOptions, OrderlyContext, PushConsumer, PushConsumerBuilder, PushOptions,
};
pub use error::{client_code, Attempt, Error, ErrorKind, ServerTried, ATTEMPTS_LISTED_MAX};
pub use ferromq_protocol::body::{MessageModel, MessageQueue};
pub use ferromq_protocol::compress::Compression;
pub use ferromq_protocol::Codec;
pub use instance::{Boundary, BoxFuture, ClientInstance, ConsumerRole, Identity, Routes};
pub use message::{Message, MessageExt, SendResult, SendStatus};
pub use options::{ClientOptions, DEFAULT_INSTANCE, NAMESRV_ENV};
pub use producer::{LatencyOptions, Producer, ProducerBuilder, ProducerOptions};
pub use route::{default_route, hash_index, publish_queues, subscribe_queues, BrokerAddress, BrokerRole, TopicRoute};
