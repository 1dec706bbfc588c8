//! One line of a verification.
use std::fmt;
use std::path::PathBuf;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something that was written is not there or not right.
    Damage,
    /// Nothing is lost: what an unclean stop leaves and the next start puts right, or what is there on purpose.
    Note,
}

/// What was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// Byte of the file at which it begins.
    pub offset: u64,
    /// What is wrong.
    pub text: String,
}

impl Finding {
    pub(super) fn damage(file: impl Into<PathBuf>, offset: u64, text: impl Into<String>) -> Finding {
        Finding { severity: Severity::Damage, file: file.into(), offset, text: text.into() }
    }

    /// The same as a note when `harmless`.
    pub(super) fn note_if(mut self, harmless: bool) -> Finding {
        if harmless {
            self.severity = Severity::Note;
        }
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Damage => "damage",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {} at byte {}: {}", self.file.display(), self.offset, self.text)
    }
}
