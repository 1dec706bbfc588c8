//! Sends a few messages: one at a time, by sharding key, as a batch.
//!
//!   producer NAMESRV TOPIC
use ferromq::{Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let namesrv = args.next().unwrap_or_else(|| "127.0.0.1:9876".into());
    let topic = args.next().unwrap_or_else(|| "Examples".into());

    let producer = Producer::builder("example-producer").namesrv(&namesrv).start().await?;
    let sent = producer.send(Message::new(&topic, "one coffee").with_tag("new").with_key("order-1")).await?;
    println!(
        "{} is {} at offset {} of queue {}",
        sent.message_id,
        sent.status.name(),
        sent.queue_offset,
        sent.queue.queue_id
    );
    for step in ["created", "paid", "served"] {
        // One customer's steps stay in order: the same key always goes to the same queue.
        producer.send_sharded(Message::new(&topic, step).with_tag("step"), "customer-7").await?;
    }
    let batch = (1..=3).map(|n| Message::new(&topic, format!("cake {n}")).with_tag("new")).collect();
    producer.send_batch(batch).await?;
    producer.shutdown().await;
    println!("7 messages sent");
    Ok(())
}
