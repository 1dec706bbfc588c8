//! The wheel `ferromq`: one for every Python from 3.10 on (stable interface) of a platform.
use super::clean::{copy_folder, Folder, Venv};
use super::server::{pytest_counts, wheel};
use super::Order;
use crate::run::{root, run_teed};
use crate::suites::Counts;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tests need from the registry besides our own wheels. Without uvloop its loop is not tested.
const TEST_TOOLS: &[&str] = &["pytest>=8,<10", "mypy>=2,<3", "ruff>=0.17,<0.18", "uvloop>=0.21"];
/// What is linted, seen from the folder `python`.
const LINTED: &[&str] = &["src", "tests", "make_options.py", "../examples/python", "../conformance/drivers/python.py"];
/// What is copied for the tests, and where to: beside them lies nothing of the package's source.
const TEST_FILES: &[(&str, &str)] = &[
    ("python/README.md", "README.md"),
    ("python/make_options.py", "make_options.py"),
    ("python/pyproject.toml", "pyproject.toml"),
    ("conformance/drivers/python.py", "driver.py"),
];

/// Builds the wheel.
pub fn build(order: &Order) -> Result<Vec<PathBuf>, String> {
    Ok(vec![wheel(order, "python", "ferromq-")?])
}

/// The suite: the wheel installed where nothing else is, without a compiler; its tests, types, lints, examples and driver.
pub fn suite() -> Result<Counts, String> {
    let order = Order::for_tests()?;
    let mut packages = build(&order)?;
    packages.push(wheel(&order, "python/server", "ferromq_server-")?);
    packages.extend(TEST_TOOLS.iter().map(PathBuf::from));
    let folder = Folder::new("ferromq-python")?;
    let venv = Venv::new(&folder.path().join("venv"), &packages)?;
    let project = folder.path().join("project");
    lay_out(&project)?;
    let mut counts = Counts::default();
    for lint in [&["check"][..], &["format", "--check"]] {
        let mut ruff = Command::new(venv.program("ruff"));
        ruff.current_dir(root().join("python")).args(lint).arg("--no-cache").args(LINTED);
        counts.add(&Counts::one(run_teed(&mut ruff)?.0));
    }
    let mut pytest = Command::new(venv.program("python"));
    pytest.current_dir(&project).args(["-m", "pytest", "-p", "no:cacheprovider"]).env("PATH", venv.bin());
    pytest.env_remove("FERROMQ_BIN").env_remove("NAMESRV_ADDR").env_remove("PYTHONPATH");
    let (ok, lines) = run_teed(&mut pytest)?;
    counts.add(&pytest_counts(ok, &lines));
    Ok(counts)
}

fn lay_out(project: &Path) -> Result<(), String> {
    copy_folder(&root().join("python").join("tests"), &project.join("tests"))?;
    copy_folder(&root().join("examples").join("python"), &project.join("examples"))?;
    for (from, to) in TEST_FILES {
        std::fs::copy(root().join(from), project.join(to)).map_err(|e| format!("cannot copy {from}: {e}"))?;
    }
    Ok(())
}
