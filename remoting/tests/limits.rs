//! What happens at the limits, and with peers that do not keep to the protocol.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod common;

use bytes::Bytes;
use common::*;
use ferromq_protocol::Command;
use ferromq_remoting::{CallError, CloseReason, ConnectionError, Limits, OutFrame};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends bytes that are no frame and expects that this connection, and only this one, is closed.
async fn garbage(bytes: &[u8], limits: Limits) -> String {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(limits, handler.clone()).await;
    let client = client();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    let mut socket = TcpStream::connect(&addr).await.unwrap();
    socket.write_all(&frame_of(json(10, "before"), 1)).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    // Reset or closed: both are the end.
    let _ = socket.read_to_end(&mut rest).await;
    until("the close is told", || !handler.reasons().is_empty()).await;
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    match &handler.reasons()[..] {
        [CloseReason::Garbage(text)] => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_that_connection_only() {
    let limits = Limits::default;
    garbage(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", limits()).await;
    garbage(&(-1i32).to_be_bytes().repeat(4), limits()).await;
    garbage(&[0, 0, 0, 8, 0, 0, 0, 4, b'{', b'{', b'{', b'{', 0, 0, 0, 0], limits()).await;
    garbage(&[0, 0, 0, 8, 9, 0, 0, 4, b'{', b'}', b' ', b' ', 0, 0, 0, 0], limits()).await;
    garbage(&[0, 0, 0, 8, 0, 0, 0, 99, b'{', b'}', b' ', b' ', 0, 0, 0, 0], limits()).await;
}

#[tokio::test]
async fn a_frame_above_the_limit_closes_before_it_is_read() {
    let text = garbage(&[1, 0, 0, 0, 0, 0, 0, 4, b'{', b'}', b' ', b' '], Limits::default()).await;
    assert!(text.contains("16777216"), "{text}");
    let small = Limits { frame_bytes_max: 1000, ..Limits::default() };
    garbage(&frame_of(json(10, vec![0; 1000]), 2), small).await;
}

#[tokio::test]
async fn a_beginning_without_its_rest_stays_open_and_unanswered() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let mut socket = TcpStream::connect(&addr).await.unwrap();
    let frame = frame_of(json(10, "whole"), 3);
    for byte in &frame[..frame.len() - 1] {
        socket.write_all(&[*byte]).await.unwrap();
    }
    let other = client();
    other.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    assert_eq!(handler.requests.load(Ordering::SeqCst), 1);
    socket.write_all(&frame[frame.len() - 1..]).await.unwrap();
    until("the last byte completes it", || handler.requests.load(Ordering::SeqCst) == 2).await;
    assert!(handler.reasons().is_empty());
}

/// Answers every request with 100 kB.
fn answers_of_100_kb() -> Arc<Recorder> {
    let answer = Bytes::from(vec![1u8; 100_000]);
    Recorder::new(move |_, request, answers| {
        let mut command = Command::response_to(&request, 0, None);
        command.body = answer.clone();
        answers.push(OutFrame::from(&command));
    })
}

// A peer that asks and never reads: its requests are no longer read once enough answers wait.
#[tokio::test]
async fn a_slow_reader_is_not_read_from_and_goes_on_when_it_reads() {
    let limits = Limits { outgoing_bytes_pause: 100_000, batch_requests_max: 4, ..Limits::default() };
    let handler = answers_of_100_kb();
    let (_server, addr) = server(limits, handler.clone()).await;
    let mut socket = TcpStream::connect(&addr).await.unwrap();
    const REQUESTS: usize = 2000;
    let segment: Vec<u8> = (0..REQUESTS).flat_map(|i| frame_of(json(10, ""), i as i32)).collect();
    socket.write_all(&segment).await.unwrap();
    until("answers wait", || handler.connected.lock().unwrap().first().is_some_and(|c| c.bytes_waiting() > 100_000))
        .await;
    let waiting = handler.first().bytes_waiting();
    assert!(waiting < 1_000_000, "{waiting} bytes wait although reading should have stopped");
    assert!(handler.requests.load(Ordering::SeqCst) < REQUESTS);
    let (mut buffer, mut answers) = (bytes::BytesMut::new(), 0);
    while answers < REQUESTS {
        assert_ne!(socket.read_buf(&mut buffer).await.unwrap(), 0);
        while ferromq_protocol::frame::decode(&mut buffer, 1 << 24).unwrap().is_some() {
            answers += 1;
        }
    }
    assert!(handler.first().is_open());
}

#[tokio::test]
async fn a_peer_that_never_reads_is_closed_above_the_hard_limit() {
    let limits = Limits { outgoing_bytes_max: 1_000_000, ..Limits::default() };
    let handler = Recorder::new(echo);
    let (_server, addr) = server(limits, handler.clone()).await;
    let _socket = TcpStream::connect(&addr).await.unwrap();
    until("it is accepted", || !handler.connected.lock().unwrap().is_empty()).await;
    let connection = handler.first();
    let frame = OutFrame::from(&json(40, vec![0u8; 100_000]));
    let refused = (0..1000).find_map(|_| connection.send(frame.clone()).err());
    assert!(matches!(refused, Some(ConnectionError::Closed { reason: CloseReason::SlowReader { .. }, .. })));
    until("the close is told", || !handler.reasons().is_empty()).await;
    assert!(matches!(handler.reasons()[0], CloseReason::SlowReader { limit: 1_000_000, .. }));
    assert_eq!(connection.bytes_waiting(), 0);
}

// Answers that are being made share the room of their connection: what does not fit waits in order, an answer of unknown length is alone, and
// whoever waits learns of the connection's end.
#[tokio::test]
async fn answers_being_made_are_bounded() {
    let limits = Limits { outgoing_bytes_pause: 100_000, ..Limits::default() };
    let handler = Recorder::new(echo);
    let (_server, addr) = server(limits, handler.clone()).await;
    let _socket = TcpStream::connect(&addr).await.unwrap();
    until("it is accepted", || !handler.connected.lock().unwrap().is_empty()).await;
    let connection = handler.first();
    let waits = async |bytes| tokio::time::timeout(Duration::ZERO, connection.reserve(bytes)).await.is_err();
    let first = connection.reserve(60_000).await;
    assert!(waits(60_000).await && waits(usize::MAX).await);
    let second = connection.reserve(30_000).await;
    assert!(waits(20_000).await);
    drop((first, second));
    let unknown = connection.reserve(usize::MAX).await;
    assert!(waits(1).await);
    drop(unknown);
    let _larger_than_all = connection.reserve(200_000).await.unwrap();
    let end = tokio::join!(connection.reserve(1), async { connection.close("the test ends") }).0;
    assert!(end.is_none());
}

// Requests whose answers are outstanding stop the reading, and their answers start it again.
#[tokio::test]
async fn bytes_in_flight_are_bounded_per_connection() {
    let limits = Limits { inflight_bytes_max: 50_000, batch_requests_max: 1, ..Limits::default() };
    let held: Arc<Mutex<Vec<Command>>> = Arc::default();
    let kept = held.clone();
    let handler = Recorder::new(move |_, request, _| kept.lock().unwrap().push(request));
    let (_server, addr) = server(limits, handler.clone()).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.call(json(10, vec![0u8; 10_000]), TIMEOUT).await })
        })
        .collect();
    until("the limit is reached", || held.lock().unwrap().len() == 5).await;
    let other = client();
    let probe = tokio::spawn(async move { other.call(&addr, json(10, ""), TIMEOUT).await });
    until("others are served", || held.lock().unwrap().len() == 6).await;
    let mut served = 0;
    while served < 41 {
        until("more is read after answers", || !held.lock().unwrap().is_empty()).await;
        let batch: Vec<_> = held.lock().unwrap().drain(..).collect();
        assert!(batch.len() <= 6, "{} requests in flight", batch.len());
        for request in batch {
            served += 1;
            let of: Vec<_> = handler.connected.lock().unwrap().clone();
            let to = if request.body.is_empty() { &of[1] } else { &of[0] };
            to.send(OutFrame::from(&Command::response_to(&request, 0, None))).unwrap();
        }
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    probe.await.unwrap().unwrap();
}

