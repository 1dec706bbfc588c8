//! A broker with a store behind it, and a name server, that are given any frames over a connection; shared by the fuzz target and by
//! `tests/bad_input.rs`.
//!
//! Whatever comes, after it the server answers an ordinary request on a connection, every frame that it sent can be read, and every
//! record that it wrote can be read by a strict reader. A panic of one of its tasks ends a fuzz run by itself; the test counts them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever fails here is the finding")]
use bytes::BytesMut;
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_namesrv::{NameServer, NameServerConfig};
use ferromq_protocol::code::request;
use ferromq_protocol::frame::{self, FRAME_BYTES_MAX};
use ferromq_protocol::{properties, record, Codec, Command, ExtFields};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tempfile::TempDir;

/// The server has to answer within this time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Number of the ordinary request that follows every input.
const LAST: i32 = 2_147_483_001;
/// A connection is used for so many inputs, so that what it holds (pulls, memberships) does not grow without end.
const INPUTS_PER_CONNECTION: u32 = 64;
/// Topics and bytes of log above which the broker is started anew.
const TOPICS_MAX: usize = 4000;
const LOG_BYTES_MAX: i64 = 256 << 20;

/// Which server an input goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Broker,
    NameServer,
}

/// The servers and the connections to them.
pub struct Rig {
    runtime: tokio::runtime::Runtime,
    broker: Option<Broker>,
    name_server: NameServer,
    dir: TempDir,
    connections: [Option<(TcpStream, u32)>; 2],
    /// Every record of the log before this offset was read.
    checked: i64,
}

fn config(dir: &TempDir) -> BrokerConfig {
    let mut config = BrokerConfig { namesrv_addr: String::new(), listen_port: 0, ..BrokerConfig::default() };
    let data = dir.path().join("store").display().to_string();
    let own = [("storePathRootDir", data.as_str()), ("brokerIP1", "127.0.0.1"), ("bindAddress", "127.0.0.1")];
    let features = [("enablePropertyFilter", "true"), ("messageDelayLevel", "1s 2h"), ("brokerName", "fuzzed")];
    // Nobody is to be called by name or address.
    let features = features.into_iter().chain([("configBlackList", "configBlackList;brokerConfigPath;namesrvAddr")]);
    for (name, value) in ferromq_broker::config::THROW_AWAY.iter().copied().chain(own).chain(features) {
        config.set(name, value).unwrap();
    }
    config
}

