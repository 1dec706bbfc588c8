//! The official jars, fetched by package name, and our test program compiled against them.
use crate::Release;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A release on disk.
#[derive(Debug, Clone)]
pub struct Jars {
    /// Folder of this release, for logs and homes.
    pub folder: PathBuf,
    /// Class path with the jars and the compiled test programs.
    pub class_path: String,
}

/// What the machine lacks for these tests, as a sentence with the command that installs it; `None` when all is there.
pub fn missing_tools() -> Option<String> {
    let lacks = |program: &str, arg: &str| {
        Command::new(program).arg(arg).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    let mut missing = Vec::new();
    if lacks("javac", "-version") {
        missing.push("a JDK (apt-get install -y openjdk-17-jdk-headless)");
    }
    if lacks("mvn", "-v") {
        missing.push("Maven (apt-get install -y maven)");
    }
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(" and ")))
}

/// One fetch at a time in this process; other test processes do not run at the same time.
static FETCH: Mutex<()> = Mutex::new(());

impl Jars {
    /// Fetches and compiles what is not there yet.
    pub fn get(release: Release) -> Result<Jars, String> {
        let _one = FETCH.lock().map_err(|_| "an earlier fetch failed".to_string())?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = here.join("..").join("target").join("interop").join(release.version());
        fs::create_dir_all(folder.join("classes")).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        let complete = folder.join("complete");
        if !complete.exists() {
            fetch(&folder, release)?;
            fs::write(&complete, "").map_err(|e| format!("cannot write {}: {e}", complete.display()))?;
        }
        let source = |program: &&str| here.join("java").join(format!("{program}.java"));
        let class = |program: &&str| folder.join("classes").join(format!("{program}.class"));
        let programs = release.programs();
        // They use each other: one that is new makes all of them new.
        let newest = programs.iter().map(|program| modified(&source(program))).max().flatten();
        if programs.iter().any(|program| modified(&class(program)) < newest) {
            compile(&folder, &programs.iter().map(source).collect::<Vec<_>>())?;
        }
        let class_path = format!("{}/classes:{}/lib/*", folder.display(), folder.display());
        Ok(Jars { folder, class_path })
    }
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn fetch(folder: &Path, release: Release) -> Result<(), String> {
    let mut pom = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>ferromq</groupId><artifactId>interop</artifactId><version>1</version><dependencies>",
    );
    for part in release.parts() {
        pom.push_str(&format!(
            "<dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-{part}</artifactId>\
             <version>{}</version></dependency>",
            release.version()
        ));
    }
    pom.push_str("</dependencies></project>\n");
    fs::write(folder.join("pom.xml"), pom).map_err(|e| format!("cannot write the pom: {e}"))?;
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]);
    must(&mut maven, "Maven could not fetch the official jars")
}

fn compile(folder: &Path, sources: &[PathBuf]) -> Result<(), String> {
    let mut javac = Command::new("javac");
    javac.arg("-nowarn").arg("-cp").arg(format!("{}/lib/*", folder.display()));
    javac.arg("-d").arg(folder.join("classes")).args(sources);
    must(&mut javac, "javac refused the test programs")
}

fn must(command: &mut Command, what: &str) -> Result<(), String> {
    let out = command.stdin(Stdio::null()).output().map_err(|e| format!("{what}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = [out.stdout, out.stderr].concat();
    Err(format!("{what}: {}", String::from_utf8_lossy(&text)))
}
