//! Receives every queue's messages in order: one listener call at a time per queue.
//!
//!   orderly_consumer NAMESRV TOPIC COUNT
use ferromq::{ConsumeFrom, ConsumeOrderlyStatus, PushConsumer};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let namesrv = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "Examples".into());
    let count: usize = args.next().map_or(Ok(3), |n| n.parse())?;

    let (taken, mut count_taken) = mpsc::unbounded_channel();
    let consumer = PushConsumer::builder("example-orderly")
        .namesrv(&namesrv)
        .consume_from(ConsumeFrom::First)
        .subscribe(&topic, "step")
        .orderly(move |messages, _context| {
            for message in messages {
                println!("queue {}: {}", message.queue_id(), String::from_utf8_lossy(message.body()));
                let _ = taken.send(());
            }
            ConsumeOrderlyStatus::Success
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
