//! Compiles the files of the bridge in this package, and in no other, with the types of the model checker.

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
