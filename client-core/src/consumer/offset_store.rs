//! Consumed offsets: in memory, and kept by the brokers (clustering) or in a local file (broadcasting) (client.md 3.14).
//!
//! An offset is that of the next message to consume. Only what changed since the last successful commit is sent, and every
//! commit is answered: an offset counts as stored when the broker said so, not when it was written to a socket.
//!
//! Threads and locks: one lock around the table, held for look-ups and updates. Commits at one broker run one at a time (`committing`), so
//! that an older offset never overtakes a newer one; no broker keeps the offsets of another waiting.
use super::local_offsets::LocalOffsets;
use super::locks::by_broker;
use crate::instance::ClientInstance;
use crate::route::BrokerRole;
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{OffsetResponse, QueryConsumerOffset, UpdateConsumerOffset};
use ferromq_protocol::{Command, Header};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Budget of one offset query or update.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    offset: i64,
    /// What the store is known to hold.
    stored: Option<i64>,
    /// Set while an offset from outside must not be overwritten by late results.
    frozen: bool,
}

/// The offsets in memory.
#[derive(Debug, Default)]
struct Table {
    entries: HashMap<MessageQueue, Entry>,
}

impl Table {
    fn update(&mut self, queue: &MessageQueue, offset: i64, increase_only: bool) {
        if let Some(entry) = self.entries.get_mut(queue) {
            if !entry.frozen && (!increase_only || offset > entry.offset) {
                entry.offset = offset;
            }
            return;
        }
        self.entries.insert(queue.clone(), Entry { offset, stored: None, frozen: false });
    }

    /// What of `queues` is not stored yet.
    fn changed<'a>(&self, queues: impl IntoIterator<Item = &'a MessageQueue>) -> Vec<(MessageQueue, i64)> {
        let changed = |queue: &'a MessageQueue| {
            let entry = self.entries.get(queue)?;
            (entry.stored != Some(entry.offset)).then(|| (queue.clone(), entry.offset))
        };
        queues.into_iter().filter_map(changed).collect()
    }

    fn stored(&mut self, queue: &MessageQueue, offset: i64) {
        if let Some(entry) = self.entries.get_mut(queue) {
            entry.stored = Some(offset);
        }
    }
}

enum Kind {
    Remote(Arc<ClientInstance>),
    Local(LocalOffsets),
}

/// The offsets of one consumer group in this client.
pub(crate) struct OffsetStore {
    group: String,
    kind: Kind,
    table: Arc<Mutex<Table>>,
    /// Held while offsets are committed at a broker, by name; of a file there is one, without a name.
    committing: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl OffsetStore {
    /// Offsets kept by the brokers.
    pub(crate) fn remote(group: &str, instance: Arc<ClientInstance>) -> Self {
        Self::new(group, Kind::Remote(instance))
    }

    /// Offsets kept in a file.
    pub(crate) fn local(group: &str, file: LocalOffsets) -> Self {
        Self::new(group, Kind::Local(file))
    }

    fn new(group: &str, kind: Kind) -> Self {
        Self { group: group.to_owned(), kind, table: Arc::default(), committing: Mutex::default() }
    }

    /// Notes a consumed offset; with `increase_only` a smaller one is ignored.
    pub(crate) fn update(&self, queue: &MessageQueue, offset: i64, increase_only: bool) {
        self.table.lock().update(queue, offset, increase_only);
    }

    /// Sets an offset from outside; later updates are ignored until the queue is forgotten.
    pub(crate) fn freeze(&self, queue: &MessageQueue, offset: i64) {
        let mut table = self.table.lock();
        let stored = table.entries.get(queue).and_then(|entry| entry.stored);
        table.entries.insert(queue.clone(), Entry { offset, stored, frozen: true });
    }

    /// The offset in memory.
    pub(crate) fn memory(&self, queue: &MessageQueue) -> Option<i64> {
        self.table.lock().entries.get(queue).map(|entry| entry.offset)
    }

    /// Forgets a queue that is not consumed here any more.
    pub(crate) fn forget(&self, queue: &MessageQueue) {
        self.table.lock().entries.remove(queue);
    }

    /// The offsets in memory of a topic.
    pub(crate) fn of_topic(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        let table = self.table.lock();
        let wanted = table.entries.iter().filter(|(queue, _)| queue.topic == topic);
        wanted.map(|(queue, entry)| (queue.clone(), entry.offset)).collect()
    }

    /// What the store holds, which then is the offset in memory too. `None`: the store answered that it knows none.
    pub(crate) async fn read(&self, queue: &MessageQueue) -> Result<Option<i64>, Error> {
        let offset = self.ask(queue).await?;
        if let Some(offset) = offset {
            let mut table = self.table.lock();
            table.update(queue, offset, false);
            table.stored(queue, offset);
        }
        Ok(offset)
    }

    /// What the store holds, without a note of it.
    pub(crate) async fn ask(&self, queue: &MessageQueue) -> Result<Option<i64>, Error> {
        match &self.kind {
            Kind::Remote(instance) => self.query(instance, queue).await,
            Kind::Local(file) => Ok(file.get(queue)),
        }
    }

    async fn query(&self, instance: &ClientInstance, queue: &MessageQueue) -> Result<Option<i64>, Error> {
        let addr = address(instance, queue).await?;
        let header = QueryConsumerOffset {
            consumer_group: &self.group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            set_zero_if_not_found: None,
            broker_name: Some(&queue.broker_name),
        };
        let code = request::QUERY_CONSUMER_OFFSET;
        let answer = instance.call(&addr, Command::request(code, header.to_ext(), Bytes::new()), TIMEOUT).await?;
        if answer.code == response::QUERY_NOT_FOUND {
            return Ok(None);
        }
        let answer = crate::instance::check(&addr, code, answer)?;
        let header = OffsetResponse::decode(&answer.ext);
        let offset =
            header.map_err(|e| Error::Decode { addr: addr.to_string(), request: code, reason: e.to_string() })?;
        Ok(Some(offset.offset).filter(|offset| *offset >= 0))
    }

    /// Stores what changed of `queues` and waits until that is done. All brokers are asked at the same time; the first error is returned.
    pub(crate) async fn commit(&self, queues: &[MessageQueue]) -> Result<(), Error> {
        match &self.kind {
            Kind::Remote(instance) => self.commit_remote(instance, queues).await,
            Kind::Local(file) => {
                let gate = self.gate(String::new());
                let _one_at_a_time = gate.lock().await;
                let changed = self.table.lock().changed(queues);
                if !changed.is_empty() {
                    file.put(&changed)?;
                }
                let mut table = self.table.lock();
                changed.iter().for_each(|(queue, offset)| table.stored(queue, *offset));
                Ok(())
            }
        }
    }

    fn gate(&self, broker: String) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.committing.lock().entry(broker).or_default())
    }

    async fn commit_remote(&self, instance: &Arc<ClientInstance>, queues: &[MessageQueue]) -> Result<(), Error> {
        let changed = self.table.lock().changed(queues).into_iter().map(|(queue, _)| queue);
        let mut running = JoinSet::new();
        for (broker, queues) in by_broker(changed) {
            let gate = self.gate(broker);
            let (instance, group, table) = (Arc::clone(instance), self.group.clone(), Arc::clone(&self.table));
            running.spawn(async move {
                let _one_at_a_time = gate.lock().await;
                commit_at_broker(&instance, &group, &table, &queues).await
            });
        }
        first_error(running).await
    }
}

