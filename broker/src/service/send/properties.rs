//! What a send has to know of a message's property text, found in one pass; and how the stored text is made from it.
//!
//! The stored text is the client's text followed by what the broker adds (wire.md 6.5). Only texts that need it are taken
//! apart: those with an entry that Java would drop, or with a name that the broker sets or removes itself.
use ferromq_protocol::properties::{self, NAME_SEPARATOR, PROPERTY_SEPARATOR};

/// The entries of a client's property text that decide how a message is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    /// UNIQ_KEY.
    pub unique_key: Option<&'a str>,
    /// DELAY, not checked.
    pub delay: Option<&'a str>,
    /// WAIT says not to wait for flush and replication.
    pub no_wait: bool,
    /// TRAN_MSG is true.
    pub transactional: bool,
    /// One of TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS is there.
    pub timer: bool,
    /// TIMER_OUT_MS is there.
    pub timer_out: bool,
    /// INNER_NUM is there.
    pub inner_num: bool,
    /// KEYS is there.
    pub keys: bool,
    /// The text cannot be taken over as it is.
    pub rebuild: bool,
}

/// Reads a property text; of equal names the last one wins, as in Java.
pub fn scan(text: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let text = text.strip_suffix(PROPERTY_SEPARATOR).unwrap_or(text);
    if text.is_empty() {
        return scan;
    }
    for piece in properties::pieces(text) {
        match piece {
            Some((name, value)) => note(&mut scan, name, value),
            None => scan.rebuild = true,
        }
    }
    scan
}

fn note<'a>(scan: &mut Scan<'a>, name: &str, value: &'a str) {
    match name {
        properties::UNIQ_KEY => scan.unique_key = Some(value),
        properties::DELAY => scan.delay = Some(value),
        properties::WAIT => scan.no_wait = !value.eq_ignore_ascii_case("true"),
        properties::TRANSACTION_PREPARED => scan.transactional = value.eq_ignore_ascii_case("true"),
        properties::TIMER_DELAY_SEC | properties::TIMER_DELAY_MS | properties::TIMER_DELIVER_MS => scan.timer = true,
        properties::TIMER_OUT_MS => scan.timer_out = true,
        properties::INNER_NUM => scan.inner_num = true,
        properties::KEYS => scan.keys = !value.trim().is_empty(),
        properties::MSG_REGION | properties::TRACE_SWITCH | properties::CLUSTER | properties::POP_CK => {
            scan.rebuild = true
        }
        _ => {}
    }
}

/// True for names that the broker sets on every single send, or removes from it.
pub fn is_brokers_own(name: &str) -> bool {
    matches!(name, properties::MSG_REGION | properties::TRACE_SWITCH | properties::CLUSTER | properties::POP_CK)
}

/// True for the names that a delay level replaces or removes (store.md 7.1).
pub fn is_delay_related(name: &str) -> bool {
    matches!(
        name,
        properties::TIMER_DELAY_SEC
            | properties::TIMER_DELAY_MS
            | properties::TIMER_DELIVER_MS
            | properties::DELAY
            | properties::REAL_TOPIC
            | properties::REAL_QUEUE_ID
    )
}

/// Appends a whole text, with the separator after its last entry.
pub fn push_text(out: &mut String, text: &str) {
    out.push_str(text);
    if !text.is_empty() && !text.ends_with(PROPERTY_SEPARATOR) {
        out.push(PROPERTY_SEPARATOR);
    }
}

/// Appends the entries whose names are not to be left out; entries that Java would drop are dropped.
pub fn push_without(out: &mut String, text: &str, leave_out: impl Fn(&str) -> bool) {
    properties::iter(text).filter(|(name, _)| !leave_out(name)).for_each(|(name, value)| push(out, name, value));
}

/// Appends one entry.
pub fn push(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(NAME_SEPARATOR);
    out.push_str(value);
    out.push(PROPERTY_SEPARATOR);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_finds_everything_that_decides() {
        let text = "UNIQ_KEY\u{1}A\u{2}WAIT\u{1}false\u{2}TAGS\u{1}t\u{2}DELAY\u{1}3\u{2}KEYS\u{1}k";
        let found = scan(text);
        let expected = Scan { unique_key: Some("A"), delay: Some("3"), no_wait: true, keys: true, ..Scan::default() };
        assert_eq!(found, expected);
        assert_eq!(scan(""), Scan::default());
        assert!(scan("TRAN_MSG\u{1}True\u{2}").transactional);
    }

    #[test]
    fn texts_that_java_would_write_differently_are_rebuilt() {
        for text in ["garbage", "a\u{1}\u{2}b\u{1}2\u{2}", "MSG_REGION\u{1}mine\u{2}", "POP_CK\u{1}1 2\u{2}x\u{1}y"] {
            assert!(scan(text).rebuild, "{text:?}");
        }
        let mut out = String::new();
        push_without(&mut out, "a\u{1}\u{2}b\u{1}2\u{2}CLUSTER\u{1}x", is_brokers_own);
        assert_eq!(out, "b\u{1}2\u{2}");
    }
}
