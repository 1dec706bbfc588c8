//! What the tests share: a handler made of a closure that records batches, and short ways to commands and conditions.
#![allow(dead_code)]
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use bytes::{Bytes, BytesMut};
use ferromq_protocol::{Codec, Command, ExtFields};
use ferromq_remoting::{Client, ClientOptions, CloseReason, Connection, Handler, Limits, NoRequests, OutFrame, Server};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for a condition.
pub const PATIENCE: Duration = Duration::from_secs(10);

type Serve = dyn Fn(&Arc<Connection>, Command, &mut Vec<OutFrame>) + Send + Sync;

/// Serves each request with a closure and remembers what happened.
pub struct Recorder {
    pub serve: Box<Serve>,
    pub batches: Mutex<Vec<usize>>,
    pub connected: Mutex<Vec<Arc<Connection>>>,
    pub closed: Mutex<Vec<CloseReason>>,
    pub requests: AtomicUsize,
}

impl Recorder {
    pub fn new(serve: impl Fn(&Arc<Connection>, Command, &mut Vec<OutFrame>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            serve: Box::new(serve),
            batches: Mutex::default(),
            connected: Mutex::default(),
            closed: Mutex::default(),
            requests: AtomicUsize::new(0),
        })
    }
    pub fn first(&self) -> Arc<Connection> {
        self.connected.lock().unwrap()[0].clone()
    }
    pub fn reasons(&self) -> Vec<CloseReason> {
        self.closed.lock().unwrap().clone()
    }
}

impl Handler for Recorder {
    fn connected(&self, connection: &Arc<Connection>) {
        self.connected.lock().unwrap().push(connection.clone());
    }
    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        self.batches.lock().unwrap().push(requests.len());
        for request in requests.drain(..) {
            self.requests.fetch_add(1, Ordering::SeqCst);
            (self.serve)(connection, request, answers);
        }
    }
    fn closed(&self, _connection: &Arc<Connection>, reason: &CloseReason) {
        self.closed.lock().unwrap().push(reason.clone());
    }
}

/// Answers with the request's own body and fields.
pub fn echo(_: &Arc<Connection>, request: Command, answers: &mut Vec<OutFrame>) {
    if !request.is_oneway() {
        answers.push(OutFrame::from(&echo_of(&request)));
    }
}

pub fn echo_of(request: &Command) -> Command {
    let mut answer = Command::response_to(request, 0, None);
    (answer.ext, answer.body) = (request.ext.clone(), request.body.clone());
    answer
}

pub fn request(code: i32, body: impl Into<Bytes>, codec: Codec) -> Command {
    let mut command = Command::request(code, ExtFields::from_iter([("topic", "T")]), body.into());
    command.codec = codec;
    command
}

pub fn json(code: i32, body: impl Into<Bytes>) -> Command {
    request(code, body, Codec::Json)
}

pub fn frame_of(mut command: Command, opaque: i32) -> Vec<u8> {
    command.opaque = opaque;
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out.to_vec()
}

pub async fn server(limits: Limits, handler: Arc<dyn Handler>) -> (Server, String) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits, handler).await.unwrap();
    let addr = server.local_addr().to_string();
    (server, addr)
}

pub fn client() -> Client {
    Client::new(ClientOptions::default(), Arc::new(NoRequests))
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
