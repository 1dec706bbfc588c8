//! Frames against the vectors of the specification and against every rule of leniency and strictness.
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]
use bytes::{BufMut, Bytes, BytesMut};
use ferromq_protocol::frame::{decode, EncodeError, FrameError, FIELDS_MAX, FRAME_BYTES_MAX};
use ferromq_protocol::{language, Codec, Command, ExtFields};

/// A whole JSON frame around `header`.
fn json_frame(header: &[u8], body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u32((4 + header.len() + body.len()) as u32);
    frame.put_u32(header.len() as u32);
    frame.put_slice(header);
    frame.put_slice(body);
    frame
}

fn read(header: &str) -> Result<Command, FrameError> {
    decode(&mut json_frame(header.as_bytes(), b"x"), FRAME_BYTES_MAX).map(|c| c.expect("the frame is complete"))
}

fn hex(text: &str) -> BytesMut {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<u8>>()[..].into()
}

#[test]
fn a_header_is_read_as_leniently_as_by_the_reference() {
    // Numbers as texts and floats, single quotes, trailing commas, blanks, NULs behind, duplicates, unknown members.
    let header = " {'code':\"310\",\"version\":30.0 , \"unknown\":[1,{\"a\":[]},],\"flag\":2,\"flag\":0,\
        \"extFields\":{\"e\":3,\"f\":1.50,\"k\":true,\"o\":{\"x\":[1]},\"n\":null,\"i\":\"A\\u0001B\\n\\ud83d\\ude80\",},}\n\0\0";
    let command = read(header).unwrap();
    assert_eq!((command.code, command.version, command.flag, command.opaque), (310, 30, 0, 0));
    assert_eq!(command.language, language::JAVA);
    let values = ["e", "f", "k", "o", "n", "i"].map(|name| command.ext.get(name));
    let expected = [Some("3"), Some("1.50"), Some("true"), Some("{\"x\":[1]}"), None, Some("A\u{1}B\n\u{1F680}")];
    assert_eq!(values, expected);
    assert_eq!(&command.body[..], b"x");
    for (text, language) in [("\"go\"", 9), ("12", 12), ("\"COBOL\"", -1), ("null", -1), ("99", -1)] {
        assert_eq!(read(&format!("{{\"language\":{text}}}")).unwrap().language, language);
    }
    assert!(!read("{\"extFields\":null}").unwrap().ext.is_present());
    assert!(read("{\"extFields\":{}}").unwrap().ext.is_present());
}

#[test]
fn a_header_that_closes_connections_of_the_reference_is_an_error() {
    let deep = format!("{{\"x\":{}}}", "[".repeat(20_000));
    let headers = [
        "",
        "null",
        "[]",
        "{",
        "{}x",
        "{}{}",
        "{code:1}",
        "\u{feff}{}",
        "{\"code\":2147483648}",
        "{\"code\":1e30}",
        "{\"code\":\"x\"}",
        "{\"code\":[]}",
        "{\"extFields\":[]}",
        "{\"extFields\":\"x\"}",
        "{\"extFields\":{\"a\":}}",
        "{\"extFields\":{\"a\":NaN}}",
        "{\"remark\":\"\\q\"}",
        "{\"remark\":\"\\u12\"}",
        "{\"remark\":\"abc}",
        "{\"a\" 1}",
        &deep,
    ];
    for header in headers {
        assert!(read(header).is_err(), "{}", header.chars().take(40).collect::<String>());
    }
    let mut invalid = json_frame(b"{\"remark\":\"\xff\"}", b"");
    assert!(decode(&mut invalid, FRAME_BYTES_MAX).is_err(), "text that is not UTF-8");
    let many: String = (0..=FIELDS_MAX).map(|i| format!("\"{i}\":1,")).collect();
    assert_eq!(read(&format!("{{\"extFields\":{{{many}}}}}")), Err(FrameError::TooManyFields));
}

#[test]
fn frames_with_impossible_lengths_are_refused_before_their_bytes_arrive() {
    let error = |bytes: &[u8]| decode(&mut bytes.into(), 1000).unwrap_err();
    assert_eq!(error(&[0xff; 4]), FrameError::Length(-1));
    assert_eq!(error(&[0, 0, 0, 3]), FrameError::Length(3));
    assert_eq!(error(&[0, 0, 3, 0xe5]), FrameError::TooLong { bytes: 1001, limit: 1000 });
    assert_eq!(error(&[0, 0, 0, 9, 0, 0, 0, 6]), FrameError::HeaderLength { header: 6, frame: 9 });
    assert_eq!(error(&[0, 0, 0, 9, 2, 0, 0, 5]), FrameError::Codec(2));
}

