//! Retries, budgets and errors of a producer, against scripted servers.
mod support;

use ferromq::{Error, ErrorKind, SendStatus};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::SendMessage;
use ferromq_protocol::{Codec, Header};
use std::time::{Duration, Instant};
use support::*;

/// A refusal that may pass elsewhere is retried on the other broker, with the same unique id.
#[tokio::test]
async fn a_busy_broker_is_left_for_another() {
    let busy = Fake::start(|r| match r.code {
        request::SEND_MESSAGE_V2 => Reply::Answer(error(r, response::SYSTEM_BUSY, "busy")),
        _ => Reply::Answer(ok(r)),
    })
    .await;
    let good = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &busy.addr(), 2), ("b", &good.addr(), 2)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    for _ in 0..4 {
        let result = producer.send(message("T")).await.unwrap();
        assert_eq!((result.status, result.queue.broker_name.as_str()), (SendStatus::SendOk, "b"));
    }
    let refused = busy.seen(request::SEND_MESSAGE_V2);
    assert!(!refused.is_empty());
    let id = |c: &ferromq_protocol::Command| {
        let header = SendMessage::decode_named(&c.ext, Naming::Short).unwrap();
        ferromq_protocol::properties::get(header.properties.unwrap(), "UNIQ_KEY").unwrap().to_owned()
    };
    let taken: Vec<_> = good.seen(request::SEND_MESSAGE_V2).iter().map(id).collect();
    assert!(refused.iter().all(|c| taken.contains(&id(c))));
    producer.shutdown().await;
}

/// A code that no other broker would judge differently comes back at once, with broker, code and remark.
#[tokio::test]
async fn an_illegal_message_is_not_retried() {
    let broker = Fake::start(|r| match r.code {
        request::SEND_MESSAGE_V2 => Reply::Answer(error(r, response::MESSAGE_ILLEGAL, "the message is illegal")),
        _ => Reply::Answer(ok(r)),
    })
    .await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    let error = producer.send(message("T")).await.unwrap_err();
    assert_eq!((error.code(), error.name(), error.kind()), (13, "MESSAGE_ILLEGAL", ErrorKind::Broker));
    assert_eq!((error.address(), error.remark()), (Some(&*broker.addr()), Some("the message is illegal")));
    assert!(!error.retriable());
    assert_eq!(broker.seen(request::SEND_MESSAGE_V2).len(), 1);
}

/// No permission: tried as often as configured, then the error lists the attempts and keeps code and remark.
#[tokio::test]
async fn no_permission_names_broker_and_attempts() {
    let broker = Fake::start(|r| match r.code {
        request::SEND_MESSAGE_V2 => Reply::Answer(error(r, response::NO_PERMISSION, "not allowed")),
        _ => Reply::Answer(ok(r)),
    })
    .await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).retries(2).start().await.unwrap();
    let error = producer.send(message("T")).await.unwrap_err();
    assert_eq!((error.code(), error.remark()), (response::NO_PERMISSION, Some("not allowed")));
    let Error::SendFailed { made, attempts, maybe_sent, .. } = &error else { panic!("{error}") };
    assert_eq!((*made, attempts.len(), *maybe_sent), (3, 3, false));
    assert_eq!(broker.seen(request::SEND_MESSAGE_V2).len(), 3);
}

/// A broker that never answers leaves half of the budget to another one, and all attempts share one budget.
#[tokio::test]
async fn a_silent_broker_leaves_time_for_another() {
    let silent =
        Fake::start(|r| if r.code == request::SEND_MESSAGE_V2 { Reply::Silence } else { Reply::Answer(ok(r)) }).await;
    let good = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &silent.addr(), 1), ("b", &good.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).send_timeout(Duration::from_millis(600)).start().await.unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(producer.send(message("T")).await.unwrap().queue.broker_name, "b");
        assert!(begun.elapsed() < Duration::from_millis(600));
    }
    assert!(!silent.seen(request::SEND_MESSAGE_V2).is_empty());

    book.set("U", &[("a", &silent.addr(), 1)]);
    let begun = Instant::now();
    let error = producer.send(message("U")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Timeout, 10002));
    assert!(error.to_string().contains(&silent.addr()) && !error.not_sent(), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1200), "{:?}", begun.elapsed());
}

