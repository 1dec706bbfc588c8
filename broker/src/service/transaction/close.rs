//! Ends half messages: what is stored instead of them and the op records that say so, with one append.
//!
//! A half message is taken when it is added, so that nobody else ends it meanwhile, and given back when the append fails.
use super::half::QUEUE;
use super::{op, Claim, State};
use crate::config::BrokerConfig;
use crate::service::clock::now_ms;
use crate::service::send::properties::{push, Scan};
use crate::service::send::{refusal_of, writable, Put};
use crate::service::{Refusal, Service};
use ferromq_protocol::record::Message;
use ferromq_protocol::{properties as names, topic};
use ferromq_store::{AppendBatch, RecordResult};
use std::sync::atomic::Ordering::Relaxed;

/// A half message that is taken.
struct Taken {
    offset: i64,
    /// The message stored instead, by its position in the batch.
    message: Option<usize>,
}

/// Half messages that end together.
pub(super) struct Closing<'a> {
    service: &'a Service,
    config: &'a BrokerConfig,
    writable: Result<(), Refusal>,
    batch: AppendBatch,
    taken: Vec<Taken>,
}

impl<'a> Closing<'a> {
    pub fn start(service: &'a Service, config: &'a BrokerConfig) -> Self {
        let mut batch = service.store.new_batch();
        batch.set_max_message_size(usize::try_from(config.max_message_size).unwrap_or(0));
        Self { service, config, writable: writable(service), batch, taken: Vec::new() }
    }

    /// Number of half messages that end with this append.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Bytes of the messages laid out.
    pub fn bytes_len(&self) -> usize {
        self.batch.bytes_len()
    }

    /// Ends the half message at `offset`, with a message to be stored instead, its delay level and what is known of its
    /// properties. It is not touched when it is not [`Claim::Taken`] or when the message is refused.
    pub fn add(&mut self, offset: i64, message: Option<(&Message<'_>, i32, &Scan<'_>)>) -> Result<Claim, Refusal> {
        let claim = self.service.transactions.claim(offset);
        if claim != Claim::Taken {
            return Ok(claim);
        }
        let before = self.batch.len();
        if let Some((message, level, scan)) = message {
            let put = Put { service: self.service, config: self.config, writable: &self.writable };
            if let Err(refusal) = put.lay_out(&mut self.batch, message, None, level, scan) {
                self.service.transactions.give_back(offset);
                return Err(refusal);
            }
        }
        self.taken.push(Taken { offset, message: message.map(|_| before) });
        Ok(claim)
    }

    /// Appends everything. What became of each half message, in the order in which they were added.
    pub fn store(mut self) -> Vec<Result<(), Refusal>> {
        if self.taken.is_empty() {
            return Vec::new();
        }
        let messages = self.batch.len();
        let offsets: Vec<i64> = self.taken.iter().map(|taken| taken.offset).collect();
        let laid_out = lay_out_ops(self.service, self.config, &mut self.batch, &offsets);
        let outcome = laid_out.and_then(|ops| match self.service.store.append(&mut self.batch) {
            Ok(_) => Ok(ops),
            Err(error) => {
                tracing::warn!(%error, transactions = offsets.len(), "ends of transactions could not be appended");
                Err(refusal_of(&error, self.config))
            }
        });
        let stored = self.batch.results();
        let stored_messages = stored.len().min(messages);
        self.service.stats.put_messages.fetch_add(stored_messages as i64, Relaxed);
        let mut state = self.service.transactions.state.lock();
        state.changed = true;
        match outcome {
            Ok(ops) => {
                state.note(&stored[messages..], &ops);
                offsets.iter().for_each(|offset| state.pending.settle(*offset));
                offsets.iter().map(|_| Ok(())).collect()
            }
            Err(refusal) => self.taken.iter().map(|taken| state.failed(taken, stored_messages, &refusal)).collect(),
        }
    }
}

impl State {
    /// Op records were stored.
    fn note(&mut self, records: &[RecordResult], ops: &[(String, i64)]) {
        records.iter().zip(ops).for_each(|(record, (_, largest))| self.ops.note(record.queue_offset, *largest));
    }

    /// The append failed. A message that was stored nevertheless must not be stored again: only its op record is missing.
    fn failed(&mut self, taken: &Taken, stored_messages: usize, refusal: &Refusal) -> Result<(), Refusal> {
        if taken.message.is_some_and(|at| at < stored_messages) {
            self.owed.push(taken.offset);
            return Ok(());
        }
        self.pending.give_back(taken.offset);
        Err(refusal.clone())
    }
}

/// Adds the op records for `ended` to a batch; gives their bodies.
fn lay_out_ops(
    service: &Service,
    config: &BrokerConfig,
    batch: &mut AppendBatch,
    ended: &[i64],
) -> Result<Vec<(String, i64)>, Refusal> {
    let ops = op::bodies(ended, usize::try_from(config.transaction_op_msg_max_size).unwrap_or(0));
    let mut properties = String::new();
    push(&mut properties, names::TAGS, op::TAG);
    push(&mut properties, names::WAIT, "true");
    let (now, host) = (now_ms(), service.identity.store_host);
    for (body, _) in &ops {
        let message = Message {
            topic: topic::TRANS_OP_HALF,
            queue_id: QUEUE,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now,
            born_host: host,
            store_timestamp: now,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &properties,
            queue_offset: 0,
            physical_offset: 0,
        };
        batch.push(&message).map_err(|error| refusal_of(&error, config))?;
    }
    Ok(ops)
}

/// Writes the op records that could not be written with their messages.
pub(super) fn pay_owed(service: &Service, config: &BrokerConfig) {
    let owed = service.transactions.state.lock().owed.clone();
    if owed.is_empty() {
        return;
    }
    let mut batch = service.store.new_batch();
    let Ok(ops) = lay_out_ops(service, config, &mut batch, &owed) else { return };
    let outcome = service.store.append(&mut batch);
    let mut state = service.transactions.state.lock();
    state.note(batch.results(), &ops);
    match outcome {
        Ok(_) => {
            state.owed.retain(|offset| !owed.contains(offset));
            owed.iter().for_each(|offset| state.pending.settle(*offset));
            state.changed = true;
        }
        Err(error) => tracing::warn!(%error, transactions = owed.len(), "ends of transactions are not recorded yet"),
    }
}
