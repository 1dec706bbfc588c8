//! The settings of a server as one table, from which reading, checking, listings, the sample file and the reference page come, and
//! what the requests of administration read and change.
//!
//! [`settings!`](crate::settings!) declares a table; its struct is a plain value. Files are Java properties
//! ([`crate::java_properties`]). What a file names and the table does not is a warning, never silence: a name that Apache's server
//! knows and that has no effect here says why, any other is answered with the nearest known one. Functions of text: who reads
//! files and who holds the running values is the server's business.
mod document;
mod table;
mod value;

pub use document::{reference, sample};
pub use table::checked;
pub use value::{expectation, LogLevel, SettingValue};

use crate::java_properties::{self, PropertiesError};
use crate::nearest::nearest;

/// A setting that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The value does not fit the setting.
    #[error("property {name} has the value {value:?}; expected is {expected}")]
    Value {
        /// Its name.
        name: String,
        /// The text found.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// There is no such setting, or it has no effect here.
    #[error("property {name} {why}")]
    Unknown {
        /// The name given.
        name: String,
        /// What is known about it, as the end of a sentence.
        why: String,
    },
    /// A line of a file cannot be accepted.
    #[error("line {line}: {source}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why not.
        source: Box<SettingError>,
    },
    /// The file is no properties file.
    #[error(transparent)]
    Syntax(#[from] PropertiesError),
}

/// Something in a file that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of the setting that has no effect here.
    pub name: String,
    /// One sentence for the log, with the number of the line.
    pub text: String,
}

/// How a setting counts: whether a running server takes a change, and whether `-m` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// A change by administration takes effect at once; otherwise at the next start.
    pub reloadable: bool,
    /// Listed by `-m`.
    pub important: bool,
}

/// One line of a table.
#[derive(Debug)]
pub struct Setting<C: 'static> {
    /// Name in the file.
    pub name: &'static str,
    /// One line of meaning.
    pub doc: &'static str,
    /// Reloadable, important.
    pub traits: Traits,
    /// The default depends on the machine or the environment.
    pub computed: bool,
    /// What values are accepted, in words.
    pub accepts: fn() -> String,
    /// Reads the value as text.
    pub get: fn(&C) -> String,
    /// Sets the value from text.
    pub set: fn(&mut C, &str) -> Result<(), SettingError>,
}

/// Settings of Apache's server that have no effect here, with the reason that all of them share.
#[derive(Debug)]
pub struct WithoutEffect {
    /// Why, as the end of a sentence that begins with the setting.
    pub reason: &'static str,
    /// Their names, separated by blanks.
    pub names: &'static str,
}

/// One listed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its current value as text.
    pub value: String,
}

/// A struct of settings with its table; implemented by [`settings!`](crate::settings!), which also gives the struct these functions
/// as its own.
pub trait Settings: Clone + Default + 'static {
    /// The table, in the order of the reference page.
    const TABLE: &'static [Setting<Self>];
    /// What Apache's server knows besides.
    const WITHOUT_EFFECT: &'static [WithoutEffect];
}

/// The table line of a setting.
pub fn line<C: Settings>(name: &str) -> Option<&'static Setting<C>> {
    C::TABLE.iter().find(|setting| setting.name == name)
}

/// Sets one setting from its text.
pub fn set<C: Settings>(config: &mut C, name: &str, value: &str) -> Result<(), SettingError> {
    match line::<C>(name) {
        Some(setting) => (setting.set)(config, value.trim()),
        None => Err(SettingError::Unknown { name: name.to_owned(), why: why_not::<C>(name) }),
    }
}

/// What is known about a name that is not in the table.
fn why_not<C: Settings>(name: &str) -> String {
    if let Some(reason) = reason::<C>(name) {
        return format!("has no effect here: {reason}");
    }
    match nearest(name, C::TABLE.iter().map(|setting| setting.name)) {
        Some(near) => format!("is not known and has no effect; is {near} meant?"),
        None => "is not known and has no effect".to_owned(),
    }
}

/// Why a setting of Apache's has no effect; `None` for names that it does not know either. Those of the table are not listed.
pub fn reason<C: Settings>(name: &str) -> Option<&'static str> {
    let known = |group: &&WithoutEffect| group.names.split_whitespace().any(|other| other == name);
    C::WITHOUT_EFFECT.iter().find(known).map(|group| group.reason)
}

/// Applies the text of a properties file. Names that are not in the table are warnings, since real files carry many; after an error
/// nothing has changed.
pub fn apply<C: Settings>(config: &mut C, text: &str) -> Result<Vec<Warning>, SettingError> {
    let mut changed = config.clone();
    let mut warnings = Vec::new();
    for (line, name, value) in java_properties::parse_lines(text)? {
        match set(&mut changed, &name, &value) {
            Err(unknown @ SettingError::Unknown { .. }) => {
                warnings.push(Warning { name, text: format!("line {line}: {unknown}") });
            }
            other => other.map_err(|source| SettingError::Line { line, source: Box::new(source) })?,
        }
    }
    *config = changed;
    Ok(warnings)
}

/// Settings with their values, in the order of the table: those of which `chosen` says so.
pub fn entries<C: Settings>(config: &C, chosen: impl Fn(&Setting<C>) -> bool) -> Vec<Entry> {
    let table = C::TABLE.iter().filter(|setting| chosen(setting));
    table.map(|setting| Entry { name: setting.name, value: (setting.get)(config) }).collect()
}

/// Listed settings as properties text.
pub fn text(entries: &[Entry]) -> String {
    java_properties::write(entries.iter().map(|entry| (entry.name, entry.value.as_str())))
}
