//! A checkpoint that promises more than is on the disk: damaged, or of another directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, open, tiny, SEGMENT};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

/// Messages of an old segment keep their places when a power cut has forgotten their units, whatever the checkpoint says: they are there,
/// and no offset is given twice.
#[test]
fn a_checkpoint_of_the_future_hides_nothing() {
    const FUTURE_MS: i64 = 1 << 50;
    for time in [0, FUTURE_MS, i64::MAX] {
        for forgotten in [20u64, 40] {
            let dir = tempfile::tempdir().unwrap();
            let options = tiny(dir.path());
            let store = open(&options);
            (0..40).for_each(|number| _ = append(&store, "A", 0, format!("{number}").as_bytes()));
            while store.max_log_offset() < 3 * SEGMENT as i64 {
                append(&store, "B", 0, &[1; 1000]);
            }
            store.flush().unwrap();
            store.abandon();
            drop(store);
            // Nobody remembers that there were more.
            let _ = fs::remove_file(dir.path().join("ferromq-queues"));
            let write = |path: &str, at, bytes: &[u8]| {
                let file = OpenOptions::new().write(true).open(dir.path().join(path)).unwrap();
                file.write_all_at(bytes, at).unwrap();
            };
            let units = vec![0; forgotten as usize * 20];
            write(&format!("consumequeue/A/0/{:020}", 0), (40 - forgotten) * 20, &units);
            write("checkpoint", 0, &time.to_be_bytes().repeat(3));
            let store = open(&options);
            let bodies: Vec<_> = bodies(&store, "A", 0).into_iter().map(|(_, body)| body).collect();
            let sent: Vec<_> = (0..40).map(|number| format!("{number}").into_bytes()).collect();
            assert_eq!(bodies, sent, "checkpoint {time}, {forgotten} units are forgotten");
            assert_eq!(append(&store, "A", 0, b"next").queue_offset, 40);
            store.shutdown().unwrap();
        }
    }
}
