//! The queue a sharding key chooses equals Java's, by vectors recorded from Java's selector.
use ferromq_protocol::compress::{decompress, Compression};
use ferromq_protocol::json;

/// Every recorded key chooses the recorded queue.
#[test]
fn select_queue_by_hash() {
    let packed = std::fs::read("../testdata/ids-and-hashes.json.zst").unwrap();
    let text = decompress(Compression::Zstd, &packed, 64 << 20).unwrap();
    let vectors = json::parse(&text).unwrap();
    let cases = vectors.get("selectQueueByHash").unwrap().items();
    assert!(cases.len() >= 20);
    for case in cases {
        let key = case.text_of("arg").unwrap();
        let queues = case.i32_of("queues").unwrap() as usize;
        let expected = case.i32_of("queueId").unwrap() as usize;
        assert_eq!(ferromq::hash_index(&key, queues), expected, "{key:?} of {queues}");
    }
}
