//! Calls and their outcomes: answers in any order, batches, time-outs, closed peers, both directions.
mod common;

use bytes::Bytes;
use common::*;
use ferromq_protocol::code::response::GO_AWAY;
use ferromq_protocol::{Codec, Command};
use ferromq_remoting::{Body, CallError, Client, ClientOptions, ConnectionError, Limits, OutFrame};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_request_comes_back_in_the_codec_it_was_sent_in() {
    let (server, addr) = server(Limits::default(), Recorder::new(echo)).await;
    let client = client();
    for codec in [Codec::Json, Codec::Binary] {
        for size in [0, 1, 1024, 1025, 300_000, 5_000_000] {
            let sent = request(10, vec![7u8; size], codec);
            let answer = client.call(&addr, sent.clone(), TIMEOUT).await.unwrap();
            assert_eq!((answer.code, answer.codec, answer.flag), (0, codec, 1));
            assert_eq!(answer.ext, sent.ext);
            assert_eq!(answer.body, sent.body);
        }
    }
    client.shutdown().await;
    server.shutdown().await;
}

// Answers that are given late, some at once and some soon, in any order, find their requests.
#[tokio::test]
async fn answers_in_reverse_order_find_their_requests() {
    let held: Mutex<Vec<Command>> = Mutex::default();
    let handler = Recorder::new(move |connection, request, _| {
        let mut held = held.lock().unwrap();
        held.push(request);
        if held.len() == 50 {
            let mut frames: Vec<_> = held.drain(..).rev().map(|r| OutFrame::from(&echo_of(&r))).collect();
            frames.drain(..30).for_each(|frame| connection.send_soon(frame).unwrap());
            assert!(connection.bytes_waiting() > 0, "the connection's task writes them");
            connection.send_all(&mut frames.drain(..10).collect()).unwrap();
            frames.into_iter().for_each(|frame| connection.send_soon(frame).unwrap());
        }
    });
    let (_server, addr) = server(Limits::default(), handler).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|i| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.call(json(10, vec![i; 3]), TIMEOUT).await.unwrap().body })
        })
        .collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), vec![i as u8; 3]);
    }
    assert_eq!(connection.calls_waiting(), 0);
}

// Many requests in one segment reach the handler as one batch, and their answers come back together.
#[tokio::test]
async fn one_segment_is_one_batch() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let mut socket = tokio::net::TcpStream::connect(&addr).await.unwrap();
    let segment: Vec<u8> = (0..15).flat_map(|i| frame_of(json(10, "x"), i)).collect();
    assert!(segment.len() < 4096, "it must fit into one read");
    socket.write_all(&segment).await.unwrap();
    let mut buffer = bytes::BytesMut::new();
    let mut opaques = Vec::new();
    while opaques.len() < 15 {
        assert_ne!(socket.read_buf(&mut buffer).await.unwrap(), 0);
        while let Some(answer) = ferromq_protocol::frame::decode(&mut buffer, 1 << 24).unwrap() {
            opaques.push(answer.opaque);
        }
    }
    assert_eq!(opaques, (0..15).collect::<Vec<_>>());
    assert_eq!(*handler.batches.lock().unwrap(), [15]);
}

#[tokio::test]
async fn a_late_answer_is_a_time_out_that_names_address_and_time_and_is_dropped_later() {
    let held: Arc<Mutex<Vec<Command>>> = Arc::default();
    let kept = held.clone();
    let handler = Recorder::new(move |c, request, answers| {
        if request.code == 1 {
            kept.lock().unwrap().push(request);
        } else {
            echo(c, request, answers);
        }
    });
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let start = Instant::now();
    let outcome = connection.call(json(1, ""), Duration::from_millis(60)).await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    match outcome.unwrap_err() {
        CallError::Timeout { addr: at, after } => assert_eq!((at, after), (addr, Duration::from_millis(60))),
        other => panic!("{other}"),
    }
    let late = held.lock().unwrap().pop().unwrap();
    handler.first().send(OutFrame::from(&echo_of(&late))).unwrap();
    assert_eq!(connection.call(json(2, "still fine"), TIMEOUT).await.unwrap().body, "still fine");
}

// Different time-outs on one connection each fire at their own time although there is one timer.
#[tokio::test]
async fn short_and_long_time_outs_share_the_timer() {
    let (_server, addr) = server(Limits::default(), Recorder::new(|_, _, _| ())).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let start = Instant::now();
    let (order, done) = std::sync::mpsc::channel();
    for ms in [200u64, 20, 90, 21, 150] {
        let order = order.clone();
        connection.call_with(json(1, ""), Duration::from_millis(ms), move |outcome| {
            assert!(matches!(outcome, Err(CallError::Timeout { .. })));
            let _ = order.send((ms, start.elapsed()));
        });
    }
    until("all time-outs", || connection.calls_waiting() == 0).await;
    let seen: Vec<_> = done.try_iter().collect();
    assert_eq!(seen.len(), 5);
    for (ms, at) in seen {
        let due = Duration::from_millis(ms);
        assert!(at >= due && at < due + Duration::from_millis(500), "{ms}: {at:?}");
    }
}

