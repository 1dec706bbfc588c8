//! The suites of `cargo xtask test`: what each proves, what it needs, how its results are counted.
use crate::run::{cargo, root, run_teed};
use crate::tools::{Tool, CARGO_FUZZ, CC, CMAKE, JDK, MAVEN, NIGHTLY, NODE, PKG_CONFIG, PYTHON, VALGRIND, VENV};
use crate::{bench_broker, demo, gen, package, test, tidy, torture};
use std::path::Path;
use std::process::Command;

/// What a suite counted.
#[derive(Default, Clone)]
pub struct Counts {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Reasons of what was skipped.
    pub skipped: Vec<String>,
}

impl Counts {
    /// Adds the numbers of another suite.
    pub fn add(&mut self, other: &Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped.iter().cloned());
    }

    /// Of one test.
    pub fn one(ok: bool) -> Counts {
        Counts { passed: usize::from(ok), failed: usize::from(!ok), ..Counts::default() }
    }
}

/// One suite.
pub struct Suite {
    /// Its name for `--only`.
    pub name: &'static str,
    /// What it proves.
    pub what: &'static str,
    /// Tools without which it is skipped.
    pub needs: &'static [Tool],
    /// Only with `--full`.
    pub long: bool,
    /// Runs it.
    pub run: fn() -> Result<Counts, String>,
}

/// All suites in the order in which they run: what fails fastest comes first.
pub const SUITES: &[Suite] = &[
    Suite { name: "tidy", what: "rules of STYLE.md that a program can check", needs: &[], long: false, run: run_tidy },
    Suite {
        name: "clippy",
        what: "the compiler's and clippy's lints are errors",
        needs: &[],
        long: false,
        run: run_clippy,
    },
    Suite {
        name: "rust",
        what: "unit, golden and behaviour tests of every crate",
        needs: &[],
        long: false,
        run: run_rust,
    },
    Suite { name: "gen", what: "generated files are up to date", needs: &[], long: false, run: run_gen },
    Suite {
        name: "probe",
        what: "a broker's answers compared with recorded ones of Apache 5.4.0",
        needs: &[PYTHON],
        long: false,
        run: run_probe,
    },
    Suite {
        name: "c",
        what: "the C tarball, unpacked and used: as C99 and C++11, shared and static, under valgrind; CMake, examples",
        needs: &[CC, CMAKE, PKG_CONFIG, VALGRIND],
        long: false,
        run: package::c::suite,
    },
    Suite {
        name: "server",
        what: "the packages that carry the executable, installed and used",
        needs: &[VENV, NODE],
        long: false,
        run: package::server::suite,
    },
    Suite {
        name: "python",
        what: "the wheel, installed and used without a compiler; types, lints, examples, driver",
        needs: &[VENV],
        long: false,
        run: package::python::suite,
    },
    Suite {
        name: "node",
        what: "the npm package, installed and used; its examples, driver and types",
        needs: &[NODE],
        long: false,
        run: package::node::suite,
    },
    Suite {
        name: "interop",
        what: "official clients (Java 5.4.0, 4.9.7, 4.9.1, 4.3.2; C++) and brokers, both header codecs",
        needs: &[JDK, MAVEN],
        long: false,
        run: run_interop,
    },
    Suite {
        name: "languages",
        what: "every language's driver against Apache's brokers, 5.4.0 and 4.9.7",
        needs: package::programs::SUITE_NEEDS,
        long: false,
        run: package::programs::suite,
    },
    Suite {
        name: "bench",
        what: "the broker's benchmark runs; small, nothing is judged",
        needs: &[],
        long: false,
        run: run_bench,
    },
    Suite { name: "demo", what: "the demo agrees with its data", needs: &[], long: false, run: run_demo },
    Suite {
        name: "torture",
        what: "20 rounds of kills, power cuts and bad disks",
        needs: &[],
        long: false,
        run: torture::suite,
    },
    Suite {
        name: "torture-full",
        what: "1,000 rounds of kills, power cuts and bad disks",
        needs: &[],
        long: true,
        run: torture::suite_full,
    },
    Suite {
        name: "fuzz",
        what: "every decoder fuzzed for a while (FUZZ_SECONDS, 60)",
        needs: &[NIGHTLY, CARGO_FUZZ],
        long: true,
        run: run_fuzz,
    },
];

fn run_tidy() -> Result<Counts, String> {
    Ok(Counts::one(tidy::main().map_err(|e| println!("{e}")).is_ok()))
}

fn run_gen() -> Result<Counts, String> {
    Ok(Counts::one(gen::main(&["--check".into()]).map_err(|e| println!("{e}")).is_ok()))
}

fn run_bench() -> Result<Counts, String> {
    Ok(Counts::one(bench_broker::main(&["--quick".into()]).map_err(|e| println!("{e}")).is_ok()))
}

fn run_clippy() -> Result<Counts, String> {
    let mut command = cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    let (ok, _) = run_teed(&mut command)?;
    Ok(Counts::one(ok))
}

/// Packages that the suite "rust" leaves out. The interop tests need a JDK and have their own suite; the others have no tests in Rust
/// but the models, and with them libraries would get features with which everything would be built once more.
const NOT_IN_RUST: &[&str] = &[
    "ferromq-interop",
    "ferromq-bridge-models",
    "ferromq-python",
    "ferromq-python-naive",
    "ferromq-node",
    "ferromq-node-naive",
    "ferromq-c-header",
];

fn run_rust() -> Result<Counts, String> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.args(NOT_IN_RUST.iter().flat_map(|package| ["--exclude", package]));
    let mut counts = count_cargo(run_teed(&mut command)?)?;
    let mut models = cargo();
    models.args(["test", "--package", "ferromq-bridge-models"]);
    counts.add(&count_cargo(run_teed(&mut models)?)?);
    Ok(counts)
}

