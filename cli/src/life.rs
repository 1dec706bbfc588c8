//! When a server ends: SIGTERM, Ctrl-C or, where asked for, the end of standard input. SIGHUP opens the file of the log anew; without
//! one it ends the process as it does by default.
use crate::failure::Failure;
use crate::log;
use std::io::Read;
use tokio::sync::oneshot;

/// The reasons to end. Listens from the moment it is made, so that a signal that comes while a server is still starting, or
/// right after it has said that it is ready, ends it in order.
pub struct Ending {
    #[cfg(unix)]
    signals: [(tokio::signal::unix::Signal, &'static str); 2],
}

impl Ending {
    /// Starts to listen. Call inside the runtime.
    #[cfg(unix)]
    pub fn listen() -> Result<Ending, Failure> {
        use tokio::signal::unix::{signal, SignalKind};
        let refused = |e| Failure::new(format!("signals cannot be handled: {e}"));
        let terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        if log::is_file() {
            let mut hangup = signal(SignalKind::hangup()).map_err(refused)?;
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    log::reopen();
                    tracing::info!("the log file was opened anew");
                }
            });
        }
        Ok(Ending { signals: [(terminate, "SIGTERM"), (interrupt, "Ctrl-C")] })
    }

    /// Starts to listen. Call inside the runtime.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Ending, Failure> {
        Ok(Ending {})
    }

    /// Waits for the first of the reasons and names it.
    pub async fn wait(mut self, ends_with_stdin: bool) -> &'static str {
        let stdin = async {
            if !ends_with_stdin {
                return std::future::pending().await;
            }
            let _ = stdin_closed().await;
        };
        tokio::select! {
            reason = self.signal() => reason,
            () = stdin => "standard input closed",
        }
    }

    #[cfg(unix)]
    async fn signal(&mut self) -> &'static str {
        let [(terminate, its_name), (interrupt, other_name)] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => its_name,
            _ = interrupt.recv() => other_name,
        }
    }

    #[cfg(not(unix))]
    async fn signal(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
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