// Above the total, a connection with nothing outstanding of its own is still served.
#[tokio::test]
async fn bytes_in_flight_are_bounded_in_total() {
    let limits = Limits { inflight_bytes_total_max: 30_000, batch_requests_max: 1, ..Limits::default() };
    let held: Arc<Mutex<Vec<Command>>> = Arc::default();
    let kept = held.clone();
    let handler = Recorder::new(move |c, request, answers| {
        if request.code == 1 {
            kept.lock().unwrap().push(request);
        } else {
            echo(c, request, answers);
        }
    });
    let (_server, addr) = server(limits, handler.clone()).await;
    let own = client();
    let holder = own.connection(&addr).await.unwrap();
    for _ in 0..10 {
        holder.call_with(json(1, vec![0u8; 10_000]), TIMEOUT, |_| ());
    }
    until("the limit is reached", || held.lock().unwrap().len() == 3).await;
    let other = client();
    for _ in 0..20 {
        other.call(&addr, json(2, vec![0u8; 10_000]), TIMEOUT).await.unwrap();
    }
    assert_eq!(held.lock().unwrap().len(), 3);
    holder.close("done");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let limits = Limits { idle: Duration::from_millis(600), ..Limits::default() };
    let handler = Recorder::new(echo);
    let (_server, addr) = server(limits, handler.clone()).await;
    let (idle, used) = (client(), client());
    let quiet = idle.connection(&addr).await.unwrap();
    let busy = used.connection(&addr).await.unwrap();
    until("the idle one is closed", || {
        let _ = busy.oneway(json(10, ""));
        !quiet.is_open()
    })
    .await;
    assert_eq!(handler.reasons(), [CloseReason::Idle(Duration::from_millis(600))]);
    assert!(busy.is_open());
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let (server, addr) = server(Limits { connections_max: 2, ..Limits::default() }, Recorder::new(echo)).await;
    let (a, b) = (client(), client());
    a.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    b.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    let mut third = TcpStream::connect(&addr).await.unwrap();
    assert_eq!(third.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(server.connections(), 2);
    a.shutdown().await;
    until("one leaves", || server.connections() == 1).await;
    client().call(&addr, json(10, ""), TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn calls_above_the_limit_are_refused_without_being_sent() {
    let handler = Recorder::new(|_, _, _| ());
    let (_server, addr) = server(Limits::default(), handler).await;
    let limits = Limits { inflight_requests_max: 3, ..Limits::default() };
    let options = ferromq_remoting::ClientOptions { limits, ..Default::default() };
    let client = ferromq_remoting::Client::new(options, Arc::new(ferromq_remoting::NoRequests));
    let connection = client.connection(&addr).await.unwrap();
    for _ in 0..3 {
        connection.call_with(json(1, ""), TIMEOUT, |_| ());
    }
    let error = client.call(&addr, json(1, ""), TIMEOUT).await.unwrap_err();
    assert!(matches!(error, CallError::TooManyRequests { .. }), "{error}");
}

// A peer that takes requests and never answers is given up, so that the next call gets a new connection.
#[tokio::test]
async fn a_connection_without_any_answer_is_given_up() {
    let handler = Recorder::new(|_, _, _| ());
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let limits = Limits { silence: Duration::from_millis(800), ..Limits::default() };
    let options = ferromq_remoting::ClientOptions { limits, ..Default::default() };
    let client = ferromq_remoting::Client::new(options, Arc::new(ferromq_remoting::NoRequests));
    let first = client.connection(&addr).await.unwrap();
    let error = client.call(&addr, json(1, ""), Duration::from_millis(30)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }) && first.is_open(), "{error}");
    let error = client.call(&addr, json(1, ""), Duration::from_millis(800)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    until("it is given up", || !first.is_open()).await;
    assert_ne!(client.connection(&addr).await.unwrap().id(), first.id());
}

// A handler that panics loses its connection only; callers are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_handler_costs_one_connection() {
    let handler = Recorder::new(|c, request, answers| {
        assert_ne!(request.code, 666, "told to panic");
        echo(c, request, answers);
    });
    let (server, addr) = server(Limits::default(), handler).await;
    let other = client();
    other.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    let error = client().call(&addr, json(666, ""), TIMEOUT).await.unwrap_err();
    assert!(matches!(error, CallError::Closed { .. }), "{error}");
    other.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    until("it is gone from the registry", || server.connections() == 1).await;
}

// Many peers that ask and never read fill the memory only up to the total, and those who read are served meanwhile.
#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_in_total() {
    const PEERS: usize = 20;
    let limits = Limits { outgoing_bytes_total_max: 2_000_000, batch_requests_max: 1, ..Limits::default() };
    let handler = answers_of_100_kb();
    let (_server, addr) = server(limits, handler.clone()).await;
    let segment: Vec<u8> = (0..200).flat_map(|i| frame_of(json(10, ""), i)).collect();
    let mut deaf = Vec::new();
    for _ in 0..PEERS {
        let mut socket = TcpStream::connect(&addr).await.unwrap();
        socket.write_all(&segment).await.unwrap();
        deaf.push(socket);
    }
    let waiting = || handler.connected.lock().unwrap().iter().map(|c| c.bytes_waiting()).sum::<usize>();
    until("the total is reached", || waiting() > 2_000_000).await;
    let other = client();
    for _ in 0..20 {
        other.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    }
    // Each may be served once more when its own answers are all in its socket.
    assert!(waiting() < 2_000_000 + (PEERS + 1) * 200_000, "{} bytes wait", waiting());
    assert!(handler.reasons().is_empty());
}

