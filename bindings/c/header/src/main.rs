//! Prints the C header of `bindings/c`, for `cargo xtask gen`.
//!
//! The header is made from the exported functions and their documentation, in the order of the modules, so that neither
//! can say something else than the other.
use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, Language, SortKey, Style};
use std::path::Path;
use std::process::ExitCode;

/// What stands on top.
const PREAMBLE: &str = include_str!("preamble.h");

/// The modules in the order in which a reader wants them.
const MODULES: &[&str] = &[
    "class",
    "error",
    "options",
    "message",
    "receipt",
    "event",
    "queue",
    "producer",
    "delivery",
    "consumer",
    "message_queue",
    "lite",
    "log",
    "version",
];

fn main() -> ExitCode {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("src");
    let config = Config {
        language: Language::C,
        header: Some(PREAMBLE.trim_end().to_owned()),
        include_guard: Some("FERROMQ_H".to_owned()),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        cpp_compat: true,
        usize_is_size_t: true,
        style: Style::Both,
        documentation_style: DocumentationStyle::Doxy,
        line_length: 110,
        enumeration: EnumConfig { prefix_with_name: false, ..EnumConfig::default() },
        sort_by: SortKey::None,
        ..Config::default()
    };
    let builder = MODULES.iter().fold(Builder::new().with_config(config), |builder, module| {
        builder.with_src(sources.join(format!("{module}.rs")))
    });
    match builder.generate() {
        Ok(bindings) => {
            bindings.write(std::io::stdout());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ferromq-c-header: {error}");
            ExitCode::FAILURE
        }
    }
}
