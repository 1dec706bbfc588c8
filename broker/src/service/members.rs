//! Connected producers and consumers (broker.md 5.1 to 5.4).
//!
//! A client is a connection here: what it said in its heartbeats is kept per group under the id of its link, and goes when
//! the link closes, unregisters, or stays silent. A change of a consumer group's members or subscriptions is told to its
//! members, so that they share the queues anew at once.
//!
//! Lock: one read-write lock over all tables; shared for look-ups (a pull makes one), exclusive for what clients say.
//! Clients are notified and closed after it is released. Times are passed in.
use super::{Caller, ClientLink};
use ferromq_protocol::body::{
    Connection, ConsumeFromWhere, ConsumeType, ConsumerConnection, ConsumerData, MessageModel, ProducerConnection,
    ProducerInfo, ProducerTable, SubscriptionData,
};
use ferromq_protocol::{filter, language};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A connected client as a member of one group.
#[derive(Clone)]
pub struct Client {
    /// The id it gave itself.
    pub client_id: String,
    /// Language ordinal.
    pub language: i32,
    /// Version ordinal.
    pub version: i32,
    /// Time of its last heartbeat, milliseconds since 1970.
    pub last_update_ms: i64,
    /// The way to it.
    pub link: Arc<dyn ClientLink>,
}

impl Client {
    fn connection(&self) -> Connection {
        Connection {
            client_addr: self.link.peer().to_string(),
            client_id: self.client_id.clone(),
            language: language::name(self.language).unwrap_or_default().to_owned(),
            version: self.version,
        }
    }
}

/// What a consumer group's members said last.
struct ConsumerGroup {
    /// By link id.
    clients: BTreeMap<u64, Client>,
    /// By topic.
    subscriptions: BTreeMap<String, Arc<SubscriptionData>>,
    consume_type: ConsumeType,
    model: MessageModel,
    from_where: ConsumeFromWhere,
}

#[derive(Default)]
struct Tables {
    consumers: HashMap<String, ConsumerGroup>,
    /// Group, then link id.
    producers: HashMap<String, BTreeMap<u64, Client>>,
    /// Client id of a producer, for replies.
    producer_links: HashMap<String, Arc<dyn ClientLink>>,
    /// Consumer groups without members that nobody has asked for yet.
    emptied: Vec<String>,
    /// Groups that a link is a member of, so that a closed connection costs only what it had.
    links: HashMap<u64, Memberships>,
    /// Fingerprint of each group's last heartbeat.
    fingerprints: HashMap<String, i32>,
}

#[derive(Default)]
struct Memberships {
    consumers: BTreeSet<String>,
    producers: BTreeSet<String>,
}

/// One consumer group in a heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Id of the client.
    pub client_id: &'a str,
    /// What it said about the group.
    pub data: &'a ConsumerData,
    /// The subscriptions were left out: the group's stay as they are.
    pub without_subscriptions: bool,
    /// Whether changes are told to the members (broker and group settings).
    pub notify: bool,
}

/// What a pull without a subscription of its own is matched with.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Who gets a message.
    pub model: MessageModel,
    /// What the group wants of the topic.
    pub subscription: Option<Arc<SubscriptionData>>,
}

/// Producer and consumer tables.
#[derive(Default)]
pub struct Members(RwLock<Tables>);

type Links = Vec<Arc<dyn ClientLink>>;

impl Members {
    /// No client.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records the fingerprint of a group's heartbeat; true when there was another one before.
    pub fn fingerprint(&self, group: &str, fingerprint: i32) -> bool {
        if self.0.read().fingerprints.get(group) == Some(&fingerprint) {
            return false;
        }
        self.0.write().fingerprints.insert(group.to_owned(), fingerprint).is_some_and(|old| old != fingerprint)
    }

