//! Resolving `{"$ref":"$.a.b[0]"}`, which Java writes instead of a second copy of one object.
//!
//! References are looked up in the document as it was parsed; those inside a copy become empty objects, and copies stop
//! when their sum reaches a limit. So neither cycles nor references to references can blow a document up.
use super::{Key, Value};

/// Most values that all references of a document may copy; later references become empty objects.
const COPIED_MAX: usize = 1_000_000;
/// Most members that all look-ups of a document may walk past; later references become empty objects.
const STEPS_MAX: usize = 20_000_000;

/// What resolving has cost so far.
#[derive(Default)]
struct Cost {
    copied: usize,
    steps: usize,
}

/// The document with its references replaced.
pub(super) fn resolve(document: Value) -> Value {
    let mut cost = Cost::default();
    let mut resolved = document.clone();
    replace(&mut resolved, &document, &mut cost);
    resolved
}

/// The path of a value that is nothing but a reference.
fn path_of(value: &Value) -> Option<&str> {
    match value.entries() {
        [(Key::Text(name), Value::Text(path))] if name == "$ref" => Some(path),
        _ => None,
    }
}

fn replace(value: &mut Value, document: &Value, cost: &mut Cost) {
    if let Some(path) = path_of(value) {
        *value = match find(document, path, cost) {
            Some(target) => copy(target, cost),
            None => Value::Object(Vec::new()),
        };
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, document, cost)),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| replace(member, document, cost)),
        _ => {}
    }
}

/// A copy without references; empty objects beyond the limit.
fn copy(value: &Value, cost: &mut Cost) -> Value {
    cost.copied += 1;
    if cost.copied > COPIED_MAX || path_of(value).is_some() {
        return Value::Object(Vec::new());
    }
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| copy(item, cost)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, member)| (key.clone(), copy(member, cost))).collect())
        }
        scalar => scalar.clone(),
    }
}

/// Follows `$.a.b[0]` from the root. Other forms (`@`, `..`) lead nowhere.
fn find<'a>(document: &'a Value, path: &str, cost: &mut Cost) -> Option<&'a Value> {
    let mut value = document;
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        cost.steps += value.entries().len() + rest.len();
        if cost.steps > STEPS_MAX {
            return None;
        }
        if let Some(after) = rest.strip_prefix('[') {
            let (index, tail) = after.split_once(']')?;
            value = match index.parse::<usize>() {
                Ok(index) if value.is_array() => value.items().get(index)?,
                Ok(index) => integer_member(value, index as i64)?,
                Err(_) => value.get(index.trim_matches(['"', '\'']))?,
            };
            rest = tail;
        } else {
            rest = rest.strip_prefix('.')?;
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            // A member name may itself contain a dot (broker addresses); the longest match wins.
            let whole = value.get(rest);
            value = match whole {
                Some(member) => return Some(member),
                None => value.get(&rest[..end])?,
            };
            rest = &rest[end..];
        }
    }
    Some(value)
}

fn integer_member(value: &Value, index: i64) -> Option<&Value> {
    value.entries().iter().find(|(key, _)| key.as_i64() == Some(index)).map(|(_, member)| member)
}