impl Rig {
    /// Starts the servers.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let dir = tempfile::Builder::new().prefix("ferromq-fuzz-").tempdir().unwrap();
        let broker = runtime.block_on(Broker::start(config(&dir))).unwrap();
        let name_server = runtime.block_on(NameServer::start(NameServerConfig::ephemeral())).unwrap();
        Self { runtime, broker: Some(broker), name_server, dir, connections: [None, None], checked: 0 }
    }

    fn address(&self, target: Target) -> SocketAddr {
        match target {
            Target::Broker => self.broker.as_ref().unwrap().local_addr(),
            Target::NameServer => self.name_server.local_addr(),
        }
    }

    /// Gives bytes to a server, then an ordinary request, and reads until its answer or until the server closes.
    pub fn feed(&mut self, target: Target, bytes: &[u8]) {
        let at = target as usize;
        let (mut stream, used) = self.connections[at].take().unwrap_or_else(|| (connect(self.address(target)), 0));
        if exchange(&mut stream, bytes) {
            self.connections[at] = Some((stream, used + 1)).filter(|(_, used)| *used < INPUTS_PER_CONNECTION);
        } else {
            // The server closed that connection; it serves others as ever.
            let mut other = connect(self.address(target));
            assert!(exchange(&mut other, &[]), "{target:?} does not serve a new connection");
            self.connections[at] = Some((other, 1));
        }
        self.check_records();
        self.renew_when_full();
    }

    /// Reads what the log got since the last time, as strictly as any reader does.
    fn check_records(&mut self) {
        let store = &self.broker.as_ref().unwrap().service().store;
        let end = store.confirmed_offset();
        while self.checked < end {
            let head = store.cursor(self.checked).read(8).unwrap().unwrap();
            if head[4..] == record::MAGIC_BLANK.to_be_bytes() {
                // The rest of a segment.
                self.checked += i64::from(u32::from_be_bytes(head[..4].try_into().unwrap()));
                continue;
            }
            let bytes = store.record_at(self.checked).unwrap().expect("a record of the log");
            let read = record::parse(&bytes, true).unwrap_or_else(|e| panic!("record at {}: {e}", self.checked));
            assert_eq!(read.physical_offset(), self.checked);
            assert!(properties::iter(read.properties()).count() <= read.properties().len());
            self.checked += read.len() as i64;
        }
    }

    fn renew_when_full(&mut self) {
        let service = self.broker.as_ref().unwrap().service();
        if service.topics.all().0.len() > TOPICS_MAX || service.store.max_log_offset() > LOG_BYTES_MAX {
            self.stop_broker();
            self.dir = tempfile::Builder::new().prefix("ferromq-fuzz-").tempdir().unwrap();
            self.checked = 0;
            self.start_broker();
        }
    }

    fn stop_broker(&mut self) {
        self.connections[Target::Broker as usize] = None;
        self.runtime.block_on(self.broker.take().unwrap().shutdown());
    }

    fn start_broker(&mut self) {
        self.broker = Some(self.runtime.block_on(Broker::start(config(&self.dir))).unwrap());
    }

    /// Stops the broker and starts it again on what it wrote: a recovery that finds everything.
    pub fn restart(&mut self) {
        let before = self.broker.as_ref().unwrap().service().store.max_log_offset();
        self.stop_broker();
        self.start_broker();
        let after = self.broker.as_ref().unwrap().service().store.max_log_offset();
        assert!(after >= before, "the log ended at {before} and ends at {after} after a restart");
        self.checked = 0;
        self.check_records();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// True when the ordinary request behind `bytes` was answered, false when the server closed the connection. Bytes that are the
/// beginning of a longer frame make the ordinary request part of it; then this side closes.
fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut last = BytesMut::from(bytes);
    let is_whole = ends_with_a_frame(bytes);
    let ext = ExtFields::from_iter([("topic", "TBW102"), ("queueId", "0")]);
    let ordinary = Command { opaque: LAST, ..Command::request(request::GET_MAX_OFFSET, ext, bytes::Bytes::new()) };
    ordinary.encode(&mut last).unwrap();
    if stream.write_all(&last).is_err() {
        return false;
    }
    if !is_whole {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let (mut input, mut chunk) = (BytesMut::new(), [0; 64 * 1024]);
    loop {
        while let Some(answer) = frame::decode(&mut input, FRAME_BYTES_MAX).expect("the server's frames can be read") {
            if answer.opaque == LAST && answer.is_response() {
                return is_whole;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return false,
            Ok(n) => input.extend_from_slice(&chunk[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer within {PATIENCE:?}")
            }
            Err(_) => return false,
        }
    }
}

/// True when the bytes are a sequence of complete frames by their length words.
fn ends_with_a_frame(mut bytes: &[u8]) -> bool {
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        match rest.get(u32::from_be_bytes(*length) as usize..) {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    bytes.is_empty()
}

/// Frames from the bytes of a fuzzer, so that mutations of a header do not have to guess the length words. A frame is: one byte, whose
/// lowest bit is the codec; the lengths of header and body, two bytes each, lowest first; header; body. Lengths beyond the end are
/// cut. The first byte of all says which server, and its highest bit that the rest is sent as it is.
pub fn input(bytes: &[u8]) -> (Target, Vec<u8>) {
    let Some((first, mut rest)) = bytes.split_first() else { return (Target::Broker, Vec::new()) };
    let target = if first & 1 == 0 { Target::Broker } else { Target::NameServer };
    if first & 0x80 != 0 {
        return (target, rest.to_vec());
    }
    let mut out = Vec::with_capacity(rest.len() + 16);
    while let Some(([codec, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
        let header = usize::from(u16::from_le_bytes([*a, *b])).min(after.len());
        let body = usize::from(u16::from_le_bytes([*c, *d])).min(after.len() - header);
        put_frame(&mut out, codec & 1 != 0, &after[..header], &after[header..header + body]);
        rest = &after[header + body..];
    }
    (target, out)
}

/// Appends a frame whose length words fit.
pub fn put_frame(out: &mut Vec<u8>, is_binary: bool, header: &[u8], body: &[u8]) {
    out.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(u32::from(is_binary) << 24 | header.len() as u32).to_be_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
}

/// The inverse of [`input`] for one frame: an input for the corpus.
#[allow(dead_code, reason = "the fuzz target only reads")]
pub fn corpus_entry(target: Target, codec: Codec, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = vec![target as u8, u8::from(codec == Codec::Binary)];
    out.extend_from_slice(&(header.len() as u16).to_le_bytes());
    out.extend_from_slice(&(body.len() as u16).to_le_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
    out
}
