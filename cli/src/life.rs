//! When a server ends: SIGTERM, Ctrl-C or, where asked for, the end of standard input.
use std::io::Read;
use tokio::sync::oneshot;

/// Waits for the first of the reasons to end and names it.
pub async fn until_told(ends_with_stdin: bool) -> &'static str {
    let stdin = async {
        if !ends_with_stdin {
            return std::future::pending().await;
        }
        let _ = stdin_closed().await;
    };
    tokio::select! {
        _ = terminated() => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "Ctrl-C",
        () = stdin => "standard input closed",
    }
}

/// A thread reads standard input to its end; the runtime does not wait for it.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while matches!(std::io::stdin().read(&mut buffer), Ok(n) if n > 0) {}
        let _ = sender.send(());
    });
    receiver
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(e) => {
            tracing::warn!("SIGTERM cannot be handled: {e}");
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
