//! The three consumer groups of a round.
use crate::hands::{Hand, Member};
use crate::ledger::Ledger;
use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, Error, LitePullConsumer, PushConsumer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Where a round happens, and who takes part besides Rust.
pub struct Place<'a> {
    pub namesrv: &'a str,
    pub topic: &'a str,
    pub hands: &'a [Hand],
}

impl Place<'_> {
    fn hand(&self, language: &str) -> Option<&Hand> {
        self.hands.iter().find(|hand| hand.language == language)
    }

    fn group(&self, letter: &str) -> String {
        format!("{}-{letter}", self.topic)
    }

    fn member(&self, hand: &Hand, letter: &str, how: &str, ledger: Arc<Ledger>) -> Result<Running, String> {
        let group = self.group(letter);
        let at = [self.namesrv, self.topic, &group];
        Member::start(hand, at, how, &format!("{letter}1"), ledger).map(|member| Running::Hand(Box::new(member)))
    }

    /// The first member of group A.
    pub async fn first_aggregator(&self, ledger: Arc<Ledger>) -> Result<Running, String> {
        match self.hand("python") {
            Some(hand) => self.member(hand, "A", "orderly", ledger),
            None => self.aggregator("A1 rust", ledger).await,
        }
    }

    /// Another member of group A.
    pub async fn aggregator(&self, name: &str, ledger: Arc<Ledger>) -> Result<Running, String> {
        let started = aggregator(self.namesrv, self.topic, name, ledger).await;
        started.map(Running::Push).map_err(|e| e.to_string())
    }

    /// Group B.
    pub async fn late_ones(&self, ledger: Arc<Ledger>) -> Result<Running, String> {
        match self.hand("node") {
            Some(hand) => self.member(hand, "B", "late", ledger),
            None => late_ones(self.namesrv, self.topic, ledger).await.map(Running::Push).map_err(|e| e.to_string()),
        }
    }

    /// Group C.
    pub async fn puller(&self, ledger: Arc<Ledger>) -> Result<Running, String> {
        match self.hand("c") {
            Some(hand) => self.member(hand, "C", "pull", ledger),
            None => Puller::start(self.namesrv, self.topic, ledger).await.map(Running::Pull).map_err(|e| e.to_string()),
        }
    }
}

/// A member of a group, in whatever language.
pub enum Running {
    Push(PushConsumer),
    Pull(Puller),
    Hand(Box<Member>),
}

impl Running {
    /// Leaves the group.
    pub async fn stop(self) -> Result<(), String> {
        match self {
            Self::Push(consumer) => {
                consumer.shutdown().await;
                Ok(())
            }
            Self::Pull(puller) => puller.stop().await,
            Self::Hand(member) => member.stop().await,
        }
    }
}

/// A member of group A: every aircraft's flights in order.
async fn aggregator(namesrv: &str, topic: &str, name: &str, ledger: Arc<Ledger>) -> Result<PushConsumer, Error> {
    let name = name.to_string();
    PushConsumer::builder(format!("{topic}-A"))
        .namesrv(namesrv)
        .instance_name(format!("{topic}-{}", name.replace(' ', "-")))
        .consume_from(ConsumeFrom::First)
        .subscribe(topic, "*")
        .orderly(move |messages, _context| {
            messages.iter().for_each(|m| ledger.enter(&name, m.into(), None));
            ConsumeOrderlyStatus::Success
        })
        .start()
        .await
}

/// Group B: only the late ones.
async fn late_ones(namesrv: &str, topic: &str, ledger: Arc<Ledger>) -> Result<PushConsumer, Error> {
    PushConsumer::builder(format!("{topic}-B"))
        .namesrv(namesrv)
        .consume_from(ConsumeFrom::First)
        .subscribe(topic, "late")
        .concurrent(move |messages, _context| {
            messages.iter().for_each(|m| ledger.enter("B1 rust", m.into(), Some("late")));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
}

/// Group C: pulls everything, until told to stop.
pub struct Puller {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<(), Error>>,
}

impl Puller {
    /// Starts pulling.
    async fn start(namesrv: &str, topic: &str, ledger: Arc<Ledger>) -> Result<Puller, Error> {
        let consumer = LitePullConsumer::builder(format!("{topic}-C"))
            .namesrv(namesrv)
            .consume_from(ConsumeFrom::First)
            .start()
            .await?;
        consumer.subscribe(topic, "*").await?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let task = tokio::spawn(async move {
            while !told.load(Ordering::Relaxed) {
                for message in consumer.poll(Duration::from_millis(100)).await? {
                    ledger.enter("C1 rust", (&message).into(), None);
                }
            }
            consumer.commit().await?;
            consumer.shutdown().await;
            Ok(())
        });
        Ok(Puller { stop, task })
    }

    /// Stops and commits.
    async fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}
