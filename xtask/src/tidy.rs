//! `cargo xtask tidy`: the rules of STYLE.md that a program can check. There are no exceptions.
//!
//! * a file has at most 1,000 lines and begins with a head comment;
//! * a function has at most 70 lines;
//! * every `unsafe` block has a `SAFETY:` comment, and stands in a `platform` module;
//! * no `unwrap`, `expect`, `panic!`, `todo!` outside tests;
//! * nothing in the repository names a package mirror or a path of somebody's machine.
use crate::run::{first_line, root};
use std::path::{Path, PathBuf};
use std::process::Command;

const LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;
/// Texts that mean "this would end the process".
const ABORTS: &[&str] = &[".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("];

/// Runs the command.
pub fn main() -> Result<(), String> {
    let files = tracked_files()?;
    let mut problems = Vec::new();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        check_any(file, &text, &mut problems);
        if file.extension().is_some_and(|e| e == "rs") {
            check_rust(file, &text, &mut problems);
        }
    }
    problems.iter().for_each(|p| println!("{p}"));
    println!("tidy: {} files, {} problems", files.len(), problems.len());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("{} problems; STYLE.md has the rules", problems.len()))
    }
}

/// The files that git tracks, or knows and does not ignore.
fn tracked_files() -> Result<Vec<PathBuf>, String> {
    first_line("git", &["--version"]).ok_or("git is missing (apt-get install -y git)")?;
    let out = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|e| format!("cannot run git: {e}"))?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().map(PathBuf::from).collect())
}

fn check_any(file: &Path, text: &str, problems: &mut Vec<String>) {
    let source =
        file.extension().is_some_and(|e| ["rs", "py", "java", "ts", "js", "c", "h", "sh"].iter().any(|x| e == *x));
    if source && text.lines().count() > LINES_MAX {
        problems.push(format!("{}: more than {LINES_MAX} lines", file.display()));
    }
    let home = concat!("/wo", "rk/");
    if text.contains(home) || text.contains(concat!("/ro", "ot/")) {
        problems.push(format!("{}: names a path of one machine", file.display()));
    }
    if file.ends_with("Cargo.lock") {
        for line in text.lines().filter(|l| l.starts_with("source = ")) {
            if !line.contains("registry+https://github.com/rust-lang/crates.io-index") {
                problems.push(format!("{}: a source that is not crates.io", file.display()));
            }
        }
    }
}

fn check_rust(file: &Path, text: &str, problems: &mut Vec<String>) {
    if !text.starts_with("//!") {
        problems.push(format!("{}: no head comment", file.display()));
    }
    let name = file.to_string_lossy();
    let in_tests = name.contains("/tests/")
        || name.contains("/benches/")
        || name.ends_with("/tests.rs")
        || name.starts_with("interop/");
    let lines: Vec<&str> = text.lines().collect();
    let code = strip(text);
    let code: Vec<&str> = code.lines().collect();
    let tests_from =
        code.iter().position(|l| l.trim().starts_with("#[cfg(") && l.contains("test")).unwrap_or(code.len());
    for (start, end) in functions(&code) {
        if end - start + 1 > FUNCTION_LINES_MAX {
            problems.push(format!("{name}:{}: a function of {} lines", start + 1, end - start + 1));
        }
    }
    for (i, line) in code.iter().enumerate() {
        let unsafe_code = line.contains("unsafe {") || line.contains("unsafe impl");
        if unsafe_code && !lines[i.saturating_sub(8)..=i].iter().any(|l| l.contains("SAFETY:")) {
            problems.push(format!("{name}:{}: unsafe without a SAFETY comment", i + 1));
        }
        if unsafe_code && !in_tests && !name.contains("platform") {
            problems.push(format!("{name}:{}: unsafe outside a platform module", i + 1));
        }
        if !in_tests && i < tests_from && ABORTS.iter().any(|a| line.contains(a)) {
            problems.push(format!("{name}:{}: may end the process: {}", i + 1, line.trim()));
        }
    }
}

/// First and last line of every function with a body.
fn functions(code: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (i, line) in code.iter().enumerate() {
        let starts =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "fn") && line.contains('(');
        if !starts || line.contains("macro_rules") {
            continue;
        }
        let (mut depth, mut opened) = (0i32, false);
        'body: for (j, line) in code.iter().enumerate().skip(i) {
            for c in line.chars() {
                match c {
                    '{' => (depth, opened) = (depth + 1, true),
                    '}' => depth -= 1,
                    ';' if !opened && depth == 0 => break 'body,
                    _ => {}
                }
            }
            if opened && depth <= 0 {
                found.push((i, j));
                break;
            }
        }
    }
    found
}

/// The text with comments, strings and character literals blanked out, line by line the same.
fn strip(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = literal_end(&chars, i);
        if end > i {
            out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        } else {
            out.push(chars[i]);
            i += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `i` ends; `i` itself when none begins there.
fn literal_end(chars: &[char], i: usize) -> usize {
    let at = |k: usize| chars.get(k).copied().unwrap_or('\0');
    let until = |from: usize, stop: &dyn Fn(usize) -> bool, skip: usize| {
        (from..chars.len()).find(|k| stop(*k)).map_or(chars.len(), |k| k + skip)
    };
    match (at(i), at(i + 1)) {
        ('/', '/') => until(i, &|k| at(k) == '\n', 0),
        ('/', '*') => until(i + 2, &|k| at(k) == '*' && at(k + 1) == '/', 2),
        ('r', '"') | ('r', '#') if i == 0 || !(at(i - 1).is_alphanumeric() || at(i - 1) == '_') => {
            let hashes = (i + 1..chars.len()).take_while(|k| at(*k) == '#').count();
            if at(i + 1 + hashes) != '"' {
                return i;
            }
            until(i + 2 + hashes, &|k| at(k) == '"' && (1..=hashes).all(|h| at(k + h) == '#'), 1 + hashes)
        }
        ('"', _) => {
            let mut k = i + 1;
            while k < chars.len() && at(k) != '"' {
                k += if at(k) == '\\' { 2 } else { 1 };
            }
            (k + 1).min(chars.len())
        }
        ('\'', '\\') => until(i + 3, &|k| at(k) == '\'', 1),
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        _ => i,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strings, raw strings, characters and comments do not count as code; lines stay where they are.
    #[test]
    fn literals_and_comments_are_blanked() {
        let code = strip("let a = \"} \\\" {\"; // {\nlet b = r#\"{\"#; let c = '{'; let d: &'static str = x;\n");
        assert!(!code.contains('{') && !code.contains('}'));
        assert_eq!(code.lines().count(), 2);
        assert!(code.contains("'static"));
    }

    /// A function is measured from its first line to the closing brace.
    #[test]
    fn functions_are_measured() {
        let text = "fn a() {\n  if x {\n  }\n}\ntrait T { fn b(&self); }\n";
        assert_eq!(functions(&text.lines().collect::<Vec<_>>())[0], (0, 3));
    }
}
