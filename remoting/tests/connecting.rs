//! Making connections: budgets, back-off, sharing, address families, stopping.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod common;

use common::*;
use ferromq_remoting::{CallError, Client, ClientOptions, Limits, NoRequests, Server};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);

/// An address of this machine on which nobody listens: bound but not listening, so nobody else gets the port.
fn refused() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    (socket, addr)
}

#[tokio::test]
async fn a_refused_connect_is_an_error_that_names_the_address_well_within_the_budget() {
    let (_socket, addr) = refused();
    let start = Instant::now();
    match client().call(&addr, json(10, ""), TIMEOUT).await.unwrap_err() {
        CallError::Connect { addr: at, source } => {
            assert_eq!((at, source.kind()), (addr, std::io::ErrorKind::ConnectionRefused));
        }
        other => panic!("{other}"),
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

// While an address fails, attempts are delayed, but never beyond the caller's budget.
#[tokio::test]
async fn back_off_counts_into_the_budget() {
    let (_socket, addr) = refused();
    let options = ClientOptions {
        backoff_first: Duration::from_secs(60),
        backoff_max: Duration::from_secs(60),
        ..ClientOptions::default()
    };
    let client = Client::new(options, Arc::new(NoRequests));
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap_err();
    let start = Instant::now();
    let error = client.call(&addr, json(10, ""), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    for addr in ["", "nonsense", "127.0.0.1:", "127.0.0.1:99999", "host.invalid:1"] {
        let error = client().call(addr, json(10, ""), TIMEOUT).await.unwrap_err();
        assert!(matches!(&error, CallError::Connect { addr: at, .. } if at == addr), "{addr}: {error}");
    }
}

#[tokio::test]
async fn all_who_need_an_address_share_one_connect() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let client = client();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (client, addr) = (client.clone(), addr.clone());
            tokio::spawn(async move { client.call(&addr, json(10, ""), TIMEOUT).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(handler.connected.lock().unwrap().len(), 1);
    assert_eq!(client.open_addresses(), [addr]);
}

#[tokio::test]
async fn localhost_finds_servers_of_either_family() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        // A machine without IPv6 has nothing to find there.
        let Ok(server) = Server::bind(host.parse().unwrap(), Limits::default(), Recorder::new(echo)).await else {
            continue;
        };
        let addr = format!("localhost:{}", server.local_addr().port());
        client().call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    }
}

// After the server was restarted on its port, the same client reaches it again without being told.
#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let (first, addr) = server(Limits::default(), Recorder::new(echo)).await;
    let client = client();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    first.shutdown().await;
    until("the client notices", || client.open_connection(&addr).is_none()).await;
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap_err();
    let _second = Server::bind(addr.parse().unwrap(), Limits::default(), Recorder::new(echo)).await.unwrap();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (server, addr) = server(Limits::default(), Recorder::new(echo)).await;
    let error = Server::bind(server.local_addr(), Limits::default(), Recorder::new(echo)).await.unwrap_err();
    assert!(error.to_string().contains(&addr), "{error}");
}

#[tokio::test]
async fn stopping_ends_connections_and_frees_the_port() {
    let handler = Recorder::new(echo);
    let (server, addr) = server(Limits::default(), handler.clone()).await;
    let clients: Vec<_> = (0..5).map(|_| client()).collect();
    for client in &clients {
        client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    }
    server.stop_accepting();
    clients[0].call(&addr, json(10, "open connections go on"), TIMEOUT).await.unwrap();
    server.shutdown().await;
    assert_eq!(handler.reasons().len(), 5);
    Server::bind(addr.parse().unwrap(), Limits::default(), handler).await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_clone_of_a_client_closes_its_connections() {
    let handler = Recorder::new(echo);
    let (_server, addr) = server(Limits::default(), handler.clone()).await;
    let client = client();
    let clone = client.clone();
    client.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    drop(client);
    clone.call(&addr, json(10, ""), TIMEOUT).await.unwrap();
    drop(clone);
    until("the server sees it end", || handler.reasons().len() == 1).await;
}

#[tokio::test]
async fn a_client_that_was_shut_down_makes_no_connection() {
    let (_server, addr) = server(Limits::default(), Recorder::new(echo)).await;
    let client = client();
    let connection = client.connection(&addr).await.unwrap();
    client.shutdown().await;
    until("its connection ends", || !connection.is_open()).await;
    let error = client.call(&addr, json(10, ""), TIMEOUT).await.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
}
