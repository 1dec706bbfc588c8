//! Topic attributes as administration changes them: `+key=value,-key` (broker.md 10.1, store.md 12.1).
//!
//! Pure functions; the texts are the reference's.
use std::collections::BTreeMap;

/// Values a known attribute accepts.
enum Accepts {
    OneOf(&'static [&'static str]),
    Number,
}

struct Attribute {
    name: &'static str,
    changeable: bool,
    accepts: Accepts,
}

const KNOWN: &[Attribute] = &[
    Attribute { name: "queue.type", changeable: false, accepts: Accepts::OneOf(&["SimpleCQ", "BatchCQ"]) },
    Attribute { name: "cleanup.policy", changeable: false, accepts: Accepts::OneOf(&["DELETE", "COMPACTION"]) },
    Attribute {
        name: "message.type",
        changeable: true,
        accepts: Accepts::OneOf(&["UNSPECIFIED", "MIXED", "TRANSACTION", "DELAY", "NORMAL", "FIFO"]),
    },
    Attribute { name: "reserve.time", changeable: true, accepts: Accepts::Number },
];

/// Whether the queues of a topic with these attributes are batch consume queues (store.md 3.6).
pub fn is_batch(attributes: &BTreeMap<String, String>) -> bool {
    attributes.get("queue.type").is_some_and(|kind| kind == "BatchCQ")
}

/// Reads the text of a request. Keys keep their sign.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut changes = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = match (part.starts_with('+'), part.split_once('=')) {
            (true, Some((key, value))) => (key, value),
            (true, None) => return Err(format!("add/alter attribute format is wrong: {part}")),
            (false, Some(_)) => return Err(format!("delete attribute format is wrong: {part}")),
            (false, None) => (part, ""),
        };
        if changes.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("key duplication: {key}"));
        }
    }
    Ok(changes)
}

/// The attributes after the changes; `current` is `None` for a topic that is created.
pub fn apply(
    current: Option<&BTreeMap<String, String>>,
    changes: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut result = current.cloned().unwrap_or_default();
    for (signed, value) in changes {
        if let Some(key) = signed.strip_prefix('+') {
            check(key, value, current.is_some_and(|c| c.contains_key(key)))?;
            result.insert(key.to_owned(), value.clone());
        } else if let Some(key) = signed.strip_prefix('-') {
            if current.is_none() {
                return Err("only add attribute is supported while creating topic.".into());
            }
            known(key)?;
            if result.remove(key).is_none() {
                return Err(format!("attempt to delete a nonexistent key: {key}"));
            }
        } else {
            return Err(format!("wrong format key: {signed}"));
        }
    }
    Ok(result)
}

fn known(key: &str) -> Result<&'static Attribute, String> {
    KNOWN.iter().find(|a| a.name == key).ok_or_else(|| format!("unsupported key: {key}"))
}

fn check(key: &str, value: &str, exists: bool) -> Result<(), String> {
    let attribute = known(key)?;
    if exists && !attribute.changeable {
        return Err(format!("attempt to update an unchangeable attribute. key: {key}"));
    }
    match attribute.accepts {
        Accepts::OneOf(values) if !values.contains(&value) => {
            Err(format!("value is not in set: [{}]", values.join(", ")))
        }
        Accepts::Number if value.parse::<i64>().is_err() => Err(format!("value is not a number: {value}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(current: Option<&str>, text: &str) -> Result<BTreeMap<String, String>, String> {
        let current = current.map(|c| apply(None, &parse(c).expect("valid")).expect("valid"));
        apply(current.as_ref(), &parse(text)?)
    }

    #[test]
    fn the_reference_texts_for_what_is_refused() {
        let message = |current, text| change(current, text).unwrap_err();
        assert_eq!(message(None, "-message.type"), "only add attribute is supported while creating topic.");
        assert_eq!(message(None, "+no.such=1"), "unsupported key: no.such");
        assert_eq!(message(None, "+message.type=FIFO,+message.type=DELAY"), "key duplication: +message.type");
        assert!(
            message(None, "+message.type=WRONG").starts_with("value is not in set: [UNSPECIFIED, MIXED, TRANSACTION,")
        );
        assert!(message(Some("+queue.type=BatchCQ"), "+queue.type=SimpleCQ")
            .starts_with("attempt to update an unchangeable"));
        assert!(message(Some(""), "-message.type").starts_with("attempt to delete a nonexistent key"));
    }

    #[test]
    fn attributes_are_added_changed_and_deleted() {
        assert_eq!(change(Some("+message.type=FIFO"), "+message.type=DELAY").expect("valid")["message.type"], "DELAY");
        assert!(change(Some("+message.type=FIFO"), "-message.type").expect("valid").is_empty());
    }
}