/// A status other than SEND_OK is a result; with the option another broker is tried, and the first result is kept.
#[tokio::test]
async fn not_stored_as_configured() {
    let slow = Fake::start(|r| stored_with(r, response::FLUSH_DISK_TIMEOUT)).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &slow.addr(), 1)]);
    let names = book.serve().await;
    let plain = producer(&names.addr()).start().await.unwrap();
    assert_eq!(plain.send(message("T")).await.unwrap().status, SendStatus::FlushDiskTimeout);
    assert_eq!(slow.seen(request::SEND_MESSAGE_V2).len(), 1);
    let strict = producer(&names.addr()).retry_not_store_ok(true).retries(1).start().await.unwrap();
    assert_eq!(strict.send(message("T")).await.unwrap().status, SendStatus::FlushDiskTimeout);
    assert_eq!(slow.seen(request::SEND_MESSAGE_V2).len(), 3);
    let good = Fake::start(stored).await;
    book.set("U", &[("a", &slow.addr(), 1), ("b", &good.addr(), 1)]);
    for _ in 0..2 {
        assert_eq!(strict.send(message("U")).await.unwrap().status, SendStatus::SendOk);
    }
}

/// A topic that nobody knows gets the template's brokers and at most the default number of queues.
#[tokio::test]
async fn unknown_topics_use_the_template() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("TBW102", &[("a", &broker.addr(), 8)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).default_topic_queues(3).start().await.unwrap();
    let mut queues: Vec<i32> = Vec::new();
    for _ in 0..6 {
        queues.push(producer.send(message("New")).await.unwrap().queue.queue_id);
    }
    queues.sort_unstable();
    assert_eq!(queues, [0, 0, 1, 1, 2, 2]);
    let sent = broker.seen(request::SEND_MESSAGE_V2);
    let header = SendMessage::decode_named(&sent[0].ext, Naming::Short).unwrap();
    assert_eq!((header.topic, header.default_topic, header.default_topic_queue_nums), ("New", "TBW102", 3));
}

/// Missing topic, dead name server, wrong address and missing configuration are told apart, within the budget.
#[tokio::test]
async fn missing_routes_say_why() {
    let names = RouteBook::default().serve().await;
    let budget = Duration::from_millis(500);
    let begun = Instant::now();
    let missing = producer(&names.addr()).send_timeout(budget).start().await.unwrap();
    let error = missing.send(message("T")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NoRoute, 10005));
    assert!(
        error.to_string().contains("topic T: it does not exist") && error.to_string().contains(&names.addr()),
        "{error}"
    );

    let (first, second) = (nobody().await, nobody().await);
    let dead = producer(&format!("{first};{second}")).send_timeout(budget).start().await.unwrap();
    let error = dead.send(message("T")).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.retriable()), (ErrorKind::NoNameServer, 10004, true));
    assert!(error.to_string().contains(&first) && error.to_string().contains(&second), "{error}");

    let unset = producer("").send_timeout(budget).start().await.unwrap();
    let error = unset.send(message("T")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NoNameServer && error.to_string().contains("none is configured"), "{error}");
    assert!(begun.elapsed() < 3 * budget, "{:?}", begun.elapsed());

    let wrong = producer("no-port").start().await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.retriable()), (ErrorKind::Config, false));
}

/// One dead name server among several does not fail anything.
#[tokio::test]
async fn the_next_name_server_is_asked() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    for _ in 0..4 {
        let list = format!("{};{};{}", nobody().await, names.addr(), nobody().await);
        let producer = producer(&list).start().await.unwrap();
        producer.send(message("T")).await.unwrap();
    }
}

/// A broker that is gone: the error names it and comes within the budget; nothing was sent, so that is said too.
#[tokio::test]
async fn a_broker_that_is_gone_is_named() {
    let gone = nobody().await;
    let book = RouteBook::default();
    book.set("T", &[("a", &gone, 1)]);
    let names = book.serve().await;
    let budget = Duration::from_millis(400);
    let producer = producer(&names.addr()).send_timeout(budget).start().await.unwrap();
    let begun = Instant::now();
    let error = producer.send(message("T")).await.unwrap_err();
    assert!(begun.elapsed() < budget + Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!((error.kind(), error.code()), (ErrorKind::Connect, 10001));
    assert!(error.address() == Some(&*gone) && error.retriable() && error.not_sent(), "{error}");
    let queue = producer.publish_queues("T").await.unwrap().remove(0);
    let error = producer.send_to(message("T"), &queue).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

/// A send that begins while the broker is being restarted waits for it within its budget.
#[tokio::test]
async fn a_restart_within_the_budget_goes_unnoticed() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    producer.send(message("T")).await.unwrap();
    names.stop().await;
    let addr = broker.stop().await;
    let sender = producer.clone();
    let send = tokio::spawn(async move { sender.send(message("T")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let broker = Fake::start_at(&addr, stored).await;
    send.await.unwrap().unwrap();
    assert_eq!(broker.seen(request::SEND_MESSAGE_V2).len(), 1);
    eventually("the producer introduces itself to the new broker", || async {
        !broker.seen(request::HEART_BEAT).is_empty()
    })
    .await;
}

/// Sends beyond the limit wait for a place; waiting too long is an error that names the limit.
#[tokio::test]
async fn sends_wait_for_a_place() {
    let silent =
        Fake::start(|r| if r.code == request::SEND_MESSAGE_V2 { Reply::Silence } else { Reply::Answer(ok(r)) }).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &silent.addr(), 1)]);
    let names = book.serve().await;
    let budget = Duration::from_millis(300);
    let producer = producer(&names.addr()).in_flight_max(1).send_timeout(budget).start().await.unwrap();
    let (first, second) = tokio::join!(producer.send(message("T")), producer.send_within(message("T"), budget / 3));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    let second = second.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::TooManyRequests);
    assert!(second.to_string().contains("in_flight_max"), "{second}");
    assert_eq!(silent.seen(request::SEND_MESSAGE_V2).len(), 1);
}

