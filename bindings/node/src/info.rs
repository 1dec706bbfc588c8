//! What TypeScript checks itself against: the version, the error codes, the options.
use ferromq_bridge::options::{nearest, Dialect, OptionSpec, LITE_OPTIONS, PRODUCER_OPTIONS, PUSH_OPTIONS};
use ferromq_bridge::CLASSES;
use napi_derive::napi;

/// The version of the addon: the JavaScript around it must have the same.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A line of the bridge's table of failures.
#[napi(object, object_from_js = false)]
pub struct CodeInfo {
    /// Like `FMQ_TIMEOUT`.
    pub code: String,
    /// One sentence.
    pub doc: String,
}

/// All error codes.
#[napi]
pub fn codes() -> Vec<CodeInfo> {
    CLASSES.iter().map(|info| CodeInfo { code: info.code.to_owned(), doc: info.doc.to_owned() }).collect()
}

/// A line of the bridge's tables of options.
#[napi(object, object_from_js = false)]
pub struct OptionInfo {
    /// `likeThis`.
    pub name: String,
    /// The default as text, or nothing.
    pub default: String,
    /// One sentence.
    pub doc: String,
    /// What it accepts.
    pub accepts: String,
}

/// The options of `producer`, `push` or `lite`.
#[napi]
pub fn options(of: String) -> Vec<OptionInfo> {
    match of.as_str() {
        "producer" => list(PRODUCER_OPTIONS),
        "push" => list(PUSH_OPTIONS),
        "lite" => list(LITE_OPTIONS),
        _ => Vec::new(),
    }
}

fn list<C>(table: &[OptionSpec<C>]) -> Vec<OptionInfo> {
    let line = |spec: &OptionSpec<C>| OptionInfo {
        name: Dialect::NODE.spell(spec.name),
        default: spec.default.to_owned(),
        doc: spec.doc.to_owned(),
        accepts: spec.accepts(),
    };
    table.iter().map(line).collect()
}

/// The name that somebody who wrote `wrong` probably meant.
#[napi]
pub fn nearest_name(wrong: String, known: Vec<String>) -> Option<String> {
    nearest(&wrong, known.iter().map(String::as_str)).map(str::to_owned)
}
