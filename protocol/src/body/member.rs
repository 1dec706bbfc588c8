//! How members of bodies are converted from and to JSON, and the macros that declare bodies.
//!
//! A member is written unless it is null (`None`). It is read when present and not null, else it keeps the default of its
//! declaration. A present value of an unsuitable kind is an error, as in Java; only enums take their default instead.
use crate::json::{Key, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A value that can stand in a body.
pub trait Member: Sized {
    /// As JSON; `Null` for a member to be left out.
    fn to_value(&self) -> Value;
    /// From JSON; `None` when the value is unsuitable.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A value that can be the key of a map in a body.
pub trait MemberKey: Member + Ord {
    /// As a key.
    fn to_key(&self) -> Key;
    /// From a key; `None` when it is unsuitable.
    fn from_key(key: &Key) -> Option<Self>;
}

macro_rules! scalar {
    ($($type:ty => $read:expr),* $(,)?) => {$(
        impl Member for $type {
            fn to_value(&self) -> Value {
                Value::from(self.clone())
            }
            fn from_value(value: &Value) -> Option<Self> {
                $read(value)
            }
        }
    )*};
}
scalar! {
    bool => Value::as_bool,
    i32 => Value::as_i32,
    i64 => Value::as_i64,
    f64 => Value::as_f64,
    String => |value: &Value| value.text().map(|text| text.into_owned()),
}

impl Member for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: Member> Member for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
    fn from_value(value: &Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }
}

impl<T: Member> Member for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(T::to_value).collect())
    }
    fn from_value(value: &Value) -> Option<Self> {
        collect_items(value)
    }
}

impl<T: Member + Ord> Member for BTreeSet<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(T::to_value).collect())
    }
    fn from_value(value: &Value) -> Option<Self> {
        collect_items(value)
    }
}

/// The items of a list without its nulls. A repeated empty list can come as an empty object.
fn collect_items<T: Member, C: FromIterator<T>>(value: &Value) -> Option<C> {
    if !value.is_array() && !is_empty_object(value) {
        return None;
    }
    value.items().iter().filter(|item| !item.is_null()).map(T::from_value).collect()
}

fn is_empty_object(value: &Value) -> bool {
    value.is_object() && value.entries().is_empty()
}

impl<K: MemberKey, T: Member> Member for BTreeMap<K, T> {
    fn to_value(&self) -> Value {
        Value::Object(self.iter().map(|(key, value)| (key.to_key(), value.to_value())).collect())
    }

    /// An object, or the list of pairs that Go writes (wire.md 5.0).
    fn from_value(value: &Value) -> Option<Self> {
        if value.is_object() {
            let entries = value.entries().iter().filter(|(_, value)| !value.is_null());
            return entries.map(|(key, value)| Some((K::from_key(key)?, T::from_value(value)?))).collect();
        }
        if !value.is_array() {
            return None;
        }
        let pair = |item: &Value| match item.items() {
            [key, value] => Some((K::from_value(key)?, T::from_value(value)?)),
            _ => None,
        };
        value.items().iter().map(pair).collect()
    }
}

impl MemberKey for String {
    fn to_key(&self) -> Key {
        Key::Text(self.clone())
    }
    fn from_key(key: &Key) -> Option<Self> {
        Some(key.text().into_owned())
    }
}

impl MemberKey for i32 {
    fn to_key(&self) -> Key {
        Key::Int(i64::from(*self))
    }
    fn from_key(key: &Key) -> Option<Self> {
        key.as_i64().and_then(|number| i32::try_from(number).ok())
    }
}

impl MemberKey for i64 {
    fn to_key(&self) -> Key {
        Key::Int(*self)
    }
    fn from_key(key: &Key) -> Option<Self> {
        key.as_i64()
    }
}

/// Adds a member unless it is null.
pub(super) fn put(members: &mut Vec<(Key, Value)>, name: &str, value: Value) {
    if !value.is_null() {
        members.push((Key::Text(name.to_owned()), value));
    }
}

