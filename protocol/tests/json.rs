//! The dialect: what is accepted, what is refused, how it is written.
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]
use ferromq_protocol::json::{parse, Flavour, JsonError, Key, Value, DEPTH_MAX};

fn read(text: &str) -> Value {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn java(value: &Value) -> String {
    String::from_utf8(value.write(Flavour::Java)).unwrap()
}

#[test]
fn the_liberties_of_peers_are_accepted() {
    let value = read(" {0:\"x\",'y':[1,2,],name:true,{\"brokerName\":\"b\",\"queueId\":0}:5,\"n\":null,}\r\n\0");
    assert_eq!(value.entries()[0].0.as_i64(), Some(0));
    assert_eq!(value.get("y").unwrap().items().len(), 2);
    assert_eq!(value.bool_of("name"), Some(true));
    assert_eq!(value.get("n"), None);
    let (key, five) = &value.entries()[3];
    assert_eq!((key.object().unwrap().i64_of("queueId"), five.as_i64()), (Some(0), Some(5)));
    let key = Key::from("{\"queueId\":7}");
    assert_eq!(key.object().unwrap().i64_of("queueId"), Some(7), "an object key inside a text");
    assert_eq!(read("{\"a\":1,\"a\":2}").i64_of("a"), Some(2), "the last of two members counts");
}

#[test]
fn accessors_convert_as_java_does() {
    let value =
        read("{\"a\":\"5\",\"b\":5.0,\"c\":true,\"d\":\"TRUE\",\"e\":0.5,\"f\":3000000000,\"g\":\"x\",\"h\":1e30}");
    assert_eq!((value.i64_of("a"), value.i64_of("b"), value.i64_of("c")), (Some(5), Some(5), Some(1)));
    assert_eq!((value.bool_of("c"), value.bool_of("d"), value.bool_of("g")), (Some(true), Some(true), None));
    assert_eq!((value.i64_of("e"), value.i64_of("g"), value.i64_of("h")), (None, None, None));
    assert_eq!((value.i64_of("f"), value.i32_of("f")), (Some(3_000_000_000), None));
    assert_eq!((value.text_of("b").as_deref(), value.text_of("c").as_deref()), (Some("5.0"), Some("true")));
}

#[test]
fn what_is_no_json_is_refused_with_its_position() {
    let refused = [
        "",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "[1 2]",
        "{\"a\" 1}",
        "nul",
        "NaN",
        "-",
        "{}x",
        "\"a",
        "\"\\x\"",
        "1e999",
        "{,}",
    ];
    refused.iter().for_each(|text| assert!(parse(text.as_bytes()).is_err(), "{text}"));
    assert_eq!(parse(b"[1,\xff]"), Err(JsonError { at: 3, what: "the text is not UTF-8" }));
    assert_eq!(parse(b"[1,x]").unwrap_err().at, 4);
}

#[test]
fn depth_is_bounded_and_its_last_level_still_works() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert!(parse(nested(DEPTH_MAX + 1).as_bytes()).is_err());
    assert!(parse("{\"a\":".repeat(100_000).as_bytes()).is_err());
    assert!(parse("{".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn references_are_resolved_once_and_cannot_multiply() {
    let value = read("{\"a\":{\"x\":{\"y\":1}},\"b\":{\"$ref\":\"$.a.x\"},\"c\":[{\"$ref\":\"$.d[1]\"}],\"d\":[0,7],\"e\":{\"$ref\":\"@\"}}");
    assert_eq!(value.get("b").unwrap().i64_of("y"), Some(1));
    assert_eq!(value.get("c").unwrap().items()[0].as_i64(), Some(7));
    assert_eq!(value.get("e").unwrap(), &Value::Object(Vec::new()));
    // Each level refers to the one before ten times; copies of copies stay empty.
    let level =
        |n: usize| format!("\"l{n}\":[{}]", vec![format!("{{\"$ref\":\"$.l{}\"}}", n.wrapping_sub(1)); 10].join(","));
    let bomb = (0..20).map(level).collect::<Vec<_>>().join(",");
    assert!(read(&format!("{{{bomb}}}")).write(Flavour::Java).len() < 100_000);
}

#[test]
fn the_flavours_differ_in_keys_and_characters() {
    let value = Value::object([
        (Key::from(0i64), Value::from("ä/\u{1}🚀\"")),
        (Key::from(Value::object([("queueId", 3)])), Value::from(0.0)),
        (Key::from("n"), Value::from(None::<i32>)),
    ]);
    assert_eq!(java(&value), "{0:\"ä/\\u0001🚀\\\"\",{\"queueId\":3}:0.0,\"n\":null}");
    assert_eq!(
        String::from_utf8(value.write(Flavour::Quoted)).unwrap(),
        "{\"0\":\"ä/\\u0001🚀\\\"\",{\"queueId\":3}:0.0,\"n\":null}"
    );
    assert_eq!(
        String::from_utf8(value.write(Flavour::Standard)).unwrap(),
        "{\"0\":\"\\u00e4\\/\\u0001\\ud83d\\ude80\\\"\",\"{\\\"queueId\\\":3}\":0.0,\"n\":null}"
    );
}

#[test]
fn the_indented_form_is_that_of_configuration_files() {
    let value = read("{\"offsetTable\":{\"T@G\":{0:10,1:20}},\"list\":[1],\"words\":[\"a\"],\"empty\":{}}");
    let text = String::from_utf8(value.write_pretty()).unwrap();
    let expected = "{\n\t\"offsetTable\":{\n\t\t\"T@G\":{0:10,1:20\n\t\t}\n\t},\n\t\"list\":[1],\n\t\"words\":[\n\
                    \t\t\"a\"\n\t],\n\t\"empty\":{}\n}";
    assert_eq!(text, expected);
    assert_eq!(read(&text), value);
}

#[test]
fn members_can_be_replaced_and_added() {
    let mut value = read("{\"a\":1}");
    value.set("a", 2);
    value.set("b", "x");
    assert_eq!(java(&value), "{\"a\":2,\"b\":\"x\"}");
}
