//! Options as data: one table per object, from which bindings check what their users give and write their documentation.
//!
//! Names are written `like_this`; a binding of a language that writes `likeThis` says so ([`Dialect`]). Plain numbers of
//! durations are in the unit of the dialect; text may carry its unit (`"500ms"`, `"3s"`, `"5m"`).
mod tables;
mod value;

pub use ferromq_protocol::nearest::nearest;
pub use tables::{LiteConfig, ProducerConfig, PushConfig, LITE_OPTIONS, PRODUCER_OPTIONS, PUSH_OPTIONS};
pub use value::OptionValue;

use crate::failure::{Class, Failure};
use std::time::Duration;

/// What an option accepts and where it goes.
#[derive(Debug)]
pub enum Setter<C> {
    /// Any text.
    Text(fn(&mut C, String)),
    /// True or false.
    Flag(fn(&mut C, bool)),
    /// A whole number between two bounds, both included.
    Int(i64, i64, fn(&mut C, i64)),
    /// A time span of at most a year.
    Duration(fn(&mut C, Duration)),
    /// One of these texts, given by its index.
    Choice(&'static [&'static str], fn(&mut C, usize)),
    /// `first`, `last`, or milliseconds since 1970.
    Start(fn(&mut C, ferromq::ConsumeFrom)),
}

/// One option.
#[derive(Debug)]
pub struct OptionSpec<C> {
    /// Its name, `like_this`.
    pub name: &'static str,
    /// Its name in the Java client; empty when Java has none.
    pub java: &'static str,
    /// The default as text that can be given; empty when there is none or it is computed.
    pub default: &'static str,
    /// One sentence for documentation.
    pub doc: &'static str,
    /// What it accepts.
    pub setter: Setter<C>,
}

/// How a language writes options.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Names are written `likeThis`.
    pub camel_case: bool,
    /// The unit of durations given as numbers.
    pub unit: Duration,
    /// What the client calls itself (wire.md 2.4), a constant of `ferromq_protocol::language`.
    pub language: i32,
}

impl Dialect {
    /// Python: `like_this`, seconds.
    pub const PYTHON: Dialect = Dialect { camel_case: false, unit: Duration::from_secs(1), language: 3 };
    /// Node: `likeThis`, milliseconds.
    pub const NODE: Dialect = Dialect { camel_case: true, unit: Duration::from_millis(1), language: 13 };
    /// C: `like_this`, milliseconds. The protocol has no number for C: it goes as C++.
    pub const C: Dialect = Dialect { camel_case: false, unit: Duration::from_millis(1), language: 1 };

    /// A table's name as the language writes it.
    pub fn spell(&self, name: &str) -> String {
        if !self.camel_case {
            return name.to_owned();
        }
        let mut spelled = String::with_capacity(name.len());
        let mut upper = false;
        for letter in name.chars() {
            match letter {
                '_' => upper = true,
                letter if upper => {
                    spelled.extend(letter.to_uppercase());
                    upper = false;
                }
                letter => spelled.push(letter),
            }
        }
        spelled
    }
}

/// Sets the options that a user gave, in their order.
///
/// # Errors
/// [`Class::Config`]: an unknown name (with the nearest known one), a wrong type, or a value out of range.
pub fn apply<C>(
    config: &mut C,
    table: &[OptionSpec<C>],
    dialect: Dialect,
    given: impl IntoIterator<Item = (String, OptionValue)>,
) -> Result<(), Failure> {
    for (name, value) in given {
        let Some(spec) = table.iter().find(|spec| dialect.spell(spec.name) == name) else {
            return Err(unknown(&name, table, dialect));
        };
        spec.set(config, &value, dialect)
            .map_err(|wrong| Failure::new(Class::Config, format!("option {name}: {value} is not {wrong}")))?;
    }
    Ok(())
}

fn unknown<C>(name: &str, table: &[OptionSpec<C>], dialect: Dialect) -> Failure {
    let known: Vec<String> = table.iter().map(|spec| dialect.spell(spec.name)).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    };
    Failure::new(Class::Config, format!("option {name} is unknown: {hint}"))
}

