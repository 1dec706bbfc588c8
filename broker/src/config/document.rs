//! Text generated from the property table: a sample `broker.conf` and the reference page.
use super::table::BrokerConfig;
use std::fmt::Write;

/// A `broker.conf` in which every property stands as a comment with its default and meaning.
pub fn sample() -> String {
    let defaults = BrokerConfig::default();
    let mut out = String::from("# FerroMQ broker. Every line is a default; remove the leading # to change it.\n");
    for property in BrokerConfig::TABLE {
        let value = if property.computed { String::new() } else { (property.get)(&defaults) };
        // Writing into a String cannot fail.
        let _ = write!(out, "\n# {}\n#{}={}\n", property.doc, property.name, value);
    }
    out
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let defaults = BrokerConfig::default();
    let mut out = String::from(
        "# Broker properties\n\nGenerated from the property table; `live` means that a running broker takes the change.\n\n\
         | Property | Accepts | Default | Live | Meaning |\n|---|---|---|---|---|\n",
    );
    for property in BrokerConfig::TABLE {
        let default =
            if property.computed { "(computed)".to_owned() } else { format!("`{}`", (property.get)(&defaults)) };
        let accepts = (property.accepts)().replace('|', "\\|");
        let live = if property.traits.reloadable { "yes" } else { "" };
        let _ = writeln!(out, "| {} | {accepts} | {default} | {live} | {} |", property.name, property.doc);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_file_the_broker_reads_without_a_warning() {
        let active: String = sample().lines().map(|l| format!("{}\n", l.strip_prefix('#').unwrap_or(l))).collect();
        let properties: String =
            active.lines().filter(|l| l.contains('=') && !l.starts_with(' ')).map(|l| format!("{l}\n")).collect();
        let text: String = properties.lines().filter(|l| !l.ends_with('=')).map(|l| format!("{l}\n")).collect();
        let (_, warnings) = BrokerConfig::from_properties(&text).expect("sample is valid");
        assert_eq!(warnings, []);
    }

    #[test]
    fn the_reference_has_one_line_per_property() {
        assert_eq!(reference().lines().filter(|l| l.starts_with("| ")).count(), BrokerConfig::TABLE.len() + 1);
    }
}
