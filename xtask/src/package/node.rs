//! The npm packages `ferromq` (JavaScript) and `@ferromq/PLATFORM` (the addon for one platform), laid out as npm users know
//! it: the first names the second as an optional dependency, and npm installs the one that fits.
use super::clean::{copy_folder, only_file, path_of, Folder};
use super::server::{keep, node_counts, npm as server_package};
use super::Order;
use crate::run::{cargo, root, run, run_teed, target_dir};
use crate::suites::Counts;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Quiet, and nothing that npm would ask its registry for besides the packages themselves.
const NPM: &[&str] = &["--no-audit", "--no-fund", "--silent"];

/// Builds both.
pub fn build(order: &Order) -> Result<Vec<PathBuf>, String> {
    let addon = addon(order)?;
    Ok(vec![javascript(order, &addon)?, platform(order, &addon)?])
}

/// Its name, like `linux-x64-gnu`, and npm's words for processor and system.
fn target() -> (String, &'static str, &'static str) {
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let (system, suffix) = match std::env::consts::OS {
        "macos" => ("darwin", ""),
        "windows" => ("win32", "-msvc"),
        _ => ("linux", "-gnu"),
    };
    (format!("{system}-{cpu}{suffix}"), cpu, system)
}

/// The addon, built.
fn addon(order: &Order) -> Result<PathBuf, String> {
    run(cargo().args(["build", "--quiet", "--package", "ferromq-node", "--profile", order.profile]))?;
    let directory = if order.profile == "dev" { "debug" } else { order.profile };
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(target_dir().join(directory).join(format!("{prefix}ferromq_node{suffix}")))
}

/// The package with the addon.
fn platform(order: &Order, addon: &Path) -> Result<PathBuf, String> {
    let folder = Folder::new("ferromq-node-platform")?;
    let package = folder.path().join("package");
    let failed = |e: std::io::Error| format!("cannot make the platform package: {e}");
    std::fs::create_dir_all(&package).map_err(failed)?;
    let file = package.join("ferromq.node");
    std::fs::copy(addon, &file).map_err(failed)?;
    if cfg!(target_os = "linux") {
        run(Command::new("strip").arg(&file))?;
    }
    let (name, cpu, system) = target();
    let version = env!("CARGO_PKG_VERSION");
    let libc = if system == "linux" { "\n  \"libc\": [\"glibc\"]," } else { "" };
    let manifest = format!(
        "{{\n  \"name\": \"@ferromq/{name}\",\n  \"version\": \"{version}\",\n  \
         \"description\": \"The native half of the package ferromq for {name}\",\n  \"license\": \"Apache-2.0\",\n  \
         \"engines\": {{ \"node\": \">=18\" }},\n  \"os\": [\"{system}\"],\n  \"cpu\": [\"{cpu}\"],{libc}\n  \
         \"main\": \"ferromq.node\",\n  \"files\": [\"ferromq.node\"]\n}}\n"
    );
    std::fs::write(package.join("package.json"), manifest).map_err(failed)?;
    std::fs::copy(root().join("LICENSE"), package.join("LICENSE")).map_err(failed)?;
    pack(order, &folder, "ferromq-")
}

/// The package with everything in JavaScript, compiled from TypeScript in a copy of the sources.
fn javascript(order: &Order, addon: &Path) -> Result<PathBuf, String> {
    let folder = Folder::new("ferromq-node-javascript")?;
    let package = folder.path().join("package");
    let failed = |e: std::io::Error| format!("cannot make the package ferromq: {e}");
    std::fs::create_dir_all(&package).map_err(failed)?;
    let sources = root().join("node");
    for name in ["package.json", "package-lock.json", "tsconfig.json", "README.md"] {
        std::fs::copy(sources.join(name), package.join(name)).map_err(failed)?;
    }
    for name in ["src", "scripts"] {
        copy_folder(&sources.join(name), &package.join(name))?;
    }
    std::fs::copy(root().join("LICENSE"), package.join("LICENSE")).map_err(failed)?;
    let npm = |args: &[&str]| run(Command::new("npm").current_dir(&package).args(args).args(NPM));
    npm(&["ci"])?;
    // Codes and options are those of the bridge.
    let loadable = folder.path().join("ferromq.node");
    std::fs::copy(addon, &loadable).map_err(failed)?;
    let mut check = Command::new("node");
    run(check.current_dir(&package).arg("scripts/generate.mjs").arg(&loadable).arg("--check"))?;
    npm(&["run", "build"])?;
    let dependency = format!("optionalDependencies[@ferromq/{}]={}", target().0, env!("CARGO_PKG_VERSION"));
    npm(&["pkg", "set", &dependency])?;
    npm(&["pkg", "delete", "devDependencies", "scripts"])?;
    pack(order, &folder, "ferromq-")
}

