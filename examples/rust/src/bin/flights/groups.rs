//! The three consumer groups of a round.
use crate::ledger::Ledger;
use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, Error, LitePullConsumer, PushConsumer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A member of group A: every aircraft's flights in order.
pub async fn aggregator(namesrv: &str, topic: &str, name: &str, ledger: Arc<Ledger>) -> Result<PushConsumer, Error> {
    let name = name.to_string();
    PushConsumer::builder(format!("{topic}-A"))
        .namesrv(namesrv)
        .instance_name(format!("{topic}-{name}"))
        .consume_from(ConsumeFrom::First)
        .subscribe(topic, "*")
        .orderly(move |messages, _context| {
            messages.iter().for_each(|m| ledger.enter(&name, m, None));
            ConsumeOrderlyStatus::Success
        })
        .start()
        .await
}

/// Group B: only the late ones.
pub async fn late_ones(namesrv: &str, topic: &str, ledger: Arc<Ledger>) -> Result<PushConsumer, Error> {
    PushConsumer::builder(format!("{topic}-B"))
        .namesrv(namesrv)
        .consume_from(ConsumeFrom::First)
        .subscribe(topic, "late")
        .concurrent(move |messages, _context| {
            messages.iter().for_each(|m| ledger.enter("B1", m, Some("late")));
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
    pub async fn start(namesrv: &str, topic: &str, ledger: Arc<Ledger>) -> Result<Puller, Error> {
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
                    ledger.enter("C1", &message, None);
                }
            }
            consumer.commit().await?;
            consumer.shutdown().await;
            Ok(())
        });
        Ok(Puller { stop, task })
    }

    /// Stops and commits.
    pub async fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}
