//! The command lines of Apache's tool: `-t value`, `--topic value`, `--topic=value`, switches, required options. Plain functions.
use std::collections::BTreeMap;

/// An option of a subcommand.
pub(super) struct Opt {
    pub letter: &'static str,
    pub long: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value; the option must be there.
    Must,
    /// A value.
    May,
    /// Nothing.
    Switch,
}

/// Options of every subcommand.
const COMMON: &[Opt] = &[
    Opt { letter: "h", long: "help", kind: Kind::Switch, doc: "Print help" },
    Opt {
        letter: "n",
        long: "namesrvAddr",
        kind: Kind::May,
        doc: "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'",
    },
];

/// What a command line said, by letter.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Reads a command line; the error is the sentence for the user.
    pub fn parse(options: &[Opt], words: &[&str]) -> Result<Values, String> {
        let mut values = BTreeMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                return Err(format!("unexpected argument: {word}"));
            };
            let (name, attached) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            let known = options.iter().chain(COMMON).find(|option| option.letter == name || option.long == name);
            let option = known.ok_or_else(|| format!("Unrecognized option: {word}"))?;
            let value = match (option.kind, attached) {
                (Kind::Switch, _) => String::new(),
                (_, Some(value)) => value.to_owned(),
                (_, None) => {
                    let next = words.next().ok_or_else(|| format!("Missing argument for option: {}", option.letter))?;
                    (*next).to_owned()
                }
            };
            values.insert(letter_of(option), value);
        }
        let values = Values(values);
        let missing = options.iter().filter(|option| option.kind == Kind::Must && !values.has(option.letter));
        let missing: Vec<&str> = missing.map(|option| option.letter).collect();
        if missing.is_empty() || values.has("h") {
            Ok(values)
        } else {
            let plural = if missing.len() > 1 { "s" } else { "" };
            Err(format!("Missing required option{plural}: {}", missing.join(", ")))
        }
    }

    /// The value of an option.
    pub fn get(&self, letter: &str) -> Option<&str> {
        self.0.get(letter).map(String::as_str)
    }

    /// Whether the option is there.
    pub fn has(&self, letter: &str) -> bool {
        self.0.contains_key(letter)
    }
}

fn letter_of(option: &Opt) -> &'static str {
    option.letter
}

/// `usage: mqadmin ...` and one line per option, sorted by letter.
pub(super) fn usage(command: &str, options: &[Opt]) -> String {
    let mut all: Vec<&Opt> = options.iter().chain(COMMON).collect();
    all.sort_by_key(|option| option.letter.to_ascii_lowercase());
    let short: Vec<String> = all
        .iter()
        .map(|option| match option.kind {
            Kind::Must => format!("-{} <arg>", option.letter),
            Kind::May => format!("[-{} <arg>]", option.letter),
            Kind::Switch => format!("[-{}]", option.letter),
        })
        .collect();
    let mut out = format!("usage: mqadmin {command} {}\n", short.join(" "));
    for option in all {
        let takes = if option.kind == Kind::Switch { "" } else { " <arg>" };
        out.push_str(&format!(" {:<26} {}\n", format!("-{},--{}{takes}", option.letter, option.long), option.doc));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        Opt { letter: "t", long: "topic", kind: Kind::Must, doc: "topic name" },
        Opt { letter: "s", long: "time", kind: Kind::May, doc: "time" },
        Opt { letter: "l", long: "list", kind: Kind::Switch, doc: "list" },
    ];

    /// Short, long and attached forms mean the same; a value may begin with a dash.
    #[test]
    fn forms_of_options() {
        let wanted = Values::parse(OPTIONS, &["-t", "T", "-s", "-1", "-l"]).unwrap();
        assert_eq!((wanted.get("t"), wanted.get("s"), wanted.has("l")), (Some("T"), Some("-1"), true));
        assert_eq!(Values::parse(OPTIONS, &["--topic", "T", "--time=-1", "--list"]).unwrap(), wanted);
    }

    /// What is missing or unknown is named; help needs no required option.
    #[test]
    fn wrong_command_lines() {
        assert_eq!(Values::parse(OPTIONS, &[]).unwrap_err(), "Missing required option: t");
        assert_eq!(Values::parse(OPTIONS, &["-x"]).unwrap_err(), "Unrecognized option: -x");
        assert_eq!(Values::parse(OPTIONS, &["-t"]).unwrap_err(), "Missing argument for option: t");
        assert!(Values::parse(OPTIONS, &["-h"]).unwrap().has("h"));
    }
}
