//! Receives the messages with tag `new` in a consumer group, several at a time.
//!
//!   push_consumer NAMESRV TOPIC COUNT      ends after COUNT messages
use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, PushConsumer};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let namesrv = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "Examples".into());
    let count: usize = args.next().map_or(Ok(4), |n| n.parse())?;

    let (taken, mut count_taken) = mpsc::unbounded_channel();
    let consumer = PushConsumer::builder("example-push")
        .namesrv(&namesrv)
        .consume_from(ConsumeFrom::First)
        .subscribe(&topic, "new")
        .concurrent(move |messages, _context| {
            for message in messages {
                println!("{} {:?}", message.message_id(), String::from_utf8_lossy(message.body()));
                let _ = taken.send(());
            }
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await?;
    for _ in 0..count {
        count_taken.recv().await;
    }
    consumer.shutdown().await;
    println!("{count} messages received");
    Ok(())
}
