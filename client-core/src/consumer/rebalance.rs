//! Which queues this member should have, and when to look (client.md 1.7, 3.4).
//!
//! The decision is pure: [`diff`] compares what is owned with the share. [`share`] asks for route and members, [`drive`]
//! runs the rounds; what a round does with a difference is the consumer's business.
use super::allocate::{sort_members, sort_queues, AllocateStrategy};
use crate::instance::ClientInstance;
use crate::Error;
use ferromq_protocol::body::{MessageModel, MessageQueue};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{timeout, Instant};

/// Time between rounds when everything is as it should be.
const BALANCED: Duration = Duration::from_secs(20);
/// Time between rounds when not.
const UNBALANCED: Duration = Duration::from_secs(1);
/// Shortest time between rounds, however often somebody wakes: a group that starts together would ask the brokers for each
/// member that appears. Java waits a second.
const GAP: Duration = Duration::from_millis(200);

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Balance {
    /// Owned and allotted queues agree.
    Balanced,
    /// They do not: another round soon.
    Unbalanced,
    /// Only the route of the group's own retry topic is missing. Brokers make it with the first heartbeat, but some are
    /// told not to: rounds become rarer.
    WaitingForRetryTopic,
}

/// How an owned queue is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owned {
    /// It is consumed.
    Active,
    /// It is on its way out and not gone yet.
    Leaving,
}

/// What to change for one topic.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub release: Vec<MessageQueue>,
    pub take: Vec<MessageQueue>,
    /// Nothing to do and nothing on its way.
    pub balanced: bool,
}

/// Compares what is owned of a topic with the share of this member. A queue that is still leaving is not taken again
/// before it is gone.
pub(crate) fn diff(owned: &[(MessageQueue, Owned)], mine: &[MessageQueue]) -> Diff {
    let mine: BTreeSet<&MessageQueue> = mine.iter().collect();
    let here: BTreeSet<&MessageQueue> = owned.iter().map(|(queue, _)| queue).collect();
    let unwanted = |(queue, state): &&(MessageQueue, Owned)| *state == Owned::Active && !mine.contains(queue);
    let release: Vec<_> = owned.iter().filter(unwanted).map(|(queue, _)| queue.clone()).collect();
    let take: Vec<_> = mine.iter().filter(|queue| !here.contains(*queue)).map(|queue| (*queue).clone()).collect();
    let leaving = owned.iter().any(|(queue, state)| *state == Owned::Leaving && mine.contains(queue));
    Diff { balanced: release.is_empty() && take.is_empty() && !leaving, release, take }
}

/// The share of this member of one topic.
#[derive(Debug)]
pub(crate) struct Share {
    pub all: Vec<MessageQueue>,
    pub mine: Vec<MessageQueue>,
    /// True when nobody else is in the group, so that nobody can hold what is new here.
    pub alone: bool,
}

/// Asks for the route and, when the group shares the queues, for its members.
pub(crate) async fn share(
    instance: &ClientInstance,
    group: &str,
    model: MessageModel,
    strategy: &AllocateStrategy,
    topic: &str,
) -> Result<Share, Error> {
    let mut all = instance.routes().subscribe_queues(topic).await?.to_vec();
    sort_queues(&mut all);
    if model == MessageModel::Broadcasting {
        return Ok(Share { mine: all.clone(), all, alone: true });
    }
    let mut members = instance.consumer_ids(group, topic).await?;
    sort_members(&mut members);
    let mut mine = strategy
        .share(instance.client_id(), &all, &members)
        .map_err(|e| Error::validation(format!("queues of topic {topic}: {e}")))?;
    // A fixed list may name queues of other topics, which have rounds of their own.
    mine.retain(|queue| queue.topic == topic);
    Ok(Share { all, mine, alone: members.len() <= 1 })
}

/// Something that can be balanced.
pub(crate) trait Rounds: Send + Sync + 'static {
    /// One round.
    fn round(&self) -> impl Future<Output = Balance> + Send;
}

/// When the next round comes.
struct Rhythm {
    /// How long the next round waits that waits for a retry topic only.
    patience: Duration,
}

