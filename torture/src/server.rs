//! A broker process with a name server in it, to be killed.
use ferromq_store::{IndexOptions, StoreOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The broker's program.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Bytes of a consume queue file.
const QUEUE_FILE: usize = 20_000;
/// Bytes of a log file.
const SEGMENT: u64 = 4 * 1024 * 1024;
/// The same where log files are to be deleted.
const SMALL_SEGMENT: u64 = 64 * 1024;
/// Slots and entries of an index file.
const INDEX: (u32, u32) = (1000, 4000);

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How the broker is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Acknowledged is what is on the disk.
    pub sync: bool,
    /// Log files are small, and go as soon as somebody asks for it.
    pub cleaned: bool,
}

impl Setup {
    /// Bytes of a log file.
    pub fn segment(&self) -> u64 {
        if self.cleaned {
            SMALL_SEGMENT
        } else {
            SEGMENT
        }
    }

    fn properties(&self) -> Vec<(&'static str, String)> {
        let flush = if self.sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
        let mut properties = vec![
            ("mappedFileSizeCommitLog", self.segment().to_string()),
            ("mappedFileSizeConsumeQueue", QUEUE_FILE.to_string()),
            ("maxHashSlotNum", INDEX.0.to_string()),
            ("maxIndexNum", INDEX.1.to_string()),
            ("flushDiskType", flush.to_owned()),
            ("flushConsumerOffsetInterval", "50".to_owned()),
            ("flushConsumeQueueThoroughInterval", "200".to_owned()),
        ];
        if self.cleaned {
            // Whatever was written last long ago enough to be asked for: at no hour of its own, a file at a time.
            let cleaning = [
                ("fileReservedTime", "0"),
                ("deleteWhen", ""),
                ("cleanResourceInterval", "10"),
                ("deleteFileBatchMax", "3"),
                ("deleteCommitLogFilesInterval", "1"),
                ("deleteConsumeQueueFilesInterval", "1"),
            ];
            properties.extend(cleaning.map(|(name, value)| (name, value.to_owned())));
        }
        properties
    }

    /// The same for a store that looks at what the broker has left. It deletes nothing.
    pub fn store_options(&self, data: &Path) -> StoreOptions {
        let mut options = StoreOptions::small(data);
        options.segment_size = self.segment();
        options.consume_queue_file_units = QUEUE_FILE / 20;
        options.index = IndexOptions { hash_slots: INDEX.0, entries: INDEX.1, ..IndexOptions::default() };
        options
    }
}

/// A running broker with a name server in the same process.
pub struct Server {
    child: Child,
    pub namesrv: String,
    pub broker: String,
    /// Kept open: the process writes to it.
    _out: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts one on `data`, on the ports of `before` if there was one.
    pub fn start(data: &Path, setup: Setup, before: Option<&Server>) -> Result<Server, Failure> {
        let program = PROGRAM.get().ok_or("--ferromq PATH names the broker's program")?;
        let port = |address: &str| address.rsplit(':').next().unwrap_or("0").to_owned();
        let (names, broker) = before.map_or(("0".into(), "0".into()), |b| (port(&b.namesrv), port(&b.broker)));
        let mut command = Command::new(program);
        command
            .args(["standalone", "--json", "--namesrv-port", &names, "--broker-port", &broker, "--data-dir"])
            .arg(data);
        setup.properties().iter().for_each(|(name, value)| {
            command.arg("--property").arg(format!("{name}={value}"));
        });
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let told: serde_json::Value = serde_json::from_str(&line).map_err(|_| {
            let _ = child.kill();
            let _ = child.wait();
            format!("the broker does not start on {}: {line}", data.display())
        })?;
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Ok(Server { child, namesrv: text("namesrv"), broker: text("broker"), _out: out })
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
