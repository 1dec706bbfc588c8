//! Which version this is.
use std::ffi::c_char;

/// The version of the library, like "0.1.0". Lives for ever.
#[no_mangle]
pub extern "C" fn fmq_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