impl Rhythm {
    fn new() -> Self {
        Self { patience: UNBALANCED }
    }

    /// Time until the next round, unless somebody wakes.
    fn pause(&mut self, found: Balance) -> Duration {
        match found {
            Balance::Balanced => BALANCED,
            Balance::Unbalanced => UNBALANCED,
            Balance::WaitingForRetryTopic => {
                let patience = (self.patience * 2).min(BALANCED);
                std::mem::replace(&mut self.patience, patience)
            }
        }
    }
}

/// Runs rounds until `stopped`: at once, then every 20 s or 1 s, and whenever `wake` is notified.
pub(crate) async fn drive<R: Rounds>(rounds: Arc<R>, wake: Arc<Notify>, stopped: impl Future<Output = ()>) {
    let work = async {
        let mut rhythm = Rhythm::new();
        loop {
            let begun = Instant::now();
            let pause = rhythm.pause(rounds.round().await);
            let _ = timeout(pause, wake.notified()).await;
            tokio::time::sleep_until(begun + GAP).await;
        }
    };
    tokio::select! {
        _ = stopped => {}
        _ = work => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(ids: impl IntoIterator<Item = i32>) -> Vec<MessageQueue> {
        ids.into_iter().map(|id| MessageQueue::new("T", "b", id)).collect()
    }

    fn owned(ids: impl IntoIterator<Item = i32>, state: Owned) -> Vec<(MessageQueue, Owned)> {
        queues(ids).into_iter().map(|queue| (queue, state)).collect()
    }

    /// What is missing is taken, what is too much released, and with neither the member is balanced.
    #[test]
    fn differences() {
        let found = diff(&owned(0..4, Owned::Active), &queues(2..6));
        assert_eq!((found.release, found.take, found.balanced), (queues(0..2), queues(4..6), false));
        assert!(diff(&owned(0..2, Owned::Active), &queues(0..2)).balanced);
        assert!(diff(&[], &[]).balanced);
    }

    /// A queue on its way out is neither released twice nor taken before it is gone.
    #[test]
    fn leaving() {
        let found = diff(&owned(0..1, Owned::Leaving), &queues(0..1));
        assert_eq!((found.release.len(), found.take.len(), found.balanced), (0, 0, false));
        assert!(diff(&owned(0..1, Owned::Leaving), &[]).balanced);
    }

    /// Rounds follow after 1 s when unbalanced, 20 s when balanced, and ever later while only the retry topic is missing.
    #[test]
    fn rhythm() {
        use Balance::{Balanced, Unbalanced, WaitingForRetryTopic};
        let mut rhythm = Rhythm::new();
        let mut seconds = |found: Balance| rhythm.pause(found).as_secs();
        assert_eq!([Unbalanced, Balanced].map(&mut seconds), [1, 20]);
        assert_eq!([WaitingForRetryTopic; 3].map(&mut seconds), [1, 2, 4]);
        assert_eq!([Unbalanced, Balanced].map(&mut seconds), [1, 20]);
        assert_eq!([WaitingForRetryTopic; 4].map(&mut seconds), [8, 16, 20, 20]);
    }

    /// Tells when its rounds begin.
    struct Told(tokio::sync::mpsc::UnboundedSender<Instant>);

    impl Rounds for Told {
        async fn round(&self) -> Balance {
            self.0.send(Instant::now()).unwrap();
            Balance::Balanced
        }
    }

    /// The first round comes at once, and the next one when somebody wakes, but for the gap; none after the stop.
    #[tokio::test]
    async fn who_wakes_is_heard() {
        let (told, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let (wake, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let until = stop.clone();
        let driven = tokio::spawn(drive(Arc::new(Told(told)), wake.clone(), async move { until.notified().await }));
        let first = begun.recv().await.unwrap();
        wake.notify_one();
        let second = begun.recv().await.unwrap();
        assert!(second - first >= GAP, "{:?}", second - first);
        stop.notify_one();
        driven.await.unwrap();
        assert_eq!(begun.recv().await, None);
    }
}
