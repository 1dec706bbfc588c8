//! However the byte stream is cut into segments, the same requests arrive in the same order.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod common;

use common::*;
use ferromq_protocol::Codec;
use ferromq_remoting::Limits;
use proptest::prelude::*;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

/// Sends `stream` cut at the given lengths and returns the bodies that the handler saw.
async fn bodies(stream: Vec<u8>, cuts: Vec<usize>, expected: usize) -> Vec<bytes::Bytes> {
    let seen: Arc<Mutex<Vec<bytes::Bytes>>> = Arc::default();
    let kept = seen.clone();
    let handler = Recorder::new(move |_, request, _| kept.lock().unwrap().push(request.body));
    let (server, addr) = server(Limits::default(), handler.clone()).await;
    let mut socket = tokio::net::TcpStream::connect(&addr).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut rest = &stream[..];
    for cut in cuts {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        socket.write_all(now).await.unwrap();
        rest = later;
        tokio::task::yield_now().await;
    }
    socket.write_all(rest).await.unwrap();
    until("all requests arrive", || handler.requests.load(Ordering::SeqCst) >= expected).await;
    drop(socket);
    server.shutdown().await;
    let seen = seen.lock().unwrap();
    seen.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cut_gives_the_same_requests(
        sizes in prop::collection::vec((prop_oneof![0..64usize, 0..20_000usize, 300_000..400_000usize], any::<bool>()), 1..12),
        cuts in prop::collection::vec(prop_oneof![1..16usize, 1..5000usize, 1..100_000usize], 0..60),
    ) {
        let sent: Vec<bytes::Bytes> =
            sizes.iter().enumerate().map(|(i, (size, _))| vec![i as u8; *size].into()).collect();
        let stream: Vec<u8> = sizes
            .iter()
            .zip(&sent)
            .enumerate()
            .flat_map(|(i, ((_, binary), body))| {
                let codec = if *binary { Codec::Binary } else { Codec::Json };
                frame_of(request(10, body.clone(), codec), i as i32)
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(bodies(stream, cuts, sent.len()));
        prop_assert_eq!(seen, sent);
    }
}
