//! The C library: header, shared and static library, pkg-config and CMake files, the test helper, as one tarball.
use super::clean::{copy_folder, find, only_file, path_of, Folder};
use super::server::executable;
use super::Order;
use crate::run::{cargo, root, run, run_teed, target_dir};
use crate::suites::{number_before, Counts};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The number in the shared library's name, as in bindings/c/build.rs.
const ABI: u32 = 0;
/// What a program that contains the static library needs besides it.
const STATIC_LIBS: &[&str] = &["gcc_s", "rt", "pthread", "m", "dl", "c"];
/// How the tests and examples are compiled.
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The test programs, and how valgrind looks for leaks in them.
const PROGRAMS: &[(&str, &str)] = &[("surface", "full"), ("forks", "no"), ("broker", "full")];

/// Builds the tarball.
pub fn build(order: &Order) -> Result<Vec<PathBuf>, String> {
    let arch = std::env::consts::ARCH;
    let name = format!("ferromq-c-{}-linux-{arch}", env!("CARGO_PKG_VERSION"));
    let folder = Folder::new("ferromq-c")?;
    let package = folder.path().join(&name);
    lay_out(order, &package)?;
    let tarball = order.out.join(format!("{name}.tar.gz"));
    run(Command::new("tar").current_dir(folder.path()).arg("-czf").arg(&tarball).arg(&name))?;
    Ok(vec![tarball])
}

/// Builds the tarball and unpacks it in `folder`; returns the folder with `include` and `lib`.
pub fn install(order: &Order, folder: &Path) -> Result<PathBuf, String> {
    for tarball in build(order)? {
        run(Command::new("tar").current_dir(folder).arg("-xzf").arg(tarball))?;
    }
    only_file(folder, "ferromq-c-", "")
}

