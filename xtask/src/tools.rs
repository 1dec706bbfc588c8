//! The tools that some suites need besides Rust, and the exact command that installs each.
use crate::run::first_line;

/// A tool on the machine.
pub struct Tool {
    /// What the user knows it as.
    pub name: &'static str,
    /// Program and arguments that print its version.
    probe: (&'static str, &'static [&'static str]),
    /// How to install it on Debian and its relatives.
    pub install: &'static str,
}

/// A JDK with its compiler, for the official clients and brokers.
pub const JDK: Tool =
    Tool { name: "JDK 17", probe: ("javac", &["-version"]), install: "apt-get install -y openjdk-17-jdk-headless" };
/// Maven, which fetches the official jars by package name.
pub const MAVEN: Tool = Tool { name: "Maven", probe: ("mvn", &["-v"]), install: "apt-get install -y maven" };
/// Python, for the differential probe.
pub const PYTHON: Tool =
    Tool { name: "Python 3", probe: ("python3", &["--version"]), install: "apt-get install -y python3" };
/// Python with its virtual environments, for wheels.
pub const VENV: Tool = Tool {
    name: "Python 3 with venv",
    probe: ("python3", &["-c", "import ensurepip, sys; print(sys.version)"]),
    install: "apt-get install -y python3-venv",
};
/// Compilers of C and C++, which come together.
pub const CC: Tool =
    Tool { name: "gcc and g++", probe: ("g++", &["--version"]), install: "apt-get install -y gcc g++" };
/// CMake, for the test of the C library's CMake files.
pub const CMAKE: Tool =
    Tool { name: "CMake", probe: ("cmake", &["--version"]), install: "apt-get install -y cmake make" };
/// pkg-config, with which the C tests find the library.
pub const PKG_CONFIG: Tool =
    Tool { name: "pkg-config", probe: ("pkg-config", &["--version"]), install: "apt-get install -y pkg-config" };
/// valgrind, for the C tests.
pub const VALGRIND: Tool =
    Tool { name: "valgrind", probe: ("valgrind", &["--version"]), install: "apt-get install -y valgrind" };
/// Node, for npm packages.
pub const NODE: Tool =
    Tool { name: "Node with npm", probe: ("npm", &["--version"]), install: "apt-get install -y nodejs npm" };
/// The nightly toolchain, for fuzzing.
pub const NIGHTLY: Tool = Tool {
    name: "nightly Rust",
    probe: ("rustc", &["+nightly", "--version"]),
    install: "rustup toolchain install nightly",
};
/// cargo-fuzz.
pub const CARGO_FUZZ: Tool =
    Tool { name: "cargo-fuzz", probe: ("cargo", &["fuzz", "--version"]), install: "cargo install cargo-fuzz" };

impl Tool {
    /// True when the tool answers.
    pub fn is_here(&self) -> bool {
        first_line(self.probe.0, self.probe.1).is_some()
    }
}