fn pack(order: &Order, folder: &Folder, begin: &str) -> Result<PathBuf, String> {
    run(Command::new("npm").current_dir(folder.path()).args(["pack", "--silent", "./package"]))?;
    keep(order, &only_file(folder.path(), begin, ".tgz")?)
}

/// Installs packages into a folder where nothing else is. Offline: what users install needs nothing but these files.
pub fn install(packages: &[PathBuf], folder: &Path) -> Result<(), String> {
    let manifest = folder.join("package.json");
    std::fs::write(&manifest, "{\"private\": true}\n")
        .map_err(|e| format!("cannot write {}: {e}", manifest.display()))?;
    run(Command::new("npm").current_dir(folder).args(["install", "--offline"]).args(NPM).args(packages))
}

/// The suite: the packages installed where nothing else is, their tests run there without a compiler.
pub fn suite() -> Result<Counts, String> {
    let order = Order::for_tests()?;
    let mut packages = build(&order)?;
    packages.push(server_package(&order)?);
    let folder = Folder::new("ferromq-node")?;
    install(&packages, folder.path())?;
    copy_folder(&root().join("node").join("test"), &folder.path().join("test"))?;
    copy_folder(&root().join("examples").join("node"), &folder.path().join("examples"))?;
    let driver = root().join("conformance").join("drivers").join("node.mjs");
    std::fs::copy(driver, folder.path().join("driver.mjs")).map_err(|e| format!("cannot copy the driver: {e}"))?;
    let mut counts = run_tests(&folder)?;
    counts.add(&check_types(&folder)?);
    Ok(counts)
}

fn run_tests(folder: &Folder) -> Result<Counts, String> {
    let mut test = Command::new("node");
    test.current_dir(folder.path()).env_remove("FERROMQ_BIN").env_remove("NODE_PATH").env_remove("NAMESRV_ADDR");
    test.env("PATH", path_of(folder.path(), &["node"])?);
    test.args(["--test", "--test-reporter=tap"]).args(test_files(folder)?);
    let (ok, lines) = run_teed(&mut test)?;
    Ok(node_counts(ok, &lines))
}

/// The files of tests; beside them lie their helpers and programs.
fn test_files(folder: &Folder) -> Result<Vec<PathBuf>, String> {
    let path = folder.path().join("test");
    let entries = std::fs::read_dir(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    Ok(files)
}

/// The declarations as strict users see them, from ES modules and from CommonJS; and the examples under them.
fn check_types(folder: &Folder) -> Result<Counts, String> {
    let sources = root().join("node");
    let tools = ["typescript@~5.9.0", "@types/node@^18.19.0"];
    run(Command::new("npm").current_dir(folder.path()).arg("install").args(NPM).args(tools))?;
    copy_folder(&sources.join("types"), &folder.path().join("types"))?;
    let mut counts = Counts::default();
    for project in ["types/tsconfig.json", "types/examples.json"] {
        let mut tsc = Command::new("node");
        tsc.current_dir(folder.path()).args(["node_modules/typescript/bin/tsc", "--project", project]);
        let (ok, _) = run_teed(&mut tsc)?;
        counts.add(&Counts { passed: usize::from(ok), failed: usize::from(!ok), ..Counts::default() });
    }
    Ok(counts)
}
