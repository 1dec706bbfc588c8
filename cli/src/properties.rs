//! The properties of a server on the command line: in the text of `--help`, from a file, and listed. All from the table that the
//! server reads.
use crate::Failure;
use ferromq_protocol::settings::{self, Entry, Settings};
use std::fmt::Write;
use std::path::Path;

/// Applies a properties file; names in it that have no effect are warnings.
pub fn apply_file<C: Settings>(config: &mut C, file: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
    let warnings = settings::apply(config, &String::from_utf8_lossy(&bytes))
        .map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    warnings.iter().for_each(|w| tracing::warn!("{}: {}", file.display(), w.text));
    Ok(())
}

/// Prints properties with their values, a line each.
pub fn print(entries: &[Entry]) -> Result<(), Failure> {
    let lines: String = entries.iter().map(|e| format!("{}={}\n", e.name, e.value)).collect();
    crate::pipe::print(&lines)
}

/// Every property with what it accepts, its default and its meaning.
pub fn help<C: Settings>() -> String {
    let defaults = C::default();
    let mut out = String::from("Properties of the file:\n");
    for setting in C::TABLE {
        let default = if setting.computed { "computed".to_owned() } else { format!("{:?}", (setting.get)(&defaults)) };
        // Writing into a String cannot fail.
        let _ = write!(out, "\n  {} ({}; default {default})\n      {}", setting.name, (setting.accepts)(), setting.doc);
    }
    out
}
