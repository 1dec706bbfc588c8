//! The name servers of an instance: one is used until it fails, then the next, all within the budget of the request
//! (client.md 1.4).
//!
//! Threads and locks: the list never changes, the position is an atomic; any number of calls may run at once.
use crate::error::{Error, ServerTried};
use crate::platform;
use ferromq_protocol::code::response;
use ferromq_protocol::Command;
use ferromq_remoting::Client;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Which name servers there are and which one is used.
pub(crate) struct NameServers {
    list: Vec<String>,
    /// Index of the server in use; starts anywhere so that clients spread.
    current: AtomicUsize,
    client: Client,
}

/// Nobody answered.
#[derive(Debug, Clone)]
pub(crate) struct NoneAnswered {
    pub tried: Vec<ServerTried>,
}

impl NoneAnswered {
    pub(crate) fn into_error(self, what: impl Into<String>) -> Error {
        Error::NoNameServer { what: what.into(), servers: self.tried }
    }
}

impl NameServers {
    pub(crate) fn new(list: Vec<String>, client: Client) -> Self {
        let current = AtomicUsize::new(platform::random() as usize % list.len().max(1));
        Self { list, current, client }
    }

    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }

    /// The answer of the first server that gives a usable one, and its address. Busy and not yet ready servers count as
    /// failed. Every server gets an equal share of the time that is left.
    pub(crate) async fn call(&self, request: &Command, budget: Duration) -> Result<(String, Command), NoneAnswered> {
        let deadline = platform::after(budget);
        let start = self.current.load(Ordering::Relaxed);
        let mut tried = Vec::new();
        for step in 0..self.list.len() {
            let index = (start + step) % self.list.len();
            let addr = &self.list[index];
            let share = deadline.saturating_duration_since(Instant::now()) / (self.list.len() - step) as u32;
            let outcome = match self.client.call(addr, request.clone(), share).await {
                Ok(answer) if !is_unusable(answer.code) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok((addr.clone(), answer));
                }
                Ok(answer) => format!("code {}: {}", answer.code, answer.remark.unwrap_or_default()),
                Err(error) => error.to_string(),
            };
            tracing::debug!(%addr, %outcome, "name server failed");
            tried.push(ServerTried { addr: addr.clone(), outcome });
        }
        if !self.list.is_empty() {
            self.current.store((start + 1) % self.list.len(), Ordering::Relaxed);
        }
        Err(NoneAnswered { tried })
    }
}

fn is_unusable(code: i32) -> bool {
    matches!(code, response::SYSTEM_ERROR | response::SYSTEM_BUSY | response::REQUEST_CODE_NOT_SUPPORTED)
}