#[tokio::test]
async fn a_closed_peer_fails_all_its_waiting_calls_at_once() {
    let handler = Recorder::new(|connection, request, _| {
        if request.code == 2 {
            connection.close("enough");
        }
    });
    let (_server, addr) = server(Limits::default(), handler).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.call(json(1, ""), Duration::from_secs(60)).await })
        })
        .collect();
    until("all are sent", || connection.calls_waiting() == 10).await;
    connection.oneway(json(2, "")).unwrap();
    for call in waiting {
        match call.await.unwrap().unwrap_err() {
            CallError::Closed { addr: at, .. } => assert_eq!(at, addr),
            other => panic!("{other}"),
        }
    }
    assert!(!connection.is_open());
    match connection.call(json(1, ""), TIMEOUT).await.unwrap_err() {
        CallError::Send { source: ConnectionError::Closed { .. }, .. } => {}
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let (_server, addr) = server(Limits::default(), Recorder::new(|_, _, _| ())).await;
    let own = client();
    let connection = own.connection(&addr).await.unwrap();
    let call = tokio::time::timeout(Duration::from_millis(10), connection.call(json(1, ""), TIMEOUT)).await;
    assert!(call.is_err());
    assert_eq!(connection.calls_waiting(), 0);
}

#[tokio::test]
async fn one_way_requests_arrive_marked_and_unanswered() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let client = client();
    client.oneway(&addr, json(15, "x"), TIMEOUT).await.unwrap();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    assert_eq!(handler.requests.load(Ordering::SeqCst), 2);
}

// Requests travel in both directions on one connection, with equal opaques on either side.
#[tokio::test]
async fn the_server_calls_the_client_on_the_same_connection() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let clients = Recorder::new(|_, request, answers| {
        let mut answer = Command::response_to(&request, 5, None);
        answer.body = Bytes::from_static(b"from the client");
        answers.push(OutFrame::from(&answer));
    });
    let client = Client::new(ClientOptions::default(), clients);
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    let back = handler.first();
    for i in 0..20u8 {
        let (there, here) =
            tokio::join!(client.call(&addr, json(10, vec![i]), TIMEOUT), back.call(json(307, ""), TIMEOUT));
        assert_eq!(there.unwrap().body, vec![i]);
        let here = here.unwrap();
        assert_eq!((here.code, &here.body[..]), (5, &b"from the client"[..]));
    }
}

#[tokio::test]
async fn requests_that_a_client_does_not_serve_get_code_3() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let client = client();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    let answer = handler.first().call(json(9999, ""), TIMEOUT).await.unwrap();
    assert_eq!((answer.code, answer.remark.as_deref()), (3, Some(" request type 9999 not supported")));
}

// The body of an answer may be slices of something larger; they arrive as one body.
#[tokio::test]
async fn sliced_bodies_are_written_back_to_back() {
    let handler = Recorder::new(|_, request, answers| {
        let slices: Vec<Bytes> = (0..3000u32).map(|i| Bytes::from(vec![i as u8; 100])).collect();
        let mut head = bytes::BytesMut::new();
        Command::response_to(&request, 0, None).encode_head(&mut head, 300_000).unwrap();
        answers.push(OutFrame { head: head.freeze(), body: Body::Slices(slices) });
    });
    let (_server, addr) = server(Limits::default(), handler).await;
    let body = client().call(&addr, json(11, ""), TIMEOUT).await.unwrap().body;
    assert_eq!(body.len(), 300_000);
    assert!(body.chunks(100).enumerate().all(|(i, chunk)| chunk.iter().all(|b| *b == i as u8)));
}

#[tokio::test]
async fn a_server_that_goes_away_is_reconnected_once() {
    let refusals = Arc::new(AtomicUsize::new(1));
    let left = refusals.clone();
    let handler = Recorder::new(move |c, request, answers| {
        let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if refuse {
            let answer = Command::response_to(&request, GO_AWAY, Some("please go away".into()));
            answers.push(OutFrame::from(&answer));
        } else {
            echo(c, request, answers);
        }
    });
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let client = client();
    assert_eq!(client.call(&addr, json(10, "again"), TIMEOUT).await.unwrap().body, "again");
    assert_eq!(handler.connected.lock().unwrap().len(), 2);
    refusals.store(2, Ordering::SeqCst);
    match client.call(&addr, json(10, ""), TIMEOUT).await.unwrap_err() {
        CallError::GoAway { remark, .. } => assert_eq!(remark, "please go away"),
        other => panic!("{other}"),
    }
}

// Eight connections with 64 tasks each: every answer reaches its own request, nothing is left waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_connections() {
    let handler = Recorder::new(echo);
    let (server, addr) = server(Limits::default(), handler.clone()).await;
    let mut tasks = tokio::task::JoinSet::new();
    let (mut clients, mut connections) = (Vec::new(), Vec::new());
    for c in 0..8u32 {
        let own = client();
        let connection = own.connection(&addr).await.unwrap();
        clients.push(own);
        connections.push(connection.clone());
        for t in 0..64u32 {
            let connection = connection.clone();
            let codec = if t % 2 == 0 { Codec::Json } else { Codec::Binary };
            tasks.spawn(async move {
                for i in 0..50u32 {
                    let body = [c.to_be_bytes(), t.to_be_bytes(), i.to_be_bytes()].concat();
                    let body = body.repeat(1 + (i as usize % 7) * 50);
                    let answer = connection.call(request(10, body.clone(), codec), TIMEOUT).await.unwrap();
                    assert_eq!(answer.body, body);
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(handler.requests.load(Ordering::SeqCst), 8 * 64 * 50);
    assert!(connections.iter().all(|c| c.calls_waiting() == 0));
    let ids: HashSet<_> = connections.iter().map(|c| c.id()).collect();
    assert_eq!(ids.len(), 8);
    server.shutdown().await;
}