/// Updates the offsets of one broker's queues, all at the same time: a broker that hangs costs one budget, whatever their number.
async fn commit_at_broker(
    instance: &Arc<ClientInstance>,
    group: &str,
    table: &Arc<Mutex<Table>>,
    queues: &[MessageQueue],
) -> Result<(), Error> {
    let changed = table.lock().changed(queues);
    let Some((first, _)) = changed.first() else { return Ok(()) };
    let addr = address(instance, first).await?;
    let mut running = JoinSet::new();
    for (queue, offset) in changed {
        let header = UpdateConsumerOffset {
            consumer_group: group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            commit_offset: offset,
            broker_name: Some(&queue.broker_name),
        };
        let command = Command::request(request::UPDATE_CONSUMER_OFFSET, header.to_ext(), Bytes::new());
        let (instance, addr, table) = (Arc::clone(instance), Arc::clone(&addr), Arc::clone(table));
        running.spawn(async move {
            instance.call_ok(&addr, command, TIMEOUT).await?;
            table.lock().stored(&queue, offset);
            Ok(())
        });
    }
    first_error(running).await
}

/// Waits for all.
async fn first_error(mut running: JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(done) = running.join_next().await {
        outcome = outcome.and(done.unwrap_or(Ok(())));
    }
    outcome
}

/// The master, else any replica.
async fn address(instance: &ClientInstance, queue: &MessageQueue) -> Result<Arc<str>, Error> {
    match instance.broker_addr(&queue.broker_name, BrokerRole::Replica(0)) {
        Some(found) => Ok(found.addr),
        None => instance.master_of(queue).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(id: i32) -> MessageQueue {
        MessageQueue::new("T", "b", id)
    }

    /// Offsets go up only, when asked to; a frozen one does not move at all.
    #[test]
    fn updates() {
        let store = OffsetStore::local("G", LocalOffsets::open(tempfile::tempdir().unwrap().path(), "c", "G").unwrap());
        store.update(&queue(0), 5, true);
        store.update(&queue(0), 3, true);
        assert_eq!(store.memory(&queue(0)), Some(5));
        store.update(&queue(0), 3, false);
        assert_eq!(store.memory(&queue(0)), Some(3));
        store.freeze(&queue(0), 9);
        store.update(&queue(0), 11, true);
        assert_eq!(store.memory(&queue(0)), Some(9));
        store.forget(&queue(0));
        assert_eq!(store.memory(&queue(0)), None);
    }

    /// Only what changed since the last commit is committed, and only of the queues named.
    #[test]
    fn changes() {
        let mut table = Table::default();
        table.update(&queue(0), 5, true);
        table.update(&queue(1), 6, true);
        assert_eq!(table.changed(&[queue(0), queue(2)]), [(queue(0), 5)]);
        table.stored(&queue(0), 5);
        assert_eq!(table.changed(&[queue(0), queue(1)]), [(queue(1), 6)]);
        table.update(&queue(0), 7, true);
        assert_eq!(table.changed(&[queue(0)]), [(queue(0), 7)]);
    }

    /// Broadcasting offsets survive in the file.
    #[tokio::test]
    async fn local_commit() {
        let folder = tempfile::tempdir().unwrap();
        let open = || OffsetStore::local("G", LocalOffsets::open(folder.path(), "c", "G").unwrap());
        let store = open();
        store.update(&queue(0), 5, true);
        store.commit(&[queue(0), queue(1)]).await.unwrap();
        let again = open();
        assert_eq!(again.read(&queue(0)).await.unwrap(), Some(5));
        assert_eq!(again.memory(&queue(0)), Some(5));
        assert_eq!(again.read(&queue(1)).await.unwrap(), None);
    }
}
