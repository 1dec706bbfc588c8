//! The official Java clients of both releases, with both header codecs, against our broker and name server.
mod support;

use ferromq_interop::{HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use support::{assert_gapless, assert_in_order, events, keys, skipped};

const MODES: [&str; 5] = ["sync", "async", "oneway", "ordered", "batch"];
const COUNT: usize = 60;

fn expected(tags: &[usize]) -> BTreeSet<String> {
    let numbers = (0..COUNT).filter(|n| tags.contains(&(n % 3)));
    numbers.flat_map(|n| MODES.map(|mode| format!("{mode}-{n}"))).collect()
}

/// Produces in every mode and consumes in every mode; what was sent is what comes, in order where that is promised.
async fn all_modes(release: Release, codec: HeaderCodec) {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("Interop", 4).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    tokio::task::spawn_blocking(move || {
        let plain = PeerOptions::new(release, codec);
        let count = COUNT.to_string();
        for (i, mode) in MODES.iter().enumerate() {
            let options = PeerOptions { pad: if i % 2 == 0 { 0 } else { 6000 }, ..plain };
            let lines = Java::peer(options, &["produce", &namesrv, "Interop", mode, &count]).unwrap().finish().unwrap();
            let sent = events(&lines, "SENT");
            assert_eq!(sent.len(), if *mode == "oneway" { 0 } else { COUNT }, "{mode}");
        }
        let total = (MODES.len() * COUNT).to_string();
        let consume = |options, group: &str, mode: &str, tags: &str, count: &str| {
            let args = ["consume", &namesrv, "Interop", group, mode, tags, count];
            events(&Java::peer(options, &args).unwrap().finish().unwrap(), "GOT")
        };
        let all = consume(plain, "G_concurrent", "concurrent", "*", &total);
        assert_eq!(keys(&all), expected(&[0, 1, 2]));
        assert_gapless(&all);
        let orderly = consume(plain, "G_orderly", "orderly", "*", &total);
        assert_eq!(keys(&orderly), expected(&[0, 1, 2]));
        assert_in_order(&orderly);
        let tagged = consume(plain, "G_tags", "concurrent", "TagA || TagC", &(2 * total.parse::<usize>().unwrap() / 3).to_string());
        assert_eq!(keys(&tagged), expected(&[0, 2]));
        for mode in ["broadcast", "litepull", "assign"] {
            assert_eq!(keys(&consume(plain, &format!("G_{mode}"), mode, "*", &total)), expected(&[0, 1, 2]), "{mode}");
        }
        let failing = PeerOptions { fail_first: true, ..plain };
        let retried = consume(failing, "G_retry", "concurrent", "*", &total);
        assert_eq!(keys(&retried), expected(&[0, 1, 2]));
        assert!(retried.iter().all(|e| e.reconsumed == 1), "every message came back through the retry topic");
        let suspended = consume(failing, "G_suspend", "orderly", "*", &total);
        assert_eq!(keys(&suspended), expected(&[0, 1, 2]));
        assert_in_order(&suspended);
    })
    .await
    .unwrap();
    cluster.shutdown().await;
}

macro_rules! all_modes {
    ($($name:ident: $release:ident $codec:ident),*) => { $(
        /// Every producer and consumer mode of this release with this codec.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if !skipped(stringify!($name)) {
                all_modes(Release::$release, HeaderCodec::$codec).await;
            }
        }
    )* };
}

all_modes!(java_540_json: V5_4_0 Json, java_540_binary: V5_4_0 Binary, java_497_json: V4_9_7 Json, java_497_binary: V4_9_7 Binary);
