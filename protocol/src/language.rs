//! The language of a peer: ordinals of the official `LanguageCode` enumeration (wire.md 2.4).

/// Names in the order of their ordinals.
const NAMES: [&str; 14] = [
    "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST",
    "NODE_JS",
];

/// Java; also the language of a JSON header that names none.
pub const JAVA: i32 = 0;
/// C++; decides the form of offset reset bodies.
pub const CPP: i32 = 1;
/// .NET.
pub const DOTNET: i32 = 2;
/// Python.
pub const PYTHON: i32 = 3;
/// Anything without a code of its own.
pub const OTHER: i32 = 7;
/// HTTP.
pub const HTTP: i32 = 8;
/// Go.
pub const GO: i32 = 9;
/// PHP.
pub const PHP: i32 = 10;
/// Rust, known to peers since 4.9.4: what this program sends.
pub const RUST: i32 = 12;
/// Node.js, known to peers since 5.3.2.
pub const NODE_JS: i32 = 13;
/// An unknown name or number; written as no language at all in JSON.
pub const UNKNOWN: i32 = -1;

/// The name of an ordinal.
pub fn name(ordinal: i32) -> Option<&'static str> {
    usize::try_from(ordinal).ok().and_then(|o| NAMES.get(o).copied())
}

/// The ordinal of a name in any case; [`UNKNOWN`] for a name that does not exist.
pub fn ordinal(name: &str) -> i32 {
    // Peers write the names as they stand here, nearly always.
    let exact = NAMES.iter().position(|n| *n == name);
    exact.or_else(|| NAMES.iter().position(|n| n.eq_ignore_ascii_case(name))).map_or(UNKNOWN, |o| o as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ordinals_are_each_other_s_inverse() {
        (0..14).for_each(|o| assert_eq!(ordinal(name(o).unwrap()), o));
        assert_eq!(name(RUST), Some("RUST"));
        assert_eq!(name(NODE_JS), Some("NODE_JS"));
        assert_eq!((ordinal("go"), ordinal("COBOL"), name(99), name(-1)), (GO, UNKNOWN, None, None));
    }
}
