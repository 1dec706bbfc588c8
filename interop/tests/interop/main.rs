//! What meets Apache RocketMQ's own clients, tools and servers: one program, so that always as many tests run as the machine carries,
//! whatever file they are in. The languages' drivers need their packages and are a program of their own (`languages.rs`).
#[path = "../support/mod.rs"]
#[macro_use]
mod support;

mod admin_cli;
mod batch_queue;
mod bench_cli;
mod changes;
mod data_directory;
mod delivery;
mod java_clients;
mod mixed_group;
mod mqadmin;
mod offsets;
mod old_clients;
mod registration;
mod rust_client;
mod sql_and_replies;
mod transactions;