impl<C> OptionSpec<C> {
    /// Sets the option; an error is what would have been accepted.
    fn set(&self, config: &mut C, value: &OptionValue, dialect: Dialect) -> Result<(), String> {
        match &self.setter {
            Setter::Text(set) => set(config, value.text().ok_or("a text")?.to_owned()),
            Setter::Flag(set) => set(config, value.flag().ok_or("true or false")?),
            Setter::Int(min, max, set) => {
                let number = value.int().filter(|number| (*min..=*max).contains(number));
                set(config, number.ok_or_else(|| format!("a whole number from {min} to {max}"))?);
            }
            Setter::Duration(set) => set(config, value.duration(dialect.unit).ok_or_else(|| duration_wanted(dialect))?),
            Setter::Choice(choices, set) => {
                let chosen = value.text().and_then(|text| choices.iter().position(|choice| *choice == text));
                set(config, chosen.ok_or_else(|| format!("one of {}", choices.join(", ")))?);
            }
            Setter::Start(set) => set(config, value.start().ok_or("first, last or milliseconds since 1970")?),
        }
        Ok(())
    }

    /// What it accepts, for documentation.
    pub fn accepts(&self) -> String {
        match &self.setter {
            Setter::Text(_) => "text".to_owned(),
            Setter::Flag(_) => "true or false".to_owned(),
            Setter::Int(min, max, _) => format!("{min} to {max}"),
            Setter::Duration(_) => "duration".to_owned(),
            Setter::Choice(choices, _) => choices.join(", "),
            Setter::Start(_) => "first, last, milliseconds since 1970".to_owned(),
        }
    }
}

fn duration_wanted(dialect: Dialect) -> String {
    let unit = if dialect.unit == Duration::from_secs(1) { "seconds" } else { "milliseconds" };
    format!("a duration of up to a year: {unit}, or text like \"500ms\", \"3s\", \"5m\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(given: &[(&str, OptionValue)], dialect: Dialect) -> Result<ProducerConfig, Failure> {
        let mut config = ProducerConfig::new("G", dialect);
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        apply(&mut config, PRODUCER_OPTIONS, dialect, given).map(|()| config)
    }

    /// Numbers of durations are in the language's unit, text carries its own, names follow the language.
    #[test]
    fn dialects() {
        let seconds = producer(&[("send_timeout", OptionValue::Float(1.5))], Dialect::PYTHON).unwrap();
        let millis = producer(&[("sendTimeout", OptionValue::Int(1500))], Dialect::NODE).unwrap();
        let text = producer(&[("send_timeout", OptionValue::Text("1500ms".into()))], Dialect::C).unwrap();
        for config in [seconds, millis, text] {
            assert_eq!(config.options.send_timeout, Duration::from_millis(1500));
        }
    }

    /// Unknown names are answered with the nearest, wrong values with what is accepted.
    #[test]
    fn refused() {
        let text = |given: &[(&str, OptionValue)], dialect| producer(given, dialect).unwrap_err().to_string();
        let near = text(&[("send_time_out", OptionValue::Int(1))], Dialect::PYTHON);
        assert_eq!(near, "option send_time_out is unknown: did you mean send_timeout?");
        assert!(text(&[("sendTimout", OptionValue::Int(1))], Dialect::NODE).ends_with("did you mean sendTimeout?"));
        assert!(text(&[("xyz", OptionValue::Int(1))], Dialect::C).contains("known are namesrv, "));
        let range = text(&[("retries", OptionValue::Int(-1))], Dialect::C);
        assert_eq!(range, "option retries: -1 is not a whole number from 0 to 1000");
        assert!(text(&[("retries", OptionValue::Flag(true))], Dialect::C).ends_with("a whole number from 0 to 1000"));
        assert!(text(&[("send_timeout", OptionValue::Float(f64::NAN))], Dialect::C).contains("is not a duration"));
        assert!(text(&[("compression", OptionValue::Text("gzip".into()))], Dialect::C).ends_with("zlib, lz4, zstd"));
    }
}