/// Fills the folder that becomes the tarball.
fn lay_out(order: &Order, package: &Path) -> Result<(), String> {
    run(cargo().args(["build", "--quiet", "--package", "ferromq-c", "--profile", order.profile]))?;
    let built = target_dir().join(order.directory());
    let (lib, bindings) = (package.join("lib"), root().join("bindings").join("c"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake").join("ferromq"));
    let failed = |e: std::io::Error| format!("cannot lay out the C library: {e}");
    for folder in [&pkgconfig, &cmake] {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    copy_folder(&root().join("c-include"), &package.join("include"))?;
    copy_folder(&bindings.join("testing"), &package.join("share").join("ferromq").join("testing"))?;
    for text in ["LICENSE", "NOTICE"] {
        std::fs::copy(root().join(text), package.join(text)).map_err(failed)?;
    }
    std::fs::copy(bindings.join("README.md"), package.join("README.md")).map_err(failed)?;
    let shared = format!("libferromq.so.{}", env!("CARGO_PKG_VERSION"));
    std::fs::copy(built.join("libferromq_c.so"), lib.join(&shared)).map_err(failed)?;
    run(Command::new("strip").arg("--strip-unneeded").arg(lib.join(&shared)))?;
    std::fs::copy(built.join("libferromq_c.a"), lib.join("libferromq.a")).map_err(failed)?;
    run(Command::new("strip").arg("--strip-debug").arg(lib.join("libferromq.a")))?;
    for name in [format!("libferromq.so.{ABI}"), "libferromq.so".to_owned()] {
        run(Command::new("ln").args(["-s", &shared]).arg(lib.join(name)))?;
    }
    let flags: Vec<String> = STATIC_LIBS.iter().map(|name| format!("-l{name}")).collect();
    for (name, folder, libs) in [
        ("ferromq.pc", &pkgconfig, flags.join(" ")),
        ("ferromq-static.pc", &pkgconfig, flags.join(" ")),
        ("ferromq-config.cmake", &cmake, STATIC_LIBS.join(";")),
        ("ferromq-config-version.cmake", &cmake, String::new()),
    ] {
        let template = bindings.join("package").join(format!("{name}.in"));
        let text = std::fs::read_to_string(&template).map_err(failed)?;
        let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION")).replace("@ABI@", &ABI.to_string());
        std::fs::write(folder.join(name), text.replace("@STATIC_LIBS@", &libs)).map_err(failed)?;
    }
    Ok(())
}

/// The unpacked tarball and what is compiled against it.
struct Rig {
    folder: Folder,
    /// The folder with `include` and `lib`.
    package: PathBuf,
    /// The broker's executable.
    ferromq: PathBuf,
    /// A PATH without compilers.
    path: OsString,
    counts: Counts,
}

/// The suite: everything is compiled against the unpacked tarball, and run where no compiler is on the PATH.
pub fn suite() -> Result<Counts, String> {
    let order = Order::for_tests()?;
    let folder = Folder::new("ferromq-c-test")?;
    let package = install(&order, folder.path())?;
    let path = path_of(folder.path(), &["sh", "dirname"])?;
    let mut rig = Rig { folder, package, ferromq: executable(&order)?, path, counts: Counts::default() };
    rig.header()?;
    for (name, leaks) in PROGRAMS {
        let source = root().join("bindings").join("c").join("tests").join(format!("{name}.c"));
        let shared = rig.compile(&source, name, "ferromq")?;
        rig.test(&mut Command::new(&shared))?;
        let mut valgrind = Command::new(find("valgrind")?);
        valgrind.args(["--quiet", "--error-exitcode=99", "--show-leak-kinds=definite"]);
        valgrind.args(["--errors-for-leak-kinds=definite", &format!("--leak-check={leaks}")]);
        rig.test(valgrind.arg(&shared))?;
        let linked = rig.compile(&source, &format!("{name}-static"), "ferromq-static")?;
        rig.test(&mut Command::new(linked))?;
    }
    rig.readme()?;
    rig.cmake()?;
    rig.examples()?;
    Ok(rig.counts)
}

impl Rig {
    /// The header alone, as C99 and as C++11, without a warning.
    fn header(&mut self) -> Result<(), String> {
        let source = self.folder.path().join("header.c");
        std::fs::write(&source, "#include <ferromq.h>\n").map_err(|e| e.to_string())?;
        for arguments in [["-x", "c", "-std=c99"], ["-x", "c++", "-std=c++11"]] {
            let mut compiler = Command::new(if arguments[1] == "c" { "gcc" } else { "g++" });
            compiler.args(arguments).args(STRICT).arg("-I").arg(self.package.join("include"));
            let (ok, _) = run_teed(compiler.args(["-fsyntax-only"]).arg(&source))?;
            self.counts.add(&Counts::one(ok));
        }
        Ok(())
    }

    /// The program of the README compiles as it stands there.
    fn readme(&mut self) -> Result<(), String> {
        let text = std::fs::read_to_string(self.package.join("README.md")).map_err(|e| e.to_string())?;
        let program = text.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let source = self.folder.path().join("hello.c");
        std::fs::write(&source, program).map_err(|e| e.to_string())?;
        let compiled = self.compile(&source, "hello", "ferromq").map_err(|e| println!("{e}"));
        self.counts.add(&Counts::one(compiled.is_ok()));
        Ok(())
    }

    /// A program of this source and the test helper, with what pkg-config says.
    fn compile(&self, source: &Path, name: &str, module: &str) -> Result<PathBuf, String> {
        let mut question = Command::new("pkg-config");
        question.args(["--cflags", "--libs", module]);
        let out = out_of(question.env("PKG_CONFIG_PATH", self.package.join("lib").join("pkgconfig")))?;
        let helper = self.package.join("share").join("ferromq").join("testing");
        let program = self.folder.path().join(name);
        let mut gcc = Command::new("gcc");
        gcc.args(["-std=c99", "-O1", "-g", "-pthread"]).args(STRICT).arg("-I").arg(&helper).arg("-o").arg(&program);
        gcc.arg(format!("-DFMQ_EXPECTED_VERSION=\"{}\"", env!("CARGO_PKG_VERSION")));
        gcc.arg(source).arg(helper.join("ferromq_testing.c")).args(out.split_whitespace());
        gcc.arg(format!("-Wl,-rpath,{}", self.package.join("lib").display()));
        run(&mut gcc)?;
        Ok(program)
    }

    /// Runs a test program and counts what it says.
    fn test(&mut self, command: &mut Command) -> Result<(), String> {
        command.env("FERROMQ_BIN", &self.ferromq).env("PATH", &self.path);
        let (ok, lines) = run_teed(command)?;
        let passed = lines.iter().rev().find(|line| line.ends_with(" 0 failed"));
        let passed = passed.map_or(0, |line| number_before(line, " passed"));
        self.counts.add(&Counts { passed, failed: usize::from(!ok || passed == 0), skipped: Vec::new() });
        Ok(())
    }

    /// A project that finds the package with CMake, both ways.
    fn cmake(&mut self) -> Result<(), String> {
        let project = self.folder.path().join("cmake");
        copy_folder(&root().join("bindings").join("c").join("tests").join("cmake"), &project)?;
        let build = project.join("build");
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(&project).arg("-B").arg(&build);
        run(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", self.package.display())).arg("-Wno-dev"))?;
        run(Command::new("cmake").arg("--build").arg(&build))?;
        for name in ["shared", "static"] {
            let (ok, lines) = run_teed(&mut Command::new(build.join(name)))?;
            self.counts.add(&Counts::one(ok && lines == [env!("CARGO_PKG_VERSION")]));
        }
        Ok(())
    }

    /// Every example runs against a broker.
    fn examples(&mut self) -> Result<(), String> {
        let folder = root().join("examples").join("c");
        let run_all = self.folder.path().join("examples");
        std::fs::create_dir_all(&run_all).map_err(|e| e.to_string())?;
        let runner = root().join("bindings").join("c").join("tests").join("examples.c");
        let runner = self.compile(&runner, "run-examples", "ferromq")?;
        for name in ["produce", "push_consume", "orderly", "lite_pull"] {
            self.compile(&folder.join(format!("{name}.c")), &format!("examples/{name}"), "ferromq")?;
        }
        self.test(Command::new(runner).arg(run_all))
    }
}

fn out_of(command: &mut Command) -> Result<String, String> {
    let out = command.output().map_err(|e| format!("cannot run pkg-config: {e}"))?;
    if !out.status.success() {
        return Err(format!("pkg-config: {}", String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
