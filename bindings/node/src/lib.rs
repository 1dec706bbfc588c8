//! The native half of the npm package `ferromq`: Node values in, bridge calls out, and back. Not for programs: the
//! interface that users see is TypeScript (`node/src`), and only that calls this.
//!
//! # How values cross
//! A crossing costs more than what is carried, so many things go at once: messages to be sent as one buffer and one table of
//! numbers ([`outgoing`]), results as one table ([`drained`]), received messages as one buffer and one table ([`block`]).
//! The layouts of the tables stand in those modules and, word for word the same, in `node/src/layout.ts`.
//!
//! # Failures
//! What the bridge refuses is returned, not thrown ([`failure::NativeFailure`]), so that TypeScript makes its one error
//! class of it. An exception from here is a mistake in this package.
//!
//! # Threads
//! Objects belong to the thread of their environment (main or worker) and are never touched by another. Threads of the
//! bridge only call the wake-up ([`wake`]), which neither blocks nor keeps the process alive.
pub mod block;
pub mod drained;
pub mod failure;
pub mod info;
pub mod lite;
pub mod log;
pub mod options;
pub mod outgoing;
pub mod producer;
pub mod push;
pub mod queues;
pub mod wake;
