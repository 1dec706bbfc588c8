//! What producers and consumers see of the disk: a slow flush, one that fails, and messages that cannot be read.
#![allow(clippy::unwrap_used)]
mod support;

use ferromq_protocol::Codec;
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use support::{properties, Send, TestBroker};

const WELL: u8 = 0;
const SLOW: u8 = 1;
const BROKEN: u8 = 2;

/// The log's flushes wait while the disk is slow, and fail when it is broken.
struct Disk(AtomicU8);

impl Faults for Disk {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let is_flush = matches!(effect, Effect::Sync { to, .. } if to != u64::MAX);
        if !is_flush || !path.parent().is_some_and(|dir| dir.ends_with("commitlog")) {
            return Verdict::Go;
        }
        while self.0.load(Ordering::Acquire) == SLOW {
            std::thread::yield_now();
        }
        match self.0.load(Ordering::Acquire) {
            BROKEN => Verdict::Fail(io::Error::from_raw_os_error(5)),
            _ => Verdict::Go,
        }
    }
}

async fn start(timeout_ms: &str) -> (TestBroker, Arc<Disk>, ferromq_store::faults::Mounted) {
    let broker = TestBroker::start(&[("flushDiskType", "SYNC_FLUSH"), ("syncFlushTimeout", timeout_ms)]).await;
    broker.create_topic("T", 2).await;
    let disk = Arc::new(Disk(AtomicU8::new(WELL)));
    let mounted = mount(broker.dir.path(), disk.clone());
    (broker, disk, mounted)
}

// A flush that takes longer than syncFlushTimeout is FLUSH_DISK_TIMEOUT and the message is kept; who does not wait is answered at
// once; consumers see neither before the disk has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_flush() {
    let (broker, disk, _mounted) = start("50").await;
    assert!([0, 10].contains(&broker.send(Send::to("T")).await.code));
    broker.wait_for_offset("T", 0, 1).await;
    disk.0.store(SLOW, Ordering::Release);
    let no_wait = properties(&[("WAIT", "false")]);
    let commands = vec![
        Send { body: b"waits", ..Send::to("T") }.command(Codec::Json),
        Send { body: b"does not", properties: &no_wait, ..Send::to("T") }.command(Codec::Json),
    ];
    let codes: Vec<i32> = broker.call_all(commands).await.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [10, 0], "FLUSH_DISK_TIMEOUT, SUCCESS");
    assert_eq!(broker.max_offset("T", 0).await, 1, "not flushed, not seen");
    disk.0.store(WELL, Ordering::Release);
    broker.wait_for_offset("T", 0, 3).await;
    let bodies: Vec<_> = broker.pull("T", 0, 1).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"waits".to_vec(), b"does not".to_vec()]);
    broker.stop().await;
}

// A flush that fails is no success of any kind: the send that waited and all later ones are refused with a remark that names file,
// reason and remedy; pulls go on; after a restart sends work and everything acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_flush() {
    let (mut broker, disk, _mounted) = start("20000").await;
    assert_eq!(broker.send(Send::to("T")).await.code, 0);
    disk.0.store(BROKEN, Ordering::Release);
    for _ in 0..2 {
        let answer = broker.send(Send { body: b"x", ..Send::to("T") }).await;
        let remark = answer.remark.unwrap_or_default();
        assert_eq!(answer.code, 14, "SERVICE_NOT_AVAILABLE: {remark}");
        let wanted = ["commitlog/00000000000000000000", "os error 5", "until the broker is restarted"];
        assert!(wanted.iter().all(|part| remark.contains(part)), "{remark}");
        assert_eq!(answer.ext.get("MSG_REGION"), Some("DefaultRegion"));
        // A disk that is well again proves nothing.
        disk.0.store(WELL, Ordering::Release);
    }
    assert_eq!(broker.max_offset("T", 0).await, 1, "what may be lost is not seen");
    assert_eq!(broker.pull("T", 0, 0).await[0].body, b"hello");
    broker.kill_and_restart().await;
    assert_eq!(broker.send(Send::to("T")).await.code, 0);
    assert_eq!(broker.pull("T", 0, 0).await[0].body, b"hello");
    broker.stop().await;
}