/// Shutdown waits for what is under way, unregisters the group, and refuses what comes later.
#[tokio::test]
async fn shutdown_is_orderly() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    let sends: Vec<_> = (0..50)
        .map(|_| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(message("T")).await })
        })
        .collect();
    eventually("a send arrives", || async { !broker.seen(request::SEND_MESSAGE_V2).is_empty() }).await;
    producer.shutdown().await;
    for send in sends {
        match send.await.unwrap() {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::State, "{error}"),
        }
    }
    assert_eq!(broker.seen(request::UNREGISTER_CLIENT).len(), 1);
    assert_eq!(producer.send(message("T")).await.unwrap_err().kind(), ErrorKind::State);
    producer.shutdown().await;
}

/// A selector that points outside the queues, a wrong queue, and bad messages are refused without network use.
#[tokio::test]
async fn bad_arguments_are_refused() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 2)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).max_message_size(10).start().await.unwrap();
    let chosen = producer.send_selected(message("T"), |queues, _| queues.len()).await.unwrap_err();
    assert!(chosen.to_string().contains("queue 2 of 2 of topic T"), "{chosen}");
    let queue = producer.publish_queues("T").await.unwrap().remove(0);
    assert_eq!(producer.send_to(message("U"), &queue).await.unwrap_err().kind(), ErrorKind::Validation);
    let large = producer.send(ferromq::Message::new("T", vec![0; 11])).await.unwrap_err();
    assert_eq!(large.code(), 13);
    assert!(large.to_string().contains("11 bytes, the limit is 10 bytes"), "{large}");
    assert!(broker.seen(request::SEND_MESSAGE_V2).is_empty());
}

/// With the binary option every header travels in the binary codec.
#[tokio::test]
async fn binary_headers() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).header_codec(Codec::Binary).start().await.unwrap();
    producer.send(message("T")).await.unwrap();
    assert_eq!(broker.seen(request::SEND_MESSAGE_V2)[0].codec, Codec::Binary);
    assert_eq!(names.seen(request::GET_ROUTEINFO_BY_TOPIC)[0].codec, Codec::Binary);
}

/// Many tasks that need the same unknown route ask once.
#[tokio::test]
async fn one_question_for_all() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 4)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    let sends: Vec<_> = (0..100)
        .map(|_| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(message("T")).await.unwrap() })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    assert_eq!(names.seen(request::GET_ROUTEINFO_BY_TOPIC).len(), 1);
}

/// A connection on which nothing is answered any more is made anew.
#[tokio::test]
async fn a_dead_connection_is_replaced() {
    let silent = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let quiet = silent.clone();
    let broker = Fake::start(move |r| match quiet.load(std::sync::atomic::Ordering::Relaxed) {
        true => Reply::Silence,
        false => stored(r),
    })
    .await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let limits = ferromq_remoting::Limits { silence: Duration::from_millis(150), ..Default::default() };
    let options = ferromq::ClientOptions { limits, namesrv: Some(names.addr()), ..Default::default() };
    let producer = producer("").client_options(options).start().await.unwrap();
    producer.send(message("T")).await.unwrap();
    assert_eq!(broker.connections().len(), 1);
    silent.store(true, std::sync::atomic::Ordering::Relaxed);
    let sends = (0..3).map(|_| producer.send_within(message("T"), Duration::from_millis(100)));
    for send in sends {
        assert_eq!(send.await.unwrap_err().kind(), ErrorKind::Timeout);
    }
    silent.store(false, std::sync::atomic::Ordering::Relaxed);
    producer.send(message("T")).await.unwrap();
    assert_eq!(broker.connections().len(), 2);
    assert!(!broker.connections()[0].is_open());
}