// A request knows how long it waited for those before it, and the connection how many wait for their answers.
#[tokio::test]
async fn requests_know_their_age_and_their_number() {
    let ages: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let held: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (seen, counted) = (ages.clone(), held.clone());
    let handler = Recorder::new(move |connection, request, _| {
        seen.lock().unwrap().push(connection.requests_age());
        counted.lock().unwrap().push(connection.requests_waiting());
        let started = std::time::Instant::now();
        while request.code == 1 && started.elapsed() < Duration::from_millis(60) {
            std::thread::yield_now();
        }
    });
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let mut socket = TcpStream::connect(&addr).await.unwrap();
    let both = [frame_of(json(1, ""), 1), frame_of(json(2, ""), 2)].concat();
    socket.write_all(&both).await.unwrap();
    until("both came", || ages.lock().unwrap().len() == 2).await;
    let age = ages.lock().unwrap()[1];
    assert!(age >= Duration::from_millis(50), "{age:?}");
    socket.write_all(&frame_of(json(2, ""), 3)).await.unwrap();
    until("the third came", || ages.lock().unwrap().len() == 3).await;
    assert_eq!(*held.lock().unwrap(), [0, 0, 2]);
    let ages = ages.lock().unwrap().clone();
    assert!(ages[2] < ages[1], "{ages:?}");
}
