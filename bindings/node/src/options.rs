//! Options of a constructor.
use ferromq_bridge::options::{apply, Dialect, OptionSpec, OptionValue};
use ferromq_bridge::Failure;
use napi::bindgen_prelude::Either3;
use napi::Either;
use napi_derive::napi;

/// A value of an option.
type Given = Either3<String, f64, bool>;

/// One option as a user gave it.
#[napi(object)]
pub struct GivenOption {
    /// `likeThis`.
    pub name: String,
    /// Durations in milliseconds, or text with a unit.
    pub value: Given,
}

/// Sets what a user gave.
pub(crate) fn set<C>(config: &mut C, table: &[OptionSpec<C>], given: Vec<GivenOption>) -> Result<(), Failure> {
    let given = given.into_iter().map(|GivenOption { name, value }| {
        let value = match value {
            Either3::A(text) => OptionValue::Text(text),
            Either3::B(number) => OptionValue::Float(number),
            Either3::C(flag) => OptionValue::Flag(flag),
        };
        (name, value)
    });
    apply(config, table, Dialect::NODE, given)
}

/// An object, or why it cannot be made.
pub(crate) type Made<T> = Either<T, crate::failure::NativeFailure>;

/// See [`Made`].
pub(crate) fn made<T>(result: Result<T, Failure>) -> Made<T> {
    match result {
        Ok(made) => Either::A(made),
        Err(failure) => Either::B(failure.into()),
    }
}
