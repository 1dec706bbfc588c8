//! See `broker/tests/service_rig`.
#![no_main]
#[path = "../../tests/service_rig/mod.rs"]
mod service;
use std::cell::RefCell;

thread_local! {
    static RIG: RefCell<service::Rig> = RefCell::new(service::Rig::start());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (target, frames) = service::input(bytes);
    RIG.with_borrow_mut(|rig| rig.feed(target, &frames));
});