    /// Makes the caller a member of a consumer group, or refreshes it. True when members or subscriptions changed; they are
    /// told then. A caller without a link is no member of anything.
    pub fn register_consumer(&self, caller: &Caller, registration: &Registration<'_>, now_ms: i64) -> bool {
        let Some(link) = &caller.link else { return false };
        let data = registration.data;
        let mut guard = self.0.write();
        let tables = &mut *guard;
        if !tables.consumers.contains_key(&data.group_name) {
            tables.consumers.insert(data.group_name.clone(), ConsumerGroup::new(data));
        }
        let Some(group) = tables.consumers.get_mut(&data.group_name) else { return false };
        (group.consume_type, group.model, group.from_where) =
            (data.consume_type, data.message_model, data.consume_from_where);
        let mut changed = match group.clients.get_mut(&link.id()) {
            Some(known) => {
                known.last_update_ms = now_ms;
                if known.client_id != registration.client_id {
                    tracing::warn!(
                        group = data.group_name,
                        old = known.client_id,
                        new = registration.client_id,
                        "client id changed"
                    );
                    registration.client_id.clone_into(&mut known.client_id);
                }
                false
            }
            None => {
                group.clients.insert(link.id(), client(caller, link, registration.client_id, now_ms));
                let memberships = tables.links.entry(link.id()).or_default();
                memberships.consumers.insert(data.group_name.clone());
                true
            }
        };
        if !registration.without_subscriptions {
            changed |= group.update_subscriptions(&data.subscription_data_set, now_ms);
        }
        let to_tell = if changed && registration.notify { group.to_tell() } else { Links::new() };
        drop(guard);
        self.tell(&data.group_name, to_tell);
        changed
    }

    /// Makes the caller a member of a producer group, or refreshes it.
    pub fn register_producer(&self, caller: &Caller, group: &str, client_id: &str, now_ms: i64) {
        let Some(link) = &caller.link else { return };
        let mut tables = self.0.write();
        if let Some(known) = tables.producers.get_mut(group).and_then(|clients| clients.get_mut(&link.id())) {
            known.last_update_ms = now_ms;
            return;
        }
        let client = client(caller, link, client_id, now_ms);
        tables.producer_links.insert(client_id.to_owned(), Arc::clone(link));
        tables.producers.entry(group.to_owned()).or_default().insert(link.id(), client);
        tables.links.entry(link.id()).or_default().producers.insert(group.to_owned());
    }

