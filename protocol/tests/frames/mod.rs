//! The recorded frames of `testdata/frames` for tests.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as the tests do")]
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// One recorded frame. Of a long body only the first bytes were recorded; the rest is zeros here.
#[allow(dead_code)] // every test uses some of it
pub struct Recorded {
    pub file: &'static str,
    pub number: i64,
    pub name: String,
    pub code: i32,
    /// Code of the request that a response answers; 0 in requests.
    pub req_code: i32,
    pub opaque: i32,
    pub body_len: usize,
    /// True when not all of the body was recorded.
    pub cut: bool,
    /// True for answers.
    pub response: bool,
    pub frame: Vec<u8>,
    /// The header as an independent decoder read it.
    pub header: Value,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frame {} ({} {})", self.file, self.number, self.code, self.name)
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/frames").join(name)
}

/// All frames of all recordings.
pub fn all() -> Vec<Recorded> {
    ["4.9.7-JSON", "4.9.7-ROCKETMQ", "5.4.0-JSON", "5.4.0-ROCKETMQ"].into_iter().flat_map(load).collect()
}

/// The code names of one version.
#[allow(dead_code)]
pub fn codes(version: &str) -> Value {
    let text = std::fs::read(path(&format!("codes-{version}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn load(file: &'static str) -> Vec<Recorded> {
    let packed = std::fs::File::open(path(&format!("{file}.jsonl.zst"))).unwrap();
    let text = zstd::decode_all(packed).unwrap();
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(|line| record(file, line)).collect()
}

fn record(file: &'static str, line: &[u8]) -> Recorded {
    let line: Value = serde_json::from_slice(line).unwrap();
    let int = |name: &str| line[name].as_i64().unwrap_or(0);
    let header = match line["decoded"].is_object() {
        true => line["decoded"].clone(),
        false => serde_json::from_str(line["header"].as_str().unwrap()).unwrap(),
    };
    let mut frame = hex(line["frame_hex"].as_str().unwrap());
    frame.resize(int("frame_len") as usize, 0);
    Recorded {
        file,
        number: int("n"),
        name: line["name"].as_str().unwrap_or("?").to_string(),
        code: int("code") as i32,
        req_code: int("req_code") as i32,
        opaque: int("opaque") as i32,
        body_len: int("body_len") as usize,
        cut: line["cut"].as_bool() == Some(true),
        response: line["dir"] == "response",
        frame,
        header,
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
