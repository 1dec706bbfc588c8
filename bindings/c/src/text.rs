//! Text on its way to C.
use std::ffi::{c_char, CString};

/// With a zero byte behind it. A zero byte inside, which C's text cannot have, ends it.
pub fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// A pointer to text that is there, else NULL.
pub fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |text| text.as_ptr())
}
