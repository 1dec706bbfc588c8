//! The packages `ferromq-server`: a wheel and an npm package that carry the executable `ferromq`.
use super::clean::{copy_folder, only_file, path_of, Folder, Venv};
use super::Order;
use crate::run::{built, cargo, root, run, run_teed, target_dir};
use crate::suites::{number_before, Counts};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds both.
pub fn build(order: &Order) -> Result<Vec<PathBuf>, String> {
    Ok(vec![wheel(order, "python/server", "ferromq_server-")?, npm(order)?])
}

/// The wheel of a project, whose file's name begins so, with a manylinux tag that auditwheel agrees with.
pub fn wheel(order: &Order, project: &str, begin: &str) -> Result<PathBuf, String> {
    let tools = Venv::tools()?;
    let folder = Folder::new("ferromq-wheel")?;
    let mut maturin = Command::new(tools.program("maturin"));
    maturin.current_dir(root().join(project)).env("CARGO_TARGET_DIR", target_dir());
    maturin.args(["build", "--quiet", "--profile", order.profile, "--out"]).arg(folder.path());
    run(&mut maturin)?;
    let wheel = only_file(folder.path(), begin, ".whl")?;
    check_tag(&tools, &wheel)?;
    keep(order, &wheel)
}

/// Fails unless the tag in the wheel's name is one that its executable keeps.
pub fn check_tag(tools: &Venv, wheel: &Path) -> Result<(), String> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let said = Command::new(tools.program("auditwheel")).arg("show").arg(wheel).output();
    let said = said.map_err(|e| format!("cannot run auditwheel: {e}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let allowed = said.split('"').find(|text| text.starts_with("manylinux_"));
    match allowed {
        Some(tag) if name.contains(tag) => Ok(()),
        _ => Err(format!("auditwheel does not confirm the tag of {name}: {said}")),
    }
}

/// The executable, built.
pub fn executable(order: &Order) -> Result<PathBuf, String> {
    run(cargo().args(["build", "--quiet", "--package", "ferromq-cli", "--profile", order.profile]))?;
    Ok(built("ferromq", order.directory()))
}

/// The npm package.
pub fn npm(order: &Order) -> Result<PathBuf, String> {
    let built = executable(order)?;
    let folder = Folder::new("ferromq-npm")?;
    let package = folder.path().join("package");
    copy_folder(&root().join("node").join("server"), &package)?;
    let failed = |e: std::io::Error| format!("cannot make the npm package: {e}");
    let native = package.join("native");
    std::fs::create_dir_all(&native).map_err(failed)?;
    let carried = native.join("ferromq");
    std::fs::copy(built, &carried).map_err(failed)?;
    run(Command::new("strip").arg(&carried))?;
    std::fs::copy(root().join("LICENSE"), package.join("LICENSE")).map_err(failed)?;
    // The executable is of this processor: npm refuses the package on others.
    let manifest = package.join("package.json");
    let text = std::fs::read_to_string(&manifest).map_err(failed)?;
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let text = text.replace("\"os\": [\"linux\"]", &format!("\"os\": [\"linux\"],\n  \"cpu\": [\"{cpu}\"]"));
    std::fs::write(&manifest, text).map_err(failed)?;
    run(Command::new("npm").current_dir(folder.path()).args(["pack", "--silent", "./package"]))?;
    keep(order, &only_file(folder.path(), "ferromq-server-", ".tgz")?)
}

/// Moves a finished package to where packages belong.
pub fn keep(order: &Order, file: &Path) -> Result<PathBuf, String> {
    let target = order.out.join(file.file_name().unwrap_or_default());
    std::fs::copy(file, &target).map_err(|e| format!("cannot write {}: {e}", target.display()))?;
    Ok(target)
}

/// The suite: both packages installed where nothing else is, their tests run there.
pub fn suite() -> Result<Counts, String> {
    let order = Order::for_tests()?;
    let (wheel, npm) = (wheel(&order, "python/server", "ferromq_server-")?, npm(&order)?);
    let mut counts = test_wheel(&wheel)?;
    counts.add(&test_npm(&npm)?);
    Ok(counts)
}

fn test_wheel(wheel: &Path) -> Result<Counts, String> {
    let folder = Folder::new("ferromq-server-python")?;
    let venv = Venv::new(&folder.path().join("venv"), &[wheel.as_os_str(), "pytest".as_ref(), "mypy".as_ref()])?;
    let tests = folder.path().join("tests");
    copy_folder(&root().join("python").join("server").join("tests"), &tests)?;
    let clean = |program: &str| {
        let mut command = Command::new(venv.program(program));
        command.current_dir(folder.path()).env("PATH", venv.bin()).env_remove("FERROMQ_BIN");
        command
    };
    let mut counts = Counts::default();
    for what in [&["--package", "ferromq_server"][..], &["tests"]] {
        let (ok, _) = run_teed(clean("mypy").arg("--strict").args(what))?;
        counts.add(&Counts::one(ok));
    }
    let (ok, lines) = run_teed(clean("python").args(["-m", "pytest", "-q", "tests"]))?;
    counts.add(&pytest_counts(ok, &lines));
    Ok(counts)
}

fn test_npm(package: &Path) -> Result<Counts, String> {
    let folder = Folder::new("ferromq-server-node")?;
    let failed = |e: std::io::Error| format!("cannot write to {}: {e}", folder.path().display());
    std::fs::write(folder.path().join("package.json"), "{\"private\": true}\n").map_err(failed)?;
    let install = ["install", "--no-audit", "--no-fund", "--silent"];
    run(Command::new("npm").current_dir(folder.path()).args(install).arg(package))?;
    copy_folder(&root().join("node").join("server").join("test"), &folder.path().join("test"))?;
    // Brokers are told by their temporary folders.
    let temporary = folder.path().join("tmp");
    std::fs::create_dir_all(&temporary).map_err(failed)?;
    let mut test = Command::new("node");
    test.current_dir(folder.path()).env("TMPDIR", &temporary).env_remove("FERROMQ_BIN");
    test.env("PATH", path_of(folder.path(), &["node"])?);
    test.args(["--test", "--test-reporter=tap", "test/server.test.mjs"]);
    let (ok, lines) = run_teed(&mut test)?;
    Ok(node_counts(ok, &lines))
}

/// pytest's last line: `1 failed, 7 passed in 2.04s`.
pub fn pytest_counts(ok: bool, lines: &[String]) -> Counts {
    let last = lines.iter().rev().find(|line| line.contains(" passed") || line.contains(" failed"));
    let number = |word: &str| last.map_or(0, |line| number_before(line, word));
    let failed = number(" failed") + number(" error");
    let skipped = (0..number(" skipped")).map(|_| "a test that pytest skipped".to_owned()).collect();
    Counts { passed: number(" passed"), failed: failed.max(usize::from(!ok)), skipped }
}

/// The last lines of `node --test`: `# pass 8` and so on.
pub fn node_counts(ok: bool, lines: &[String]) -> Counts {
    let number = |word: &str| {
        let line = lines.iter().rev().find_map(|line| line.strip_prefix(&format!("# {word} ")).map(str::to_owned));
        line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let skipped = (0..number("skipped")).map(|_| "a test that node skipped".to_owned()).collect();
    Counts { passed: number("pass"), failed: number("fail").max(usize::from(!ok)), skipped }
}