    /// The consumer groups that lost their last member since the last call.
    pub fn take_emptied(&self) -> Vec<String> {
        if self.0.read().emptied.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.0.write().emptied)
    }

    /// The way to the producer with this id, the one that came last if there are several.
    pub fn producer_link(&self, client_id: &str) -> Option<Arc<dyn ClientLink>> {
        self.0.read().producer_links.get(client_id).cloned()
    }

    /// Takes a link out of a consumer group and tells the others, if `notify`.
    pub fn unregister_consumer(&self, link_id: u64, group: &str, notify: bool) {
        let to_tell = {
            let mut tables = self.0.write();
            let to_tell = tables.remove_consumer(link_id, group);
            tables.forget_membership(link_id, |memberships| memberships.consumers.remove(group));
            to_tell
        };
        self.tell(group, if notify { to_tell } else { Links::new() });
    }

    /// Takes a link out of a producer group.
    pub fn unregister_producer(&self, link_id: u64, group: &str) {
        let mut tables = self.0.write();
        tables.remove_producer(link_id, group);
        tables.forget_membership(link_id, |memberships| memberships.producers.remove(group));
    }

    /// The connection is gone: takes it out of every group and tells the others, if `notify`.
    pub fn closed(&self, link_id: u64, notify: bool) {
        let mut to_tell = Vec::new();
        {
            let mut tables = self.0.write();
            let Some(memberships) = tables.links.remove(&link_id) else { return };
            memberships.producers.iter().for_each(|group| tables.remove_producer(link_id, group));
            for group in memberships.consumers {
                let links = tables.remove_consumer(link_id, &group);
                to_tell.push((group, links));
            }
        }
        for (group, links) in to_tell.into_iter().filter(|_| notify) {
            self.tell(&group, links);
        }
    }

    /// Drops and closes clients that were silent for longer than `silence_ms`. Nobody is told, as with the reference; the
    /// others share the queues anew with their next periodic rebalance.
    pub fn expire(&self, now_ms: i64, silence_ms: i64) -> usize {
        let mut expired: HashMap<u64, Arc<dyn ClientLink>> = HashMap::new();
        {
            let mut tables = self.0.write();
            let tables = &mut *tables;
            let is_silent = |client: &Client| now_ms - client.last_update_ms > silence_ms;
            let consumers = tables.consumers.values().flat_map(|group| group.clients.values());
            let producers = tables.producers.values().flat_map(BTreeMap::values);
            for client in consumers.chain(producers).filter(|client| is_silent(client)) {
                expired.insert(client.link.id(), Arc::clone(&client.link));
            }
            for id in expired.keys() {
                let memberships = tables.links.remove(id).unwrap_or_default();
                memberships.producers.iter().for_each(|group| tables.remove_producer(*id, group));
                memberships.consumers.iter().for_each(|group| drop(tables.remove_consumer(*id, group)));
            }
        }
        expired.values().for_each(|link| link.close("no heartbeat for too long"));
        expired.len()
    }

    /// What a pull needs to know about its group; `None` when the group has no member.
    pub fn view(&self, group: &str, topic: &str) -> Option<GroupView> {
        let tables = self.0.read();
        let group = tables.consumers.get(group)?;
        Some(GroupView { model: group.model, subscription: group.subscriptions.get(topic).map(Arc::clone) })
    }

    /// True when this connection is a member of the group, or the group does not pull by itself.
    pub fn may_pull(&self, group: &str, link_id: Option<u64>) -> bool {
        let tables = self.0.read();
        let Some(group) = tables.consumers.get(group) else { return false };
        group.consume_type != ConsumeType::Actively || link_id.is_some_and(|id| group.clients.contains_key(&id))
    }

    /// The ids of a consumer group's members, sorted, each once; empty when there are none.
    pub fn client_ids(&self, group: &str) -> BTreeSet<String> {
        let tables = self.0.read();
        let clients = tables.consumers.get(group).map(|group| group.clients.values());
        clients.into_iter().flatten().map(|client| client.client_id.clone()).collect()
    }

    /// The members of a consumer group.
    pub fn consumers(&self, group: &str) -> Vec<Client> {
        let tables = self.0.read();
        tables.consumers.get(group).map(|group| group.clients.values().cloned().collect()).unwrap_or_default()
    }

    /// The member of a consumer group with this id.
    pub fn consumer(&self, group: &str, client_id: &str) -> Option<Client> {
        let tables = self.0.read();
        tables.consumers.get(group)?.clients.values().find(|client| client.client_id == client_id).cloned()
    }

    /// The members of a producer group.
    pub fn producers(&self, group: &str) -> Vec<Client> {
        self.0.read().producers.get(group).map(|clients| clients.values().cloned().collect()).unwrap_or_default()
    }

    /// What a consumer group wants of a topic.
    pub fn subscription(&self, group: &str, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.0.read().consumers.get(group)?.subscriptions.get(topic).cloned()
    }

    /// Topics a consumer group is subscribed to.
    pub fn subscribed_topics(&self, group: &str) -> BTreeSet<String> {
        let tables = self.0.read();
        tables.consumers.get(group).map(|group| group.subscriptions.keys().cloned().collect()).unwrap_or_default()
    }

    /// Groups with a member that is subscribed to the topic.
    pub fn groups_subscribed(&self, topic: &str) -> BTreeSet<String> {
        let tables = self.0.read();
        let subscribed = tables.consumers.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        subscribed.map(|(name, _)| name.clone()).collect()
    }

    /// GET_CONSUMER_CONNECTION_LIST; `None` when the group has no member.
    pub fn consumer_connections(&self, group: &str) -> Option<ConsumerConnection> {
        let tables = self.0.read();
        let group = tables.consumers.get(group)?;
        Some(ConsumerConnection {
            connection_set: group.clients.values().map(Client::connection).collect(),
            consume_from_where: group.from_where,
            consume_type: group.consume_type,
            message_model: group.model,
            subscription_table: group
                .subscriptions
                .iter()
                .map(|(t, s)| (t.clone(), SubscriptionData::clone(s)))
                .collect(),
        })
    }

    /// GET_PRODUCER_CONNECTION_LIST; `None` when the group has no member.
    pub fn producer_connections(&self, group: &str) -> Option<ProducerConnection> {
        let tables = self.0.read();
        let clients = tables.producers.get(group)?;
        Some(ProducerConnection { connection_set: clients.values().map(Client::connection).collect() })
    }

    /// GET_ALL_PRODUCER_INFO.
    pub fn producer_table(&self) -> ProducerTable {
        let info = |client: &Client| {
            let connection = client.connection();
            ProducerInfo {
                client_id: connection.client_id,
                language: connection.language,
                last_update_timestamp: client.last_update_ms,
                // Java writes its address object, with an empty host name before the slash.
                remote_ip: format!("/{}", connection.client_addr),
                version: connection.version,
            }
        };
        let tables = self.0.read();
        let groups = tables.producers.iter();
        ProducerTable {
            data: groups.map(|(group, clients)| (group.clone(), clients.values().map(info).collect())).collect(),
        }
    }

    fn tell(&self, group: &str, links: Links) {
        links.iter().for_each(|link| link.notify_group_changed(group));
    }
}

