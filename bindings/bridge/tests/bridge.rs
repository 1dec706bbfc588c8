//! The bridge as a binding uses it, against a real broker: tokens, slots, flushes, taking, settling, closing.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use ferromq_bridge::options::{Dialect, LiteConfig, ProducerConfig, PushConfig};
use ferromq_bridge::{
    Class, Event, Failure, Feed, How, LiteCall, LitePullConsumer, Message, Outcome, Producer, PushConsumer, ReplyTo,
    Slot, Value, WakeUp,
};
use ferromq_testing::Cluster;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the cluster on a runtime of its own, as a language has none.
struct Broker {
    runtime: tokio::runtime::Runtime,
    cluster: Option<Cluster>,
    namesrv: String,
}

impl Broker {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let cluster = runtime.block_on(async {
            let cluster = Cluster::start().await.unwrap();
            cluster.create_topic("T", 4).await.unwrap();
            cluster
        });
        let namesrv = cluster.namesrv_addr().to_string();
        Self { runtime, cluster: Some(cluster), namesrv }
    }

    fn producer(&self) -> Producer {
        let mut config = ProducerConfig::new("P", Dialect::C);
        config.client.namesrv = Some(self.namesrv.clone());
        Producer::new(config, WakeUp::Condition).unwrap()
    }

    fn consumer(&self, orderly: bool) -> PushConsumer {
        let mut config = PushConfig::new("G", Dialect::C);
        config.client.namesrv = Some(self.namesrv.clone());
        config.options.consume_from = ferromq::ConsumeFrom::First;
        PushConsumer::new(config, orderly, &[("T".into(), "*".into())], WakeUp::Condition).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            self.runtime.block_on(cluster.shutdown());
        }
    }
}

/// Makes a call and waits for its result.
fn done(call: impl FnOnce(ReplyTo) -> Result<(), Failure>) -> Result<Value, Failure> {
    let slot = Slot::default();
    call(ReplyTo::Slot(slot.clone()))?;
    match slot.wait(PATIENCE) {
        Some(Event::Done { result, .. }) => result,
        other => panic!("{other:?}"),
    }
}

fn next_event(queue: &ferromq_bridge::EventQueue<Event>) -> Event {
    let mut out = Vec::new();
    assert!(queue.wait(PATIENCE), "an event");
    queue.drain(1, &mut out);
    out.remove(0)
}

