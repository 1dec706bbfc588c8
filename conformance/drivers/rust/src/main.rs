//! The Rust driver; `../README.md` says what every driver does.
use clap::{Args, Parser, Subcommand};
use ferromq::{
    Codec, ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, LitePullConsumer, Message, MessageExt,
    Outcome, Producer, PushConsumer, PushConsumerBuilder,
};
use serde_json::json;
use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// The ways to consume that `--api` chooses from; the first is the default.
const APIS: [&str; 4] = ["listener", "async", "taken", "lite"];

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    Send(Send),
    Consume(Consume),
}

#[derive(Args)]
struct Send {
    #[arg(long)]
    namesrv: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    from: u32,
    #[arg(long)]
    to: u32,
    #[arg(long)]
    sharded: bool,
    #[arg(long)]
    many: bool,
    #[arg(long, default_value = "json")]
    codec: String,
}

#[derive(Args)]
struct Consume {
    #[arg(long, default_value = "")]
    namesrv: String,
    #[arg(long, default_value = "")]
    topic: String,
    #[arg(long, default_value = "")]
    group: String,
    #[arg(long, default_value_t = 0)]
    count: usize,
    #[arg(long)]
    orderly: bool,
    #[arg(long)]
    fail_tens: bool,
    #[arg(long, default_value = APIS[0])]
    api: String,
    #[arg(long, default_value = "json")]
    codec: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match Cli::parse().scenario {
        Scenario::Send(send) => run_send(&send).await,
        Scenario::Consume(consume) if consume.api == "?" => {
            println!("{}", json!(APIS));
            Ok(())
        }
        Scenario::Consume(consume) => run_consume(consume).await,
    }
}

fn codec(name: &str) -> Codec {
    if name == "binary" {
        Codec::Binary
    } else {
        Codec::Json
    }
}

fn text(i: u32) -> String {
    format!("Grüße, 世界 🦀 {i}")
}

fn message(topic: &str, i: u32) -> Result<Message, ferromq::Error> {
    let mut body = i.to_be_bytes().to_vec();
    body.extend(0..=255u8);
    body.extend(text(i).as_bytes());
    let message = Message::new(topic, body).with_key(format!("key-{i}"));
    let message = message.with_tag(if i.is_multiple_of(2) { "even" } else { "odd" });
    message.with_property("text", text(i))?.with_property("i", i.to_string())
}

async fn run_send(args: &Send) -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder("driver-rust").namesrv(&args.namesrv).header_codec(codec(&args.codec));
    let producer = producer.start().await?;
    let mut sends = Vec::new();
    for i in args.from..args.to {
        let (producer, message, sharded) = (producer.clone(), message(&args.topic, i)?, args.sharded);
        let send = tokio::spawn(async move {
            match sharded {
                true => producer.send_sharded(message, &(i % 7).to_string()).await,
                false => producer.send(message).await,
            }
        });
        sends.push((i, send));
        if !args.many {
            print_sent(sends.drain(..)).await?;
        }
    }
    print_sent(sends.drain(..)).await?;
    producer.shutdown().await;
    Ok(())
}

type Sending = tokio::task::JoinHandle<Result<ferromq::SendResult, ferromq::Error>>;

async fn print_sent(sends: impl Iterator<Item = (u32, Sending)>) -> Result<(), Box<dyn Error>> {
    for (i, send) in sends {
        let sent = send.await??;
        let line = json!({"i": i, "message_id": sent.message_id, "queue_id": sent.queue.queue_id, "queue_offset": sent.queue_offset});
        println!("{line}");
    }
    Ok(())
}

/// What was consumed.
struct Books {
    fail_tens: bool,
    wanted: usize,
    state: Mutex<(HashSet<u32>, HashSet<u32>)>,
    complete: Notify,
}

impl Books {
    /// Notes one listener call; false when the message is to come again.
    fn note(&self, message: &MessageExt) -> bool {
        let body = message.body();
        let i = body.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (consumed, failed) = &mut *state;
        let ok = !(self.fail_tens && i.is_multiple_of(10) && failed.insert(i));
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = json!({
            "i": i, "ok": ok, "body": hex, "key": message.keys(), "tag": message.tag(), "text": message.property("text"),
            "queue_id": message.queue_id(), "queue_offset": message.queue_offset(),
            "reconsume_times": message.reconsume_times(),
        });
        println!("{line}");
        if ok {
            consumed.insert(i);
        }
        if consumed.len() >= self.wanted {
            self.complete.notify_one();
        }
        ok
    }
}

