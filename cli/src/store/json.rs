//! What `ferromq store` says, as JSON.
use ferromq_protocol::compress::{self, Compression};
use ferromq_protocol::properties;
use ferromq_protocol::record::RecordView;
use ferromq_store::tool::{Finding, Inspection, Repaired, Severity, UnitKind, Verification};
use serde_json::{json, Map, Value};
use std::io::Write;

/// A body that would grow beyond this is shown as it is stored.
const BODY_MAX: usize = 256 << 20;

/// The whole inspection.
pub fn inspection(seen: &Inspection) -> Value {
    let segments = seen.segments.iter().map(|s| {
        json!({"file": s.path, "start": s.start, "bytes": s.bytes, "disk_bytes": s.disk_bytes, "first_time": s.first_time})
    });
    let queues = seen.queues.iter().map(|q| {
        json!({
            "topic": q.topic, "queue": q.queue_id, "min": q.min, "max": q.max, "files": q.files, "disk_bytes": q.disk_bytes,
            "first_time": q.first_time, "last_time": q.last_time, "batch": q.kind == UnitKind::Batch,
        })
    });
    let index = seen.index.iter().map(|i| {
        json!({
            "file": i.path, "entries": i.entries, "first_time": i.times.0, "last_time": i.times.1,
            "first_offset": i.offsets.0, "last_offset": i.offsets.1, "disk_bytes": i.disk_bytes,
            "slots": i.shape.map(|shape| shape.0), "entries_max": i.shape.map(|shape| shape.1),
        })
    });
    let groups = seen.groups.iter().map(
        |g| json!({"group": g.group, "topic": g.topic, "queue": g.queue_id, "offset": g.offset, "behind": g.behind}),
    );
    let checkpoint = seen.checkpoint.map(|(log, queues, index)| json!({"log": log, "queues": queues, "index": index}));
    json!({
        "root": seen.root,
        "unclean": seen.unclean,
        "log": {
            "segment_size": seen.segment_size, "min_offset": seen.min_offset, "end_offset": seen.end_offset,
            "first_time": seen.first_time, "last_time": seen.last_time, "segments": segments.collect::<Vec<_>>(),
        },
        "queues": queues.collect::<Vec<_>>(),
        "topics_without_queues": seen.empty_topics,
        "index": index.collect::<Vec<_>>(),
        "checkpoint": checkpoint,
        "groups": groups.collect::<Vec<_>>(),
        "config": seen.config.iter().map(|c| json!({"name": c.name, "bytes": c.bytes})).collect::<Vec<_>>(),
    })
}

/// One line of a verification.
pub fn finding(finding: &Finding) -> Value {
    let severity = if finding.severity == Severity::Damage { "damage" } else { "note" };
    json!({"severity": severity, "file": finding.file, "offset": finding.offset, "text": finding.text})
}

/// The last line of a verification.
pub fn verification(seen: &Verification) -> Value {
    json!({
        "records": seen.records, "end_offset": seen.end_offset, "queues": seen.queues, "units": seen.units,
        "index_entries": seen.index_entries, "damages": seen.damages, "notes": seen.notes,
    })
}

/// What a repair did.
pub fn repaired(done: &Repaired) -> Value {
    json!({
        "records": done.records, "queues": done.queues, "kept": done.kept, "index_entries": done.index_entries,
        "replaced": done.replaced,
    })
}

/// One record on one line, with the names that `consume --json` uses. A body that is not UTF-8 becomes numbers under
/// `body_bytes`; compressed bodies are shown uncompressed.
pub fn write_record(out: &mut impl Write, view: &RecordView<'_>) -> std::io::Result<()> {
    let all: Map<String, Value> =
        properties::iter(view.properties()).map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut line = json!({
        "physical_offset": view.physical_offset(),
        "size": view.len(),
        "topic": view.topic(),
        "queue": view.queue_id(),
        "offset": view.queue_offset(),
        "tag": view.property(properties::TAGS),
        "keys": view.property(properties::KEYS),
        "message_id": view.offset_message_id().to_string(),
        "store_time": view.store_timestamp(),
        "born_time": view.born_timestamp(),
        "store_host": view.store_host().to_string(),
        "born_host": view.born_host().to_string(),
        "flag": view.flag(),
        "sys_flag": view.sys_flag(),
        "reconsume_times": view.reconsume_times(),
        "prepared_transaction_offset": view.prepared_transaction_offset(),
        "body_crc": view.body_crc(),
        "properties": all,
    });
    let compression = Compression::of_sys_flag(view.sys_flag()).ok().flatten();
    let plain = compression.and_then(|kind| compress::decompress(kind, view.body(), BODY_MAX).ok());
    let body = plain.as_deref().unwrap_or(view.body());
    match std::str::from_utf8(body) {
        Ok(text) => line["body"] = text.into(),
        Err(_) => line["body_bytes"] = body.to_vec().into(),
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