/// Single sends, many at once, one-way and enqueued ones all arrive; a flush says that nothing failed.
#[test]
fn every_way_of_sending_arrives() {
    let broker = Broker::start();
    let producer = broker.producer();
    done(|to| producer.start(to)).unwrap();
    producer.send(Message::new("T", "1"), How::Sharded("k".into()), ReplyTo::Token(7)).unwrap();
    let Event::Sent { token: 7, result: Ok(Some(first)) } = next_event(producer.events().unwrap()) else { panic!() };
    producer.send(Message::new("T", "2"), How::Queue(first.queue), ReplyTo::Token(8)).unwrap();
    assert!(matches!(next_event(producer.events().unwrap()), Event::Sent { token: 8, result: Ok(Some(_)) }));
    producer.send(Message::new("T", "3"), How::OneWay, ReplyTo::Token(9)).unwrap();
    assert!(matches!(next_event(producer.events().unwrap()), Event::Sent { token: 9, result: Ok(None) }));
    let many = (4..2004).map(|i| (Message::new("T", i.to_string()), How::Anywhere)).collect();
    producer.send_many(many, ReplyTo::Token(10)).unwrap();
    let Event::SentMany { token: 10, results } = next_event(producer.events().unwrap()) else { panic!() };
    assert!(results.len() == 2000 && results.iter().all(Result::is_ok));
    (2004..5000)
        .for_each(|i| producer.enqueue(Message::new("T", i.to_string()), How::Anywhere, ReplyTo::Nobody).unwrap());
    let Value::Flushed { failed: 0, first: None } = done(|to| producer.flush(to)).unwrap() else { panic!() };

    let consumer = broker.consumer(false);
    done(|to| consumer.start(to)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4999 {
        let taken = consumer.take_wait(64, PATIENCE).unwrap();
        assert!(!taken.is_empty());
        seen.extend(taken.iter().map(|taken| taken.message().body().clone()));
        consumer.settle(taken.into_iter().map(|taken| (taken, Outcome::Consumed)).collect()).unwrap();
    }
    done(|to| consumer.close(to)).unwrap();
    assert_eq!(consumer.take(1).unwrap_err().class, Class::Closed);
    done(|to| producer.close(PATIENCE, to)).unwrap();
    let refused = producer.send(Message::new("T", "x"), How::Anywhere, ReplyTo::Nobody).unwrap_err();
    assert_eq!((refused.class, refused.retriable), (Class::Closed, false));
}

/// Failures come with class, code and text, whichever way the message was given; a flush reports them once.
#[test]
fn failures_are_told() {
    let mut config = ProducerConfig::new("P", Dialect::C);
    // Nobody listens on port 1.
    config.client.namesrv = Some("127.0.0.1:1".into());
    config.options.send_timeout = Duration::from_millis(300);
    let producer = Producer::new(config, WakeUp::Condition).unwrap();
    producer.send(Message::new("T", "1"), How::Anywhere, ReplyTo::Token(1)).unwrap();
    let Event::Sent { result: Err(failure), .. } = next_event(producer.events().unwrap()) else { panic!() };
    assert_eq!((failure.class, failure.code, failure.retriable), (Class::NoNameServer, 10004, true));
    assert!(failure.message.contains("127.0.0.1:1"), "{failure}");
    producer.enqueue(Message::new("T", ""), How::Anywhere, ReplyTo::Nobody).unwrap();
    let Value::Flushed { failed: 1, first: Some(first) } = done(|to| producer.flush(to)).unwrap() else { panic!() };
    assert_eq!(first.class, Class::Validation);
    assert!(matches!(done(|to| producer.flush(to)).unwrap(), Value::Flushed { failed: 0, first: None }));
    let mut wrong = ProducerConfig::new("P", Dialect::C);
    wrong.client.namesrv = Some("nowhere".into());
    assert_eq!(Producer::new(wrong, WakeUp::Condition).map(drop).unwrap_err().class, Class::Config);
}

/// Enqueuing is refused at the limit and works again after; what waits when time is up at a close fails with its reason.
#[test]
fn the_queue_is_bounded() {
    let mut config = ProducerConfig::new("P", Dialect::C);
    config.client.namesrv = Some("127.0.0.1:1".into());
    config.options.in_flight_max = 1;
    config.queue_count_max = 10;
    let producer = Producer::new(config, WakeUp::Condition).unwrap();
    let mut accepted = 0;
    let full = loop {
        match producer.enqueue(Message::new("T", "x"), How::Anywhere, ReplyTo::Nobody) {
            Ok(()) => accepted += 1,
            Err(failure) => break failure,
        }
    };
    assert!(accepted >= 10);
    assert_eq!((full.class, full.retriable), (Class::QueueFull, true));
    assert!(producer.room().unwrap().0 <= 10);
    producer.send(Message::new("T", "x"), How::Anywhere, ReplyTo::Token(1)).unwrap();
    done(|to| producer.close(Duration::ZERO, to)).unwrap();
    assert!(matches!(next_event(producer.events().unwrap()), Event::Sent { token: 1, result: Err(_) }));
}

/// A consumer that could not join says so however often it is started, and closes.
#[test]
fn a_failed_start_stays_failed() {
    let mut config = PushConfig::new("G", Dialect::C);
    // Nobody listens on port 1.
    config.client.namesrv = Some("127.0.0.1:1".into());
    let consumer = PushConsumer::new(config, false, &[("T".into(), "*".into())], WakeUp::Condition).unwrap();
    for _ in 0..2 {
        assert_eq!(done(|to| consumer.start(to)).unwrap_err().class, Class::NoNameServer);
    }
    done(|to| consumer.close(to)).unwrap();
}

/// The lite pull consumer: assign, poll, seek, commit.
#[test]
fn lite_pull() {
    let broker = Broker::start();
    let producer = broker.producer();
    let many = (0..100).map(|i| (Message::new("T", i.to_string()), How::Anywhere)).collect();
    producer.send_many(many, ReplyTo::Token(1)).unwrap();
    next_event(producer.events().unwrap());
    let mut config = LiteConfig::new("L", Dialect::C);
    config.client.namesrv = Some(broker.namesrv.clone());
    config.options.consume_from = ferromq::ConsumeFrom::First;
    let consumer = LitePullConsumer::new(config, WakeUp::Condition).unwrap();
    let ask = |call: LiteCall| done(|to| consumer.call(call, to)).unwrap();
    let Value::Queues(queues) = ask(LiteCall::Queues("T".into())) else { panic!() };
    ask(LiteCall::Assign(queues.clone(), "*".into()));
    for _ in 0..2 {
        let mut count = 0;
        while count < 100 {
            let Value::Messages(messages) = ask(LiteCall::Poll(PATIENCE)) else { panic!() };
            assert!(!messages.is_empty());
            count += messages.len();
        }
        ask(LiteCall::Commit);
        let Value::Offset(Some(committed)) = ask(LiteCall::Committed(queues[0].clone())) else { panic!() };
        assert!(committed > 0);
        queues.iter().for_each(|queue| drop(ask(LiteCall::SeekToBegin(queue.clone()))));
    }
    // A poll that is given up answers at once, and hands nothing out that nobody gets.
    queues.iter().for_each(|queue| drop(ask(LiteCall::SeekToEnd(queue.clone()))));
    let slot = Slot::default();
    consumer.call(LiteCall::Poll(PATIENCE * 100), ReplyTo::Slot(slot.clone())).unwrap();
    consumer.interrupt().unwrap();
    let Some(Event::Done { result: Ok(Value::Messages(none)), .. }) = slot.wait(PATIENCE) else { panic!() };
    assert!(none.is_empty());
    done(|to| consumer.close(to)).unwrap();
    assert_eq!(consumer.call(LiteCall::Assignment, ReplyTo::Nobody).unwrap_err().class, Class::Closed);
}

/// Echo objects need no broker: sends are answered, made-up messages are taken by several threads until all are there.
#[test]
fn echo() {
    let producer = Producer::echo(ProducerConfig::new("P", Dialect::C), WakeUp::Condition).unwrap();
    (0..10_000).for_each(|_| producer.enqueue(Message::new("T", "x"), How::Anywhere, ReplyTo::Nobody).unwrap());
    assert!(matches!(done(|to| producer.flush(to)).unwrap(), Value::Flushed { failed: 0, .. }));
    let consumer = PushConsumer::echo(Feed::new(100_000, 100, 0), WakeUp::Condition).unwrap();
    let left = std::sync::atomic::AtomicIsize::new(100_000);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                use std::sync::atomic::Ordering;
                while left.load(Ordering::Relaxed) > 0 {
                    let taken = consumer.take_wait(64, Duration::from_millis(100)).unwrap();
                    left.fetch_sub(taken.len() as isize, Ordering::Relaxed);
                    consumer.settle(taken.into_iter().map(|taken| (taken, Outcome::Consumed)).collect()).unwrap();
                }
            });
        }
    });
    assert_eq!(left.into_inner(), 0);
}
