//! SQL92 filters against the results of Apache 5.4.0's own classes (`testdata/ids-and-hashes.json.zst`, member `sql92`).
#![allow(clippy::unwrap_used)]
use ferromq_broker::filter::Sql;
use ferromq_protocol::compress::{decompress, Compression};
use ferromq_protocol::json::{self, Value};

// Every recorded expression compiles or not as there, gives the same result for its message, and matches the same.
#[test]
fn recorded_results() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/ids-and-hashes.json.zst");
    let vectors = decompress(Compression::Zstd, &std::fs::read(path).unwrap(), 64 << 20).unwrap();
    let vectors = json::parse(&vectors).unwrap();
    let cases = vectors.get("sql92").unwrap().items();
    assert!(cases.len() >= 500, "{} cases", cases.len());
    for case in cases {
        let expression = case.get("expr").unwrap().as_str().unwrap();
        let entries = case.get("props").unwrap().entries().iter();
        let message: Vec<(&str, &str)> = entries.map(|(k, v)| (k.as_str().unwrap(), v.as_str().unwrap())).collect();
        let (expected, compiled) = (case.get("result"), Sql::compile(expression));
        let is_ok = case.get("parse").and_then(Value::as_str) == Some("ok");
        assert_eq!(compiled.is_ok(), is_ok, "{expression}: {compiled:?}");
        let Ok(sql) = compiled else { continue };
        let result = sql.evaluate_entries(message.iter().copied());
        match expected {
            Some(Value::Text(_)) => assert!(result.is_err(), "{expression} with {message:?}: {result:?}"),
            Some(Value::Bool(truth)) => assert_eq!(result, Ok(Some(*truth)), "{expression} with {message:?}"),
            _ => assert_eq!(result, Ok(None), "{expression} with {message:?}"),
        }
        let matches = case.get("match") == Some(&Value::Bool(true));
        assert_eq!(result == Ok(Some(true)), matches, "{expression} with {message:?}");
    }
}
