//! Checks of topic and group names with the remarks of a 5.4.0 broker (broker.md 2.3).
use super::error::Refusal;
use ferromq_protocol::code::response;
use ferromq_protocol::topic::{DERIVED_TOPIC_CHARS_MAX, DLQ_PREFIX, GROUP_CHARS_MAX, RETRY_PREFIX, TOPIC_CHARS_MAX};

/// The characters a name may have, as the remarks give them.
const ALLOWED: &str = "^[%|a-zA-Z0-9_-]+$";

fn is_legal(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'-' | b'_'))
}

/// Checks a topic name; a violation is INVALID_PARAMETER.
pub fn check_topic(topic: &str) -> Result<(), Refusal> {
    let refuse = |remark: String| Err(Refusal::new(response::INVALID_PARAMETER, remark));
    if topic.trim().is_empty() {
        return refuse("The specified topic is blank.".into());
    }
    if !is_legal(topic) {
        return refuse(format!("The specified topic: {topic}, contains illegal characters, allowing only {ALLOWED}"));
    }
    let derived = topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX);
    if derived && topic.len() > DERIVED_TOPIC_CHARS_MAX {
        return refuse(format!(
            "The specified topic is DLQ or Retry topic: {topic}, is longer than topic max length {DERIVED_TOPIC_CHARS_MAX}."
        ));
    }
    if !derived && topic.len() > TOPIC_CHARS_MAX {
        return refuse(format!("The specified topic: {topic}, is longer than topic max length {TOPIC_CHARS_MAX}."));
    }
    Ok(())
}

/// Checks a group name; a violation is INVALID_PARAMETER.
pub fn check_group(group: &str) -> Result<(), Refusal> {
    let refuse = |remark: String| Err(Refusal::new(response::INVALID_PARAMETER, remark));
    if group.trim().is_empty() {
        return refuse("The specified group is blank.".into());
    }
    if !is_legal(group) {
        return refuse(format!("The specified group: {group}, contains illegal characters, allowing only {ALLOWED}"));
    }
    if group.len() > GROUP_CHARS_MAX {
        return refuse(format!("The specified group: {group}, is longer than group max length {GROUP_CHARS_MAX}."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_remarks_are_those_of_the_reference() {
        assert_eq!(check_topic(" ").unwrap_err().remark, "The specified topic is blank.");
        assert!(check_topic("bad name")
            .unwrap_err()
            .remark
            .starts_with("The specified topic: bad name, contains illegal characters, allowing"));
        assert!(check_topic(&"t".repeat(127)).is_ok());
        assert!(check_topic(&"t".repeat(128)).unwrap_err().remark.contains("longer than topic max length"));
        assert!(check_topic(&format!("%RETRY%{}", "t".repeat(248))).is_ok());
        assert!(check_topic(&format!("%RETRY%{}", "t".repeat(249)))
            .unwrap_err()
            .remark
            .starts_with("The specified topic is DLQ or Retry topic:"));
        assert!(check_group(&"g".repeat(121)).is_err() && check_group(&"g".repeat(120)).is_ok());
    }
}
