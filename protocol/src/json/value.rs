//! The value tree and its lenient accessors.
use std::borrow::Cow;

/// A JSON value. Members of objects keep their order; on equal names the last one counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without point or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    Array(Vec<Value>),
    /// Members in order.
    Object(Vec<(Key, Value)>),
}

/// The key of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// `"name":` (integer keys in quotes are texts, too; see [`Key::as_i64`]).
    Text(String),
    /// `0:`
    Int(i64),
    /// `{"brokerName":"b","queueId":0,"topic":"T"}:`; always a [`Value::Object`].
    Object(Box<Value>),
}

impl Key {
    /// The text of a text key.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Key::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer key, with or without quotes.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Key::Int(int) => Some(*int),
            Key::Text(text) => text.trim().parse().ok(),
            Key::Object(_) => None,
        }
    }

    /// A text key as it is, an integer key in decimal, an object key as its JSON text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Key::Text(text) => Cow::Borrowed(text),
            Key::Int(int) => Cow::Owned(int.to_string()),
            Key::Object(object) => {
                Cow::Owned(String::from_utf8_lossy(&object.write(super::Flavour::Java)).into_owned())
            }
        }
    }

    /// The object of an object key; a text key that holds the JSON of an object counts as well (wire.md 5.0).
    pub fn object(&self) -> Option<Cow<'_, Value>> {
        match self {
            Key::Object(object) => Some(Cow::Borrowed(object)),
            Key::Text(text) if text.trim_start().starts_with('{') => super::parse(text.as_bytes()).ok().map(Cow::Owned),
            _ => None,
        }
    }
}

impl Value {
    /// An object with text keys, in the order given.
    pub fn object<K: Into<Key>, V: Into<Value>>(members: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::Object(members.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// A list.
    pub fn array<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }

    /// The member `name`; `None` when this is no object, the member is missing, or it is null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.entries().iter().rev().find(|(k, _)| k.as_str() == Some(name))?;
        (!value.is_null()).then_some(value)
    }

    /// The member `name` for changing; `None` when this is no object or the member is missing.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let Value::Object(members) = self else { return None };
        members.iter_mut().rev().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v)
    }

    /// Replaces the member `name`, or adds it at the end. Does nothing when this is no object.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.get_mut(name) {
            Some(slot) => *slot = value,
            None => {
                if let Value::Object(members) = self {
                    members.push((Key::Text(name.to_string()), value));
                }
            }
        }
    }

    /// The members of an object; empty for anything else.
    pub fn entries(&self) -> &[(Key, Value)] {
        match self {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; empty for anything else.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
    /// True for an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }
    /// True for a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Value::Array(_))
    }

    /// The text of a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of any scalar, as Java converts it: `5`, `0.5`, `true`. `None` for null, lists and objects.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Int(int) => Some(Cow::Owned(int.to_string())),
            Value::Float(float) => Some(Cow::Owned(format!("{float:?}"))),
            Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            _ => None,
        }
    }

    /// An integer, also from `"5"`, `5.0` and `true` (1).
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            Value::Float(float) => whole(*float),
            Value::Text(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// [`Value::as_i64`] when it fits 32 bits.
    pub fn as_i32(&self) -> Option<i32> {
        self.as_i64().and_then(|int| i32::try_from(int).ok())
    }

    /// A number, also from a text.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A flag, also from `"true"` in any case, and from numbers (0 is false).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            Value::Int(int) => Some(*int != 0),
            Value::Text(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
            Value::Text(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
            _ => None,
        }
    }

    /// The integer of the member `name`, as [`Value::as_i64`].
    pub fn i64_of(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }
    /// The integer of the member `name`, as [`Value::as_i32`].
    pub fn i32_of(&self, name: &str) -> Option<i32> {
        self.get(name).and_then(Value::as_i32)
    }
    /// The flag of the member `name`, as [`Value::as_bool`].
    pub fn bool_of(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }
    /// The text of the scalar member `name`, as [`Value::text`].
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Value::text).map(Cow::into_owned)
    }
}

/// A float without a fraction as an integer; beyond 53 bits it would not be exact and is none.
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
}

macro_rules! from {
    ($($from:ty => |$v:ident| $to:expr),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Value {
                $to
            }
        }
    )*};
}
from! {
    bool => |v| Value::Bool(v),
    i32 => |v| Value::Int(i64::from(v)),
    u32 => |v| Value::Int(i64::from(v)),
    i64 => |v| Value::Int(v),
    f64 => |v| Value::Float(v),
    &str => |v| Value::Text(v.to_string()),
    &String => |v| Value::Text(v.clone()),
    String => |v| Value::Text(v),
    Vec<Value> => |v| Value::Array(v),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key::Text(text.to_string())
    }
}
impl From<String> for Key {
    fn from(text: String) -> Key {
        Key::Text(text)
    }
}
impl From<i64> for Key {
    fn from(int: i64) -> Key {
        Key::Int(int)
    }
}
impl From<i32> for Key {
    fn from(int: i32) -> Key {
        Key::Int(i64::from(int))
    }
}
impl From<Value> for Key {
    /// An object key; a scalar becomes the text key of its text.
    fn from(value: Value) -> Key {
        match value.text() {
            Some(text) => Key::Text(text.into_owned()),
            None => Key::Object(Box::new(value)),
        }
    }
}
