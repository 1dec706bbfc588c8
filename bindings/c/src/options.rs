//! Options as pairs of text. Names and values are checked by whatever is made with them.
use crate::error::fmq_error;
use crate::platform::{answer, entry, give, Caller};
use ferromq_bridge::options::{apply, Dialect, OptionSpec, OptionValue};
use ferromq_bridge::Failure;
use std::ffi::c_char;

/// Options for producers and consumers: names and values as text. One object may serve for many, and is not needed any more
/// when they are made.
pub struct fmq_options {
    pairs: Vec<(String, OptionValue)>,
}

/// New options, all at their defaults. Never NULL; destroyed with `fmq_options_destroy`.
#[no_mangle]
pub extern "C" fn fmq_options_new() -> *mut fmq_options {
    answer(std::ptr::null_mut(), |_| give(fmq_options { pairs: Vec::new() }))
}

/// Sets an option, like "namesrv" to "127.0.0.1:9876". Durations are milliseconds or carry a unit ("500ms", "3s", "5m"), truth
/// is "true" or "false". Of an option that is set twice the last value counts. Names and values are checked when an object is
/// made with them: an unknown name is answered with the nearest known one.
#[no_mangle]
pub unsafe extern "C" fn fmq_options_set(
    options: *mut fmq_options,
    name: *const c_char,
    value: *const c_char,
) -> *mut fmq_error {
    entry(|caller| {
        let options = caller.unique(options, "options")?;
        let name = caller.text(name, "the name of an option")?;
        let value = caller.text(value, name)?;
        options.pairs.push((name.to_owned(), OptionValue::Text(value.to_owned())));
        Ok(())
    })
}

/// Ends their life. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_options_destroy(options: *mut fmq_options) {
    answer((), |caller| drop(caller.take_back(options)));
}

/// Applies options, if there are any.
pub fn set<C>(
    caller: &Caller,
    config: &mut C,
    table: &[OptionSpec<C>],
    options: *const fmq_options,
) -> Result<(), Failure> {
    let given = caller.maybe(options).map(|options| options.pairs.clone()).unwrap_or_default();
    apply(config, table, Dialect::C, given)
}
