//! Text generated from a table of settings: a sample file and the reference page. Functions of the table.
use super::{Settings, WithoutEffect};
use std::fmt::Write;

/// A properties file in which every setting stands as a comment with its default and meaning. `head` says what it is of.
pub fn sample<C: Settings>(head: &str) -> String {
    let defaults = C::default();
    let mut out = format!("# {head} Every line is a default; remove the leading # to change it.\n");
    for setting in C::TABLE {
        let value = if setting.computed { String::new() } else { (setting.get)(&defaults) };
        // Writing into a String cannot fail.
        let _ = write!(out, "\n# {}\n#{}={}\n", setting.doc, setting.name, value);
    }
    out
}

/// The reference page, in Markdown.
pub fn reference<C: Settings>(title: &str) -> String {
    let defaults = C::default();
    let mut out = format!(
        "# {title}\n\nGenerated from the table of settings by `cargo xtask gen`. `live`: a running server takes the change; of the \
         others it takes effect at the next start.\n\n\
         | Property | Accepts | Default | Live | Meaning |\n|---|---|---|---|---|\n",
    );
    for setting in C::TABLE {
        let default =
            if setting.computed { "(computed)".to_owned() } else { format!("`{}`", (setting.get)(&defaults)) };
        let accepts = (setting.accepts)().replace('|', "\\|");
        let live = if setting.traits.reloadable { "yes" } else { "" };
        let _ = writeln!(out, "| {} | {accepts} | {default} | {live} | {} |", setting.name, setting.doc);
    }
    if !C::WITHOUT_EFFECT.is_empty() {
        out.push_str(
            "\n## Known, without effect here\n\nFiles that set these are accepted, with a warning that gives the reason.\n",
        );
        C::WITHOUT_EFFECT.iter().for_each(|group| add_group(&mut out, group));
    }
    out
}

fn add_group(out: &mut String, group: &WithoutEffect) {
    let names: Vec<String> = group.names.split_whitespace().map(|name| format!("`{name}`")).collect();
    let mut reason = group.reason.chars();
    let first = reason.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let _ = write!(out, "\n{first}{}:\n{}.\n", reason.as_str(), names.join(", "));
}