async fn run_consume(args: Consume) -> Result<(), Box<dyn Error>> {
    let books = Arc::new(Books {
        fail_tens: args.fail_tens,
        wanted: args.count,
        state: Mutex::default(),
        complete: Notify::new(),
    });
    if args.api == "lite" {
        return consume_lite(&args, &books).await;
    }
    let builder = PushConsumer::builder(&args.group)
        .namesrv(&args.namesrv)
        .header_codec(codec(&args.codec))
        .consume_from(ConsumeFrom::First)
        .subscribe(&args.topic, "*");
    match args.api.as_str() {
        "listener" | "async" => {
            let consumer = listening(builder, &args, books.clone()).start().await?;
            books.complete.notified().await;
            consumer.shutdown().await;
        }
        "taken" => consume_taken(builder, args.orderly, &books).await?,
        other => return Err(format!("unknown api {other}").into()),
    }
    Ok(())
}

fn listening(builder: PushConsumerBuilder, args: &Consume, books: Arc<Books>) -> PushConsumerBuilder {
    let unordered = |ok| match ok {
        true => ConsumeConcurrentlyStatus::Success,
        false => ConsumeConcurrentlyStatus::ReconsumeLater,
    };
    let ordered = |ok| match ok {
        true => ConsumeOrderlyStatus::Success,
        false => ConsumeOrderlyStatus::SuspendCurrentQueueAMoment,
    };
    match (args.api == "async", args.orderly) {
        (false, false) => builder.concurrent(move |messages, _| unordered(messages.iter().all(|m| books.note(m)))),
        (false, true) => builder.orderly(move |messages, _| ordered(messages.iter().all(|m| books.note(m)))),
        (true, false) => builder.concurrent_async(move |messages, _| {
            let ok = messages.iter().all(|m| books.note(m));
            async move { unordered(ok) }
        }),
        (true, true) => builder.orderly_async(move |messages, _| {
            let ok = messages.iter().all(|m| books.note(m));
            async move { ordered(ok) }
        }),
    }
}

async fn consume_taken(builder: PushConsumerBuilder, orderly: bool, books: &Books) -> Result<(), Box<dyn Error>> {
    let ready = Arc::new(Notify::new());
    let woken = ready.clone();
    let on_ready = move || woken.notify_one();
    let builder = if orderly { builder.taken_orderly(on_ready) } else { builder.taken(on_ready) };
    let consumer = builder.start().await?;
    let complete = books.complete.notified();
    tokio::pin!(complete);
    loop {
        let (taken, more) = consumer.take(16);
        let mut failed = false;
        let settled = taken.into_iter().map(|delivery| {
            // In order, what is behind a failed message comes again with it.
            failed = (failed && orderly) || !books.note(delivery.message());
            (delivery, if failed { Outcome::Retry { delay_level: 0 } } else { Outcome::Consumed })
        });
        consumer.settle(settled.collect());
        if more {
            continue;
        }
        tokio::select! {
            biased;
            () = &mut complete => break,
            () = ready.notified() => {}
        }
    }
    consumer.shutdown().await;
    Ok(())
}

/// A lite pull consumer has no listener: nothing fails.
async fn consume_lite(args: &Consume, books: &Books) -> Result<(), Box<dyn Error>> {
    let consumer = LitePullConsumer::builder(&args.group)
        .namesrv(&args.namesrv)
        .header_codec(codec(&args.codec))
        .consume_from(ConsumeFrom::First)
        .start()
        .await?;
    consumer.subscribe(&args.topic, "*").await?;
    let complete = books.complete.notified();
    tokio::pin!(complete);
    loop {
        tokio::select! {
            biased;
            () = &mut complete => break,
            polled = consumer.poll(Duration::from_secs(1)) => {
                for message in polled? {
                    books.note(&message);
                }
            }
        }
    }
    consumer.commit().await?;
    consumer.shutdown().await;
    Ok(())
}
