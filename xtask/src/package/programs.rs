//! Our programs in every language, run from installed packages: the demo's (`examples/<language>/flights`) and the drivers
//! (`conformance/drivers`). Nothing of a package's source tree is used.
use super::clean::{Folder, Venv};
use super::{c, node, python, Order};
use crate::run::{built, cargo, root, run};
use crate::suites::{count_cargo, Counts};
use crate::tools::{Tool, JDK, NODE, VENV};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of a language: each a program and its first arguments.
pub struct Programs {
    /// The demo's producer and group member; Rust has them in the demo itself.
    pub flights: Option<Vec<String>>,
    /// The driver.
    pub driver: Vec<String>,
}

/// A language.
struct Language {
    name: &'static str,
    needs: &'static [Tool],
    /// Installs its package and programs into a folder of their own.
    install: fn(&Order, &Path) -> Result<Programs, String>,
}

const LANGUAGES: &[Language] = &[
    Language { name: "c", needs: &[], install: install_c },
    Language { name: "node", needs: &[NODE], install: install_node },
    Language { name: "python", needs: &[VENV], install: install_python },
    Language { name: "rust", needs: &[], install: install_rust },
];

/// What `cargo xtask test --only languages` needs besides.
pub const SUITE_NEEDS: &[Tool] = &[NODE, VENV, JDK];

/// Installs every language into `folder`: its programs, or why it cannot take part.
pub fn install(order: &Order, folder: &Folder) -> Vec<(&'static str, Result<Programs, String>)> {
    LANGUAGES.iter().map(|language| (language.name, language.install(order, folder.path()))).collect()
}

impl Language {
    fn install(&self, order: &Order, folder: &Path) -> Result<Programs, String> {
        if let Some(missing) = self.needs.iter().find(|tool| !tool.is_here()) {
            return Err(format!("needs {}: {}", missing.name, missing.install));
        }
        let folder = folder.join(self.name);
        std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        (self.install)(order, &folder)
    }
}

/// A list of texts as JSON: paths and options need no other escapes than Rust's.
pub fn json(words: &[String]) -> String {
    format!("{words:?}")
}

fn words(words: &[&Path]) -> Vec<String> {
    words.iter().map(|word| word.display().to_string()).collect()
}

fn install_python(order: &Order, folder: &Path) -> Result<Programs, String> {
    let venv = Venv::new(&folder.join("venv"), &python::build(order)?)?;
    let of = |file: &[&str]| {
        let file: PathBuf = file.iter().fold(root(), |path, part| path.join(part));
        words(&[&venv.program("python"), &file])
    };
    let flights = Some(of(&["examples", "python", "flights.py"]));
    Ok(Programs { flights, driver: of(&["conformance", "drivers", "python.py"]) })
}

/// Node finds packages from where a program lies: programs are copied beside them.
fn install_node(order: &Order, folder: &Path) -> Result<Programs, String> {
    node::install(&node::build(order)?, folder)?;
    let copied = |from: PathBuf, to: &str| {
        let to = folder.join(to);
        std::fs::copy(&from, &to).map_err(|e| format!("cannot copy {}: {e}", from.display()))?;
        Ok::<_, String>(words(&[Path::new("node"), &to]))
    };
    let flights = Some(copied(root().join("examples").join("node").join("flights.mjs"), "flights.mjs")?);
    Ok(Programs { flights, driver: copied(root().join("conformance").join("drivers").join("node.mjs"), "driver.mjs")? })
}

fn install_c(order: &Order, folder: &Path) -> Result<Programs, String> {
    let package = c::install(order, folder)?;
    let compiled = |source: PathBuf, name: &str| {
        let (program, lib) = (folder.join(name), package.join("lib"));
        let mut compiler = Command::new("cc");
        compiler.args(["-std=c99", "-O2"]).arg("-I").arg(package.join("include")).arg("-o").arg(&program).arg(source);
        compiler.arg("-L").arg(&lib).args(["-lferromq", "-lpthread"]).arg(format!("-Wl,-rpath,{}", lib.display()));
        run(&mut compiler)?;
        Ok::<_, String>(words(&[&program]))
    };
    let flights = Some(compiled(root().join("examples").join("c").join("flights.c"), "flights")?);
    let driver = root().join("conformance").join("drivers").join("c").join("driver.c");
    Ok(Programs { flights, driver: compiled(driver, "driver")? })
}

fn install_rust(order: &Order, _folder: &Path) -> Result<Programs, String> {
    run(cargo().args(["build", "--quiet", "--package", "ferromq-driver", "--profile", order.profile]))?;
    Ok(Programs { flights: None, driver: words(&[&built("ferromq-driver", order.directory())]) })
}

/// The suite: every language's driver against Apache's brokers.
pub fn suite() -> Result<Counts, String> {
    let folder = Folder::new("ferromq-languages")?;
    let mut drivers = Vec::new();
    for (name, programs) in install(&Order::for_tests()?, &folder) {
        let programs = programs.map_err(|reason| format!("{name}: {reason}"))?;
        drivers.push(format!("{name:?}: {}", json(&programs.driver)));
    }
    let mut command = cargo();
    command.env("FERROMQ_DRIVERS", format!("{{{}}}", drivers.join(", ")));
    // One broker of Apache at a time: all languages run beside each other.
    command.args(["test", "--package", "ferromq-interop", "--test", "languages", "--", "--test-threads", "1"]);
    count_cargo(crate::run::run_teed(&mut command)?)
}
