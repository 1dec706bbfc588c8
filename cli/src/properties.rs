//! The properties of a server in the text of `--help`. Made of the table that the server reads.
use ferromq_protocol::settings::Settings;
use std::fmt::Write;

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
