//! The thread that asks producers what became of their transactions (broker.md 7.4).
//!
//! A round goes over all waiting half messages, oldest first, every `transactionCheckInterval`; while none waits there are no
//! rounds. Any live member of a half message's producer group is asked, whoever sent it. Without one the check counts
//! nevertheless, as in the reference; one whose connection is behind with taking checks is asked in the next round.
use super::close::{pay_owed, Closing};
use super::decide::{verdict, Limits, Verdict};
use super::half::{Half, QUEUE};
use super::{CheckRequest, Claim};
use crate::config::BrokerConfig;
use crate::service::clock::now_ms;
use crate::service::send::properties::Scan;
use crate::service::topics::perm;
use crate::service::Service;
use bytes::Bytes;
use ferromq_protocol::topic;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

/// Checks sent in a row, and the pause behind them: Java's producers keep 2,000 at a time and drop the rest, and the log is
/// shared with those who send.
const CHECKS_IN_A_ROW: usize = 500;
const PAUSE: Duration = Duration::from_millis(50);
/// Half messages that are given up with one append.
const GIVEN_UP_IN_A_ROW: usize = 64;
/// Bytes of half messages that are given up with one append.
const GIVEN_UP_BYTES: usize = 1024 * 1024;

/// The thread: checks until [`stop`](super::Transactions::stop).
pub fn run(service: &Service) {
    let interval = || Duration::from_millis(service.config().transaction_check_interval.unsigned_abs());
    while service.transactions.sleep_until_round(interval) {
        let config = service.config();
        pay_owed(service, &config);
        let mut round = Round {
            service,
            config: &config,
            limits: Limits::of(&config),
            closing: Closing::start(service, &config),
            sent: 0,
        };
        round.run();
        if !service.transactions.is_stopped() {
            super::save_progress(service);
        }
    }
}

/// What a look at a half message found out.
enum Seen {
    /// Look at the next one.
    Next,
    /// All that follow are too young.
    End,
}

struct Round<'a> {
    service: &'a Service,
    config: &'a BrokerConfig,
    limits: Limits,
    closing: Closing<'a>,
    sent: usize,
}

impl Round<'_> {
    fn run(&mut self) {
        let transactions = &self.service.transactions;
        let mut at = 0;
        'all: loop {
            let some = transactions.state.lock().pending.some_from(at);
            let Some((offsets, behind)) = some else { break };
            at = behind;
            for offset in offsets {
                if transactions.is_stopped() || matches!(self.look(offset), Seen::End) {
                    break 'all;
                }
            }
        }
        self.store_given_up();
    }

    fn look(&mut self, offset: i64) -> Seen {
        let bytes = match self.read(offset) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Seen::Next,
            Err(why) => {
                self.forget(offset, why);
                return Seen::Next;
            }
        };
        let Some(half) = Half::parse(&bytes) else {
            self.forget(offset, "it is no half message");
            return Seen::Next;
        };
        let made = self.service.transactions.state.lock().pending.checks(offset);
        let checks = half.stored_checks.saturating_add(i32::from(made));
        match verdict(half.stored_ms(), half.immunity, checks, &self.limits, now_ms()) {
            Verdict::WaitAll => return Seen::End,
            Verdict::Wait => {}
            Verdict::GiveUp => self.give_up(&half, checks),
            Verdict::Check => self.check(&half, checks.saturating_add(1)),
        }
        Seen::Next
    }

    /// The record of a half message. `Ok(None)`: not now; an error: never again.
    fn read(&self, offset: i64) -> Result<Option<Bytes>, &'static str> {
        let store = &self.service.store;
        let Some(unit) = store.unit(topic::TRANS_HALF, QUEUE, offset) else {
            // Not in the queue yet, or not any more.
            let gone = store.min_offset(topic::TRANS_HALF, QUEUE) > offset;
            return if gone { Err("its consume queue no longer has it") } else { Ok(None) };
        };
        match store.record_at(unit.physical) {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) if unit.physical >= store.min_log_offset() && unit.is_valid() && !unit.is_blank() => Ok(None),
            Ok(None) => Err("the log no longer has it"),
            Err(error) => {
                tracing::warn!(offset, %error, "a half message cannot be read now");
                Ok(None)
            }
        }
    }

    /// A half message that can never be delivered ends without a message.
    fn forget(&mut self, offset: i64, why: &str) {
        tracing::error!(offset, why, "half message dropped");
        // Without a message there is nothing to refuse.
        let _ = self.closing.add(offset, None);
        self.store_if_full();
    }

    fn give_up(&mut self, half: &Half<'_>, checks: i32) {
        let name = topic::TRANS_CHECK_MAX_TIME;
        self.service.topics.get_or_create_own(name, 1, perm::READ_WRITE, 0);
        let properties = half.counted_properties(checks);
        let message = half.copy(name, &properties);
        match self.closing.add(half.queue_offset(), Some((&message, 0, &Scan::default()))) {
            Ok(Claim::Taken) => {
                let (offset, topic, group) = (half.queue_offset(), half.real_topic, half.group);
                tracing::warn!(offset, topic, group, checks, "nobody ended a transaction, its message is given up");
            }
            Ok(_) => {}
            Err(refusal) => tracing::warn!(%refusal, "a half message could not be given up, trying again"),
        }
        self.store_if_full();
    }

    fn store_if_full(&mut self) {
        if self.closing.len() >= GIVEN_UP_IN_A_ROW || self.closing.bytes_len() >= GIVEN_UP_BYTES {
            self.store_given_up();
        }
    }

    fn store_given_up(&mut self) {
        let full = std::mem::replace(&mut self.closing, Closing::start(self.service, self.config));
        // What failed waits for the next round, and is in the log already.
        full.store();
    }

    fn check(&mut self, half: &Half<'_>, times: i32) {
        let asked = self.ask(half, times);
        tracing::debug!(offset = half.queue_offset(), group = half.group, times, ?asked, "transaction checked");
        if asked == Asked::Busy {
            return;
        }
        self.service.transactions.state.lock().pending.checked(half.queue_offset());
        if asked == Asked::Sent {
            self.sent += 1;
            if self.sent.is_multiple_of(CHECKS_IN_A_ROW) {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Sends the check to one live member of the producer group.
    fn ask(&self, half: &Half<'_>, times: i32) -> Asked {
        let mut producers = self.service.members.producers(half.group.unwrap_or_default());
        producers.retain(|producer| producer.link.is_open());
        if producers.is_empty() {
            return Asked::Nobody;
        }
        let first = self.service.transactions.turn.fetch_add(1, Relaxed) % producers.len();
        producers.rotate_left(first);
        let record = half.check_record(times);
        if record.is_empty() {
            return Asked::Nobody;
        }
        let request = CheckRequest {
            topic: topic::TRANS_HALF,
            queue_offset: half.queue_offset(),
            log_offset: half.physical_offset(),
            unique_key: half.unique_key,
            offset_id: &half.offset_id(),
            broker: &self.service.identity.name,
            record: &record,
        };
        let sent = producers.iter().any(|producer| producer.link.check_transaction(&request));
        if sent {
            Asked::Sent
        } else {
            Asked::Busy
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Sent,
    /// No member of the group is connected.
    Nobody,
    /// Those who are do not take it now.
    Busy,
}
