//! Polls for messages and commits when they are processed: the loop belongs to the application.
//!
//!   lite_pull_consumer NAMESRV TOPIC COUNT
use ferromq::{ConsumeFrom, LitePullConsumer};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let namesrv = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "Examples".into());
    let count: usize = args.next().map_or(Ok(7), |n| n.parse())?;

    let consumer = LitePullConsumer::builder("example-pull")
        .namesrv(&namesrv)
        .consume_from(ConsumeFrom::First)
        .auto_commit(false)
        .start()
        .await?;
    consumer.subscribe(&topic, "*").await?;
    let mut received = 0;
    while received < count {
        for message in consumer.poll(Duration::from_secs(1)).await? {
            println!("queue {} offset {}: {} bytes", message.queue_id(), message.queue_offset(), message.body().len());
            received += 1;
        }
        consumer.commit().await?;
    }
    consumer.shutdown().await;
    println!("{received} messages received");
    Ok(())
}
