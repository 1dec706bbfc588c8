//! The declaration of a table of settings: name, type, default, range, whether a running server takes a change, one line of meaning.
use super::{expectation, SettingError, SettingValue};

/// Reads a value and checks its range; used by the tables.
pub fn checked<T: SettingValue>(name: &str, text: &str, range: Option<(i64, i64)>) -> Result<T, SettingError> {
    let fits = |value: &T| match (range, value.number()) {
        (Some((low, high)), Some(number)) => (low..=high).contains(&number),
        _ => true,
    };
    T::parse(text).filter(fits).ok_or_else(|| SettingError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        expected: expectation::<T>(range),
    })
}

/// Declares a struct of settings and its table. A line is
///
/// ```text
/// /// One line of meaning.
/// field: type = "nameInFiles", default, in low ..= high, [live important computed];
/// ```
///
/// where the range and the marks may be absent. `live`: a running server takes the change. `important`: listed by `-m`. `computed`: the
/// default depends on the machine.
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $config:ident, without effect $without:expr;
     $( #[doc = $doc:literal] $field:ident : $ty:ty = $name:literal, $default:expr $(, in $low:literal ..= $high:expr)? $(, [$($mark:ident)*])? ;)*) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $config { $( #[doc = $doc] pub $field: $ty, )* }

        impl Default for $config {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::settings::Settings for $config {
            const TABLE: &'static [$crate::settings::Setting<Self>] = &[ $( $crate::settings::Setting {
                name: $name,
                doc: $doc.trim_ascii(),
                traits: $crate::settings::Traits {
                    reloadable: $crate::settings!(@has live $($($mark)*)?),
                    important: $crate::settings!(@has important $($($mark)*)?),
                },
                computed: $crate::settings!(@has computed $($($mark)*)?),
                accepts: || $crate::settings::expectation::<$ty>($crate::settings!(@range $($low, $high)?)),
                get: |config| $crate::settings::SettingValue::show(&config.$field),
                set: |config, text| {
                    config.$field =
                        $crate::settings::checked::<$ty>($name, text, $crate::settings!(@range $($low, $high)?))?;
                    Ok(())
                },
            }, )* ];
            const WITHOUT_EFFECT: &'static [$crate::settings::WithoutEffect] = $without;
        }

        impl $config {
            /// The table, in the order of the reference page.
            pub const TABLE: &'static [$crate::settings::Setting<Self>] = <Self as $crate::settings::Settings>::TABLE;

            /// Reads the text of a properties file over the defaults. Unknown properties are warnings, since real files carry many.
            pub fn from_properties(
                text: &str,
            ) -> Result<(Self, Vec<$crate::settings::Warning>), $crate::settings::SettingError> {
                let mut config = Self::default();
                let warnings = config.apply(text)?;
                Ok((config, warnings))
            }

            /// Applies the text of a properties file to these settings. After an error nothing has changed.
            pub fn apply(
                &mut self,
                text: &str,
            ) -> Result<Vec<$crate::settings::Warning>, $crate::settings::SettingError> {
                $crate::settings::apply(self, text)
            }

            /// Sets one property from its text.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), $crate::settings::SettingError> {
                $crate::settings::set(self, name, value)
            }

            /// The text of one property.
            pub fn get(&self, name: &str) -> Option<String> {
                Self::property(name).map(|setting| (setting.get)(self))
            }

            /// The table line of a property.
            pub fn property(name: &str) -> Option<&'static $crate::settings::Setting<Self>> {
                $crate::settings::line(name)
            }

            /// Every property with its value, in the order of the table (`-p`).
            pub fn entries(&self) -> Vec<$crate::settings::Entry> {
                $crate::settings::entries(self, |_| true)
            }

            /// The properties an operator looks at first (`-m`).
            pub fn important(&self) -> Vec<$crate::settings::Entry> {
                $crate::settings::entries(self, |setting| setting.traits.important)
            }
        }
    };
    (@range) => { None };
    (@range $low:literal, $high:expr) => { Some(($low, $high)) };
    (@has $want:ident) => { false };
    (@has live live $($rest:ident)*) => { true };
    (@has important important $($rest:ident)*) => { true };
    (@has computed computed $($rest:ident)*) => { true };
    (@has $want:ident $first:ident $($rest:ident)*) => { $crate::settings!(@has $want $($rest)*) };
}