#[test]
fn a_frame_is_taken_only_when_it_is_complete_and_leaves_what_follows() {
    let whole = json_frame(b"{\"code\":1,\"opaque\":-7}", b"body");
    for len in 0..whole.len() {
        let mut part: BytesMut = whole[..len].into();
        assert_eq!(decode(&mut part, FRAME_BYTES_MAX), Ok(None));
        assert_eq!(part, whole[..len]);
    }
    let mut two = whole.clone();
    two.extend_from_slice(&whole);
    for rest in [whole.len(), 0] {
        let command = decode(&mut two, FRAME_BYTES_MAX).unwrap().unwrap();
        assert_eq!((command.opaque, &command.body[..], two.len()), (-7, &b"body"[..], rest));
    }
}

#[test]
fn the_vectors_of_the_specification_decode_and_encode() {
    let v2 = hex("0000002d0100002900690001df000000010000000000000000000000140005746f70696300000009546f70696354657374");
    let v3 = hex("000000210100001d00110c01df0000000100000001000000086e6f20726f75746500000000");
    let route = decode(&mut v2.clone(), FRAME_BYTES_MAX).unwrap().unwrap();
    assert_eq!((route.code, route.version, route.opaque, route.ext.get("topic")), (105, 479, 1, Some("TopicTest")));
    let answer = decode(&mut v3.clone(), FRAME_BYTES_MAX).unwrap().unwrap();
    assert_eq!((answer.code, answer.language, answer.remark.as_deref()), (17, 12, Some("no route")));
    for (command, bytes) in [(route, v2), (answer, v3)] {
        let mut out = BytesMut::new();
        command.encode(&mut out).unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn a_binary_header_with_wrong_lengths_is_an_error_and_invalid_text_is_repaired() {
    let v3 = hex("000000210100001d00110c01df0000000100000001000000086e6f20726f75746500000000");
    let with = |at: usize, byte: u8| {
        let mut bytes = v3.clone();
        bytes[at] = byte;
        decode(&mut bytes, FRAME_BYTES_MAX)
    };
    assert!(with(21, 0xff).is_err(), "negative remark length");
    assert!(with(24, 9).is_err(), "remark longer than the header");
    assert!(with(36, 1).is_err(), "more fields than bytes");
    let repaired = with(25, 0xff).unwrap().unwrap();
    assert_eq!(repaired.remark.as_deref(), Some("\u{fffd}o route"));
}

#[test]
fn what_the_binary_codec_cannot_express_is_written_in_json() {
    let mut request = Command::request(200_050, [("topic", "T")].into_iter().collect(), Bytes::from_static(b"b"));
    request.codec = Codec::Binary;
    let mut out = BytesMut::new();
    request.encode(&mut out).unwrap();
    let back = decode(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
    assert_eq!(back, Command { codec: Codec::Json, ..request });
}

#[test]
fn a_frame_beyond_the_limit_is_not_written() {
    let request = Command::request(10, ExtFields::absent(), Bytes::new());
    let mut out = BytesMut::from(&b"before"[..]);
    assert!(matches!(request.encode_head(&mut out, FRAME_BYTES_MAX), Err(EncodeError::TooLong { code: 10, .. })));
    assert_eq!(&out[..], b"before");
}

#[test]
fn texts_are_escaped_like_those_of_java() {
    let mut request = Command::request(1, ExtFields::absent(), Bytes::new());
    request.remark = Some("\u{1}\u{2}\u{1f}\u{8}\t\n\u{c}\r\"\\/\u{7f}\u{2028}ä🚀".into());
    let mut out = BytesMut::new();
    request.encode(&mut out).unwrap();
    let text = String::from_utf8(out[8..].to_vec()).unwrap();
    let remark = r#""remark":"\u0001\u0002\u001f\b\t\n\f\r\"\\/"#;
    assert!(text.contains(&format!("{remark}\u{7f}\u{2028}ä🚀\"")), "{text}");
    assert_eq!(decode(&mut out, FRAME_BYTES_MAX).unwrap().unwrap(), request);
}
