//! What the machine does beside the servers, so that it does the same for all of them: memory that it has to get first, and pages that
//! wait for the disk.
//!
//! How much memory is free, Linux tells; elsewhere it is left as it is.
use std::fs::File;
use std::io::Read;

/// The machine's free memory, filled with pages of a file without content, as it is on a machine that has run for a while. A new page then
/// comes from the system, which gives up one of these; on a virtual machine with free memory it would come from the host,
/// and cost several times what a server does for the messages in it.
#[derive(Debug)]
pub struct PageCache {
    /// Has no name; the pages stay while it is open.
    file: File,
    len: u64,
}

impl PageCache {
    /// An empty one.
    pub fn new() -> Result<Self, String> {
        let file = tempfile::tempfile().map_err(|e| format!("cannot make a file for the page cache: {e}"))?;
        Ok(Self { file, len: 0 })
    }

    /// Fills what is free now, but for a little.
    pub fn fill(&mut self) -> Result<(), String> {
        /// Left to the programs that start.
        const SPARE: u64 = 1 << 30;
        /// Less is not worth it.
        const LEAST: u64 = 256 << 20;
        const PIECE: usize = 1 << 20;
        let more = kib("MemFree:").saturating_mul(1024).saturating_sub(SPARE);
        if more < LEAST {
            return Ok(());
        }
        let failed = |e: std::io::Error| format!("cannot fill the page cache: {e}");
        self.len += more;
        self.file.set_len(self.len).map_err(failed)?;
        let mut piece = vec![0; PIECE];
        while self.file.read(&mut piece).map_err(failed)? > 0 {}
        Ok(())
    }
}

/// Has the system write what waits for the disk: a server shall not pay for what another one, or itself a while ago, has written. Disks
/// are slower than brokers, so that after some seconds of load all would be as fast as the disk.
pub async fn settle() -> Result<(), String> {
    tokio::task::spawn_blocking(rustix::fs::sync).await.map_err(|e| format!("cannot wait for the disk: {e}"))
}

/// A line of `/proc/meminfo`, KiB; 0 where there is none.
fn kib(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
