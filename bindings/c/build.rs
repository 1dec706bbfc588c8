//! Gives the shared library its name for the dynamic linker: the number goes up when a program that was linked with the
//! library before would not run with it any more.

/// The number in `libferromq.so.N`.
const ABI: u32 = 0;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libferromq.so.{ABI}");
    }
}