/// Declares a body: `field: Type = "wireName" | "other name read" (default value);`, in the order of the wire names,
/// which is the order they are written in. Gives the struct, its defaults, `to_json` and `from_json`.
macro_rules! json_body {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $wire:literal $(| $alias:literal)* $(($default:expr))?;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(#[doc = concat!("`", $wire, "`.")] $(#[$field_meta])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: json_body!(@default $($default)?),)* }
            }
        }

        impl $name {
            /// As JSON, with members in the order of their names.
            pub fn to_json(&self) -> crate::json::Value {
                let mut members = Vec::new();
                $($crate::body::member::put(&mut members, $wire, $crate::body::Member::to_value(&self.$field));)*
                crate::json::Value::Object(members)
            }

            /// From JSON; fails when it is no object or a member has an unsuitable value.
            pub fn from_json(value: &crate::json::Value) -> Result<Self, $crate::body::BodyError> {
                if !value.is_object() {
                    return Err($crate::body::BodyError::NoObject { body: stringify!($name) });
                }
                let mut body = Self::default();
                $(
                    if let Some(member) = value.get($wire)$(.or_else(|| value.get($alias)))* {
                        body.$field = $crate::body::Member::from_value(member)
                            .ok_or($crate::body::BodyError::Member { body: stringify!($name), member: $wire })?;
                    }
                )*
                Ok(body)
            }
        }

        impl $crate::body::Member for $name {
            fn to_value(&self) -> crate::json::Value {
                self.to_json()
            }
            fn from_value(value: &crate::json::Value) -> Option<Self> {
                Self::from_json(value).ok()
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

/// Gives bodies `encode`, `encode_as` and `encode_pretty`, and `decode`.
macro_rules! json_codec {
    ($($name:ident),* $(,)?) => {$(
        impl $name {
            /// Compact text with quoted integer keys: the form every client reads.
            pub fn encode(&self) -> bytes::Bytes {
                self.encode_as(crate::json::Flavour::Quoted)
            }
        }
        json_codec!(@common $name);
    )*};
    (@common $name:ident) => {
        impl $name {
            /// Compact text in the flavour asked for.
            pub fn encode_as(&self, flavour: crate::json::Flavour) -> bytes::Bytes {
                bytes::Bytes::from(self.to_json().write(flavour))
            }

            /// Indented text, as Java writes configuration files.
            pub fn encode_pretty(&self) -> Vec<u8> {
                self.to_json().write_pretty()
            }

            /// Reads a body or a file.
            pub fn decode(bytes: &[u8]) -> Result<Self, $crate::body::BodyError> {
                let value = crate::json::parse(bytes)
                    .map_err(|source| $crate::body::BodyError::Json { body: stringify!($name), source })?;
                Self::from_json(&value)
            }
        }
    };
}

/// Declares an enum that travels by name; read from the name in any case or from the ordinal, else the default.
macro_rules! json_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $default:ident {
            $($(#[$case_meta:meta])* $case:ident = $ordinal:literal $wire:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $wire, "`, ordinal ", stringify!($ordinal), ".")] $(#[$case_meta])* $case = $ordinal,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$case),*];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $wire,)*
                }
            }

            /// By name, in any case.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|case| case.name().eq_ignore_ascii_case(name))
            }

            /// By ordinal.
            pub fn from_ordinal(ordinal: i64) -> Option<Self> {
                Self::ALL.iter().copied().find(|case| *case as i64 == ordinal)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::body::Member for $name {
            fn to_value(&self) -> crate::json::Value {
                crate::json::Value::from(self.name())
            }
            fn from_value(value: &crate::json::Value) -> Option<Self> {
                let named = value.as_str().and_then(Self::from_name);
                Some(named.or_else(|| value.as_i64().and_then(Self::from_ordinal)).unwrap_or_default())
            }
        }
    };
}