fn client(caller: &Caller, link: &Arc<dyn ClientLink>, client_id: &str, now_ms: i64) -> Client {
    Client {
        client_id: client_id.to_owned(),
        language: caller.language,
        version: caller.version,
        last_update_ms: now_ms,
        link: Arc::clone(link),
    }
}

impl ConsumerGroup {
    fn new(data: &ConsumerData) -> Self {
        Self {
            clients: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            consume_type: data.consume_type,
            model: data.message_model,
            from_where: data.consume_from_where,
        }
    }

    /// Takes over the subscriptions of a heartbeat. New and missing topics count as a change, newer versions do not; one
    /// without a version is as new as can be (wire.md 5.0).
    fn update_subscriptions(&mut self, new: &[SubscriptionData], now_ms: i64) -> bool {
        let mut changed = false;
        for subscription in new {
            let old = self.subscriptions.get(&subscription.topic);
            changed |= old.is_none();
            let sub_version = if subscription.sub_version == 0 { now_ms } else { subscription.sub_version };
            if old.is_none_or(|old| old.sub_version < sub_version) {
                let mut data = SubscriptionData { sub_version, ..subscription.clone() };
                if data.sub_string.is_empty() {
                    filter::ALL.clone_into(&mut data.sub_string);
                }
                self.subscriptions.insert(subscription.topic.clone(), Arc::new(data));
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| new.iter().any(|subscription| subscription.topic == *topic));
        changed || self.subscriptions.len() < before
    }

    /// Those to be told about a change. Broadcasting groups share nothing.
    fn to_tell(&self) -> Links {
        if self.model == MessageModel::Broadcasting {
            return Links::new();
        }
        self.clients.values().map(|client| Arc::clone(&client.link)).collect()
    }
}

impl Tables {
    /// Removes a link from a consumer group; gives those to be told.
    fn remove_consumer(&mut self, link_id: u64, name: &str) -> Links {
        let Some(group) = self.consumers.get_mut(name) else { return Links::new() };
        if group.clients.remove(&link_id).is_none() {
            return Links::new();
        }
        if group.clients.is_empty() {
            self.consumers.remove(name);
            self.fingerprints.remove(name);
            self.emptied.push(name.to_owned());
            return Links::new();
        }
        group.to_tell()
    }

    fn remove_producer(&mut self, link_id: u64, name: &str) {
        let Some(clients) = self.producers.get_mut(name) else { return };
        let removed = clients.remove(&link_id);
        if clients.is_empty() {
            self.producers.remove(name);
        }
        let is_elsewhere = |groups: &Memberships| groups.producers.iter().any(|group| group != name);
        let Some(client) = removed.filter(|_| !self.links.get(&link_id).is_some_and(is_elsewhere)) else { return };
        if self.producer_links.get(&client.client_id).is_some_and(|link| link.id() == link_id) {
            self.producer_links.remove(&client.client_id);
        }
    }

    fn forget_membership(&mut self, link_id: u64, remove: impl FnOnce(&mut Memberships) -> bool) {
        let Some(memberships) = self.links.get_mut(&link_id) else { return };
        remove(memberships);
        if memberships.consumers.is_empty() && memberships.producers.is_empty() {
            self.links.remove(&link_id);
        }
    }
}

#[cfg(test)]
mod tests;
