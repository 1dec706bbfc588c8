//! Standard output that may be a closed pipe: `ferromq ... | head` ends without an error.
use crate::failure::Failure;
use std::io::{ErrorKind, Write};

/// What a write to standard output came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// The reader is there.
    Yes,
    /// The reader is gone: stop and end successfully.
    ReaderGone,
}

/// Judges the outcome of a write to standard output.
pub fn judge(outcome: std::io::Result<()>) -> Result<Wrote, Failure> {
    match outcome {
        Ok(()) => Ok(Wrote::Yes),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(Wrote::ReaderGone),
        Err(e) => Err(Failure::new(format!("cannot write to standard output: {e}"))),
    }
}

/// Prints a whole text.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    judge(out.write_all(text.as_bytes()).and_then(|()| out.flush())).map(drop)
}
