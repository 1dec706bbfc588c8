//! Frames that were recorded between official clients and servers, changed in every way that comes to mind, sent to a broker with a
//! store and to a name server. No task panics, the server goes on serving, and the log can be read and recovered.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests and their helpers")]
#[path = "../../protocol/tests/frames/mod.rs"]
mod frames;
#[path = "service_rig/mod.rs"]
mod service;

use ferromq_protocol::Codec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use service::{Rig, Target};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Changed frames per run of the test; FERROMQ_FULL runs ten times as many.
const CASES: u32 = 20_000;

/// A request as it was recorded, in parts.
#[derive(Debug, Clone)]
struct Request {
    target: Target,
    is_binary: bool,
    header: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    fn of(recorded: &frames::Recorded) -> Self {
        let frame = &recorded.frame;
        let mark = u32::from_be_bytes(frame[4..8].try_into().unwrap());
        let header = (mark & 0xFF_FFFF) as usize;
        let is_name_server = matches!(recorded.code, 100..=106 | 205 | 206 | 216..=219 | 224 | 304 | 311..=313 | 318 | 319 | 322 | 327 | 901 | 904);
        Self {
            target: if is_name_server { Target::NameServer } else { Target::Broker },
            is_binary: mark >> 24 != 0,
            header: frame[8..8 + header].to_vec(),
            body: frame[8 + header..].to_vec(),
        }
    }

    fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        service::put_frame(&mut out, self.is_binary, &self.header, &self.body);
        out
    }
}

/// Up to two requests of each code and codec of each release, those with whole bodies.
fn requests() -> Vec<Request> {
    let mut chosen: BTreeMap<(i32, &str), Vec<Request>> = BTreeMap::new();
    for recorded in frames::all().iter().filter(|frame| !frame.response && !frame.cut && frame.body_len < 8192) {
        let same = chosen.entry((recorded.code, recorded.file)).or_default();
        if same.len() < 2 {
            same.push(Request::of(recorded));
        }
    }
    chosen.into_values().flatten().collect()
}

/// One change.
#[derive(Debug, Clone)]
enum Change {
    /// A bit of the header, or of the body.
    Flip(bool, Index, u8),
    /// A run of digits of the header becomes this.
    Number(Index, &'static str),
    /// Header or body end there.
    Cut(bool, Index),
    /// Header or body get these bytes in the middle.
    Insert(bool, Index, Vec<u8>),
    /// The body is another one.
    Body(Vec<u8>),
    /// The other codec's bit.
    Codec,
}

const NUMBERS: &[&str] = &[
    "-1",
    "0",
    "2147483647",
    "-2147483648",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999",
    "",
    "x",
    "1e9",
    "null",
    "7",
    "65536",
];

fn change() -> impl Strategy<Value = Change> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        3 => (any::<bool>(), any::<Index>(), 0..8u8).prop_map(|(body, at, bit)| Change::Flip(body, at, bit)),
        6 => (any::<Index>(), prop::sample::select(NUMBERS)).prop_map(|(at, text)| Change::Number(at, text)),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(body, at)| Change::Cut(body, at)),
        2 => (any::<bool>(), any::<Index>(), bytes(40)).prop_map(|(body, at, more)| Change::Insert(body, at, more)),
        1 => bytes(200).prop_map(Change::Body),
        1 => Just(Change::Codec),
    ]
}

fn apply(request: &mut Request, change: &Change) {
    let part =
        |request: &mut Request, body: bool| std::mem::take(if body { &mut request.body } else { &mut request.header });
    let put = |request: &mut Request, body: bool, bytes| {
        *(if body { &mut request.body } else { &mut request.header }) = bytes
    };
    match change {
        Change::Flip(body, at, bit) => {
            let mut bytes = part(request, *body);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            put(request, *body, bytes);
        }
        Change::Number(at, text) => {
            let starts = |i: &usize| {
                let digit = |i: usize| request.header.get(i).is_some_and(u8::is_ascii_digit);
                digit(*i) && !(*i > 0 && digit(i - 1))
            };
            let runs: Vec<usize> = (0..request.header.len()).filter(starts).collect();
            if runs.is_empty() {
                return;
            }
            let from = runs[at.index(runs.len())];
            let digits = request.header[from..].iter().take_while(|b| b.is_ascii_digit()).count();
            request.header.splice(from..from + digits, text.bytes());
        }
        Change::Cut(body, at) => {
            let mut bytes = part(request, *body);
            bytes.truncate(at.index(bytes.len() + 1));
            put(request, *body, bytes);
        }
        Change::Insert(body, at, more) => {
            let mut bytes = part(request, *body);
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, more.iter().copied());
            put(request, *body, bytes);
        }
        Change::Body(bytes) => request.body.clone_from(bytes),
        Change::Codec => request.is_binary = !request.is_binary,
    }
}

/// Panics of all threads so far.
fn count_panics() -> &'static AtomicUsize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            before(info);
        }));
    });
    &PANICS
}

// Changed requests do no harm: to the server, to other connections, to the log, to a restart.
#[test]
fn changed_requests_do_no_harm() {
    let requests = requests();
    assert!(requests.len() > 150, "{} requests", requests.len());
    let panics = count_panics();
    let rig = RefCell::new(Rig::start());
    for request in &requests {
        rig.borrow_mut().feed(request.target, &request.frame());
    }
    let cases = if std::env::var_os("FERROMQ_FULL").is_some() { CASES * 10 } else { CASES };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy = (any::<Index>(), prop::collection::vec(change(), 1..5), 0..10u8, any::<Index>(), 0..8u8);
    let outcome = runner.run(&strategy, |(at, changes, kind, byte, bit)| {
        let mut request = at.get(&requests).clone();
        changes.iter().for_each(|change| apply(&mut request, change));
        let mut frame = request.frame();
        if kind == 0 {
            // Anywhere in the frame, its length words included.
            let byte = byte.index(frame.len());
            frame[byte] ^= 1 << bit;
        }
        rig.borrow_mut().feed(request.target, &frame);
        prop_assert_eq!(panics.load(SeqCst), 0, "a task panicked");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    rig.borrow_mut().restart();
}

// The inputs of the fuzz target are frames whose length words fit, and its corpus does no harm.
#[test]
fn the_fuzz_corpus_does_no_harm() {
    for request in requests() {
        let codec = if request.is_binary { Codec::Binary } else { Codec::Json };
        let entry = service::corpus_entry(request.target, codec, &request.header, &request.body);
        assert_eq!(service::input(&entry), (request.target, request.frame()));
    }
    let panics = count_panics();
    let mut rig = Rig::start();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/service");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 50, "{} inputs", files.len());
    for file in files {
        let (target, frames) = service::input(&std::fs::read(&file).unwrap());
        rig.feed(target, &frames);
        assert_eq!(panics.load(SeqCst), 0, "{}", file.display());
    }
    rig.restart();
}