fn run_interop() -> Result<Counts, String> {
    let mut command = cargo();
    // Those of the languages need their packages and have their own suite.
    command.args(["test", "--package", "ferromq-interop", "--lib", "--test", "interop", "--no-fail-fast"]);
    // Each test starts Java processes: two at a time are what two cores carry.
    command.args(["--", "--test-threads", "2"]);
    if std::env::var_os(test::FULL).is_some() {
        command.arg("--include-ignored");
    }
    count_cargo(run_teed(&mut command)?)
}

fn run_probe() -> Result<Counts, String> {
    let mut build = cargo();
    build.args(["build", "--package", "ferromq-cli"]);
    crate::run::run(&mut build)?;
    let mut command = Command::new("python3");
    command.current_dir(root()).arg("conformance/probe/gate.py").arg(crate::run::built("ferromq", "debug"));
    let (ok, lines) = run_teed(&mut command)?;
    let mut counts = lines.iter().rev().find_map(|l| plain_counts(l)).unwrap_or_default();
    if !ok && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

fn run_demo() -> Result<Counts, String> {
    match demo::run(&["--pace".into(), "4".into()]) {
        Ok(missing) => Ok(Counts { skipped: missing, ..Counts::one(true) }),
        Err(reason) => {
            println!("{reason}");
            Ok(Counts::one(false))
        }
    }
}

/// Seconds that each decoder is fuzzed, unless the environment variable FUZZ_SECONDS says otherwise.
const FUZZ_SECONDS: u32 = 60;

/// Longest single allocation of a fuzz target in MiB, four times the longest frame: what a request makes us allocate at once is bounded by
/// the length of frames, whatever lengths it announces.
const FUZZ_ALLOCATION_MIB: u32 = 64;

/// Crates with fuzz targets, in a folder `fuzz` of their own.
const FUZZED: &[&str] = &["protocol", "broker"];

fn run_fuzz() -> Result<Counts, String> {
    let mut counts = Counts::default();
    for package in FUZZED {
        counts.add(&fuzz(&root().join(package).join("fuzz"))?);
    }
    Ok(counts)
}

/// Runs every target of a folder for a while.
fn fuzz(fuzz: &Path) -> Result<Counts, String> {
    let targets = std::fs::read_dir(fuzz.join("fuzz_targets")).map_err(|e| format!("no fuzz targets: {e}"))?;
    let found = std::env::temp_dir().join(format!("ferromq-fuzz-{}", std::process::id()));
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(FUZZ_SECONDS);
    let mut counts = Counts::default();
    for target in targets.flatten() {
        let name = target.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // New inputs go to a folder of this run; the committed corpus is only read.
        let fresh = found.join(&name);
        std::fs::create_dir_all(&fresh).map_err(|e| format!("cannot create {}: {e}", fresh.display()))?;
        let mut command = Command::new("cargo");
        command.current_dir(fuzz).args(["+nightly", "fuzz", "run", "--fuzz-dir", ".", &name]);
        command.arg(&fresh).arg(fuzz.join("corpus").join(&name)).arg("--");
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-malloc_limit_mb={FUZZ_ALLOCATION_MIB}"));
        command.args(["-rss_limit_mb=2048", "-verbosity=0"]);
        let (ok, _) = run_teed(&mut command)?;
        println!("fuzz {name}: {}", if ok { "ok" } else { "FAILED" });
        counts.add(&Counts::one(ok));
    }
    let _ = std::fs::remove_dir_all(found);
    Ok(counts)
}

/// The reason of an ignored test that is not skipped but left to `--full`.
const LEFT_TO_FULL: &str = "with --full";

/// Counts what `cargo test` printed: its `test result:` lines, ignored tests and the `SKIPPED reason` lines of our tests.
pub fn count_cargo((ok, lines): (bool, Vec<String>)) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for line in &lines {
        if let Some(rest) = line.trim_start().strip_prefix("test result: ") {
            counts.passed += number_before(rest, " passed");
            counts.failed += number_before(rest, " failed");
        } else if let Some((name, reason)) = line.split_once(" ... ignored") {
            if reason.trim_start_matches(", ") != LEFT_TO_FULL {
                counts.skipped.push(format!("{} is ignored{reason}", name.trim_start_matches("test ")));
            }
        } else if let Some((_, reason)) = line.split_once("SKIPPED ") {
            counts.skipped.push(reason.to_string());
        }
    }
    if !ok && counts.failed == 0 {
        counts.failed = 1; // did not compile, or a test process died
    }
    Ok(counts)
}

/// `N passed, N failed` of another runner.
pub fn plain_counts(line: &str) -> Option<Counts> {
    line.contains(" passed, ").then(|| Counts {
        passed: number_before(line, " passed"),
        failed: number_before(line, " failed"),
        ..Counts::default()
    })
}

/// The number that stands before this word; 0 without one.
pub fn number_before(text: &str, word: &str) -> usize {
    let Some(end) = text.find(word) else { return 0 };
    let digits: Vec<char> = text[..end].chars().rev().take_while(char::is_ascii_digit).collect();
    digits.into_iter().rev().collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts of cargo's own result lines and of skipped tests are added up; what is left to `--full` is neither.
    #[test]
    fn result_lines_are_counted() {
        let lines = [
            "test a ... ignored, with --full",
            "test b ... ignored, needs a printer",
            "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured",
            "SKIPPED x: needs y",
        ];
        let counts = count_cargo((true, lines.map(String::from).to_vec())).unwrap();
        assert_eq!((counts.passed, counts.failed), (12, 0));
        assert_eq!(counts.skipped, ["b is ignored, needs a printer", "x: needs y"]);
    }
}
