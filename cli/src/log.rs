//! The log of the program: where it goes, what is in it, and how both change while a server runs.
//!
//! Events go to standard error, or to the end of the file that `FERROMQ_LOG_FILE` names. What is written: the property `logLevel` of a
//! server, which administration can change at any time, or else the environment variable `FERROMQ_LOG` (a level, or directives such
//! as `info,ferromq_store=debug`), or else warnings and errors. Files are rotated by whoever rotates the machine's logs
//! (logrotate): on SIGHUP a server opens its file anew.
//!
//! Locks: one mutex around the file, held for a line.
use ferromq_protocol::settings::{LogLevel, SettingValue};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload, EnvFilter, Registry};

/// Names the file.
const FILE: &str = "FERROMQ_LOG_FILE";
/// Says what is written.
const LEVEL: &str = "FERROMQ_LOG";

/// The file of the log.
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

static LOG_FILE: OnceLock<LogFile> = OnceLock::new();
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

impl LogFile {
    fn open(path: PathBuf) -> io::Result<LogFile> {
        let file = Mutex::new(append_to(&path)?);
        Ok(LogFile { path, file })
    }
}

fn append_to(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes to whatever file is open now.
struct Writer(&'static LogFile);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to log.
pub fn start() {
    if let Some(path) = std::env::var_os(FILE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        match LogFile::open(path.clone()) {
            Ok(file) => drop(LOG_FILE.set(file)),
            // A log that cannot be written is no reason not to serve.
            Err(error) => eprintln!("ferromq: cannot write the log file {}: {error}", path.display()),
        }
    }
    let (writer, colours) = match LOG_FILE.get() {
        Some(file) => (BoxMakeWriter::new(move || Writer(file)), false),
        // Colours are for people.
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    let (filter, handle) = reload::Layer::new(filter(LogLevel::Environment));
    let lines = fmt::layer().with_target(false).with_ansi(colours).with_writer(writer);
    tracing_subscriber::registry().with(filter).with(lines).init();
    let _ = FILTER.set(handle);
}

fn filter(level: LogLevel) -> EnvFilter {
    match level {
        LogLevel::Environment => EnvFilter::try_from_env(LEVEL).unwrap_or_else(|_| EnvFilter::new("warn")),
        level => EnvFilter::new(level.show()),
    }
}

/// Logs what a server's property says from now on, if that is another than `before`.
pub fn follow(before: LogLevel, level: LogLevel) {
    if before == level {
        return;
    }
    if let Some(Err(error)) = FILTER.get().map(|handle| handle.reload(filter(level))) {
        eprintln!("ferromq: the level of the log cannot be changed: {error}");
    }
}

/// True when the log goes to a file, which SIGHUP shall open anew.
pub fn is_file() -> bool {
    LOG_FILE.get().is_some()
}

/// Opens the file anew, after somebody renamed or removed it. One that cannot be opened leaves the old one in use.
pub fn reopen() {
    let Some(log) = LOG_FILE.get() else { return };
    match append_to(&log.path) {
        Ok(file) => *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
        Err(error) => tracing::error!(path = %log.path.display(), %error, "the log file cannot be opened anew"),
    }
}
