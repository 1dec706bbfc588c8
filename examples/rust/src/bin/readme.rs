//! The first screen of README.md, word for word: a test compares the two, so that the text there always compiles.
//!
//! It talks to the addresses that `ferromq standalone` has by default.
use ferromq::{ConsumeConcurrentlyStatus, Message, Producer, PushConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // README begins here.
    let producer = Producer::builder("orders-producer").namesrv("127.0.0.1:9876").start().await?;
    let sent = producer.send(Message::new("orders", "one coffee").with_tag("new").with_key("order-17")).await?;
    println!("{} at {:?} offset {}", sent.message_id, sent.queue, sent.queue_offset);

    let consumer = PushConsumer::builder("orders-billing")
        .namesrv("127.0.0.1:9876")
        .subscribe("orders", "new || paid")
        .concurrent(|messages, _context| {
            for message in messages {
                println!("{}: {} bytes", message.message_id(), message.body().len());
            }
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await?;
    // README ends here.
    consumer.shutdown().await;
    producer.shutdown().await;
    Ok(())
}
