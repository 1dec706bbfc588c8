//! How a command fails: one line for the person, one exit code for the script.
use std::fmt;
use std::process::ExitCode;

/// A failure with its exit code: 1 something went wrong, 2 the command line is wrong, 253 (-3) a malformed name server
/// address as the reference broker has it (broker.md 2.1).
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something went wrong while running.
    pub fn new(what: impl fmt::Display) -> Failure {
        Failure { text: what.to_string(), code: 1 }
    }

    /// The command line or a configuration file asks for something impossible.
    pub fn usage(what: impl fmt::Display) -> Failure {
        Failure { text: what.to_string(), code: 2 }
    }

    /// With an exit code of its own.
    pub fn with_code(what: impl fmt::Display, code: u8) -> Failure {
        Failure { text: what.to_string(), code }
    }

    /// A malformed list of name servers.
    pub fn namesrv_address(address: &str) -> Failure {
        let text =
            format!("the name server address {address:?} is illegal; expected is host:port, several separated by ;");
        Failure { text, code: 253 }
    }

    /// The async runtime did not start.
    pub fn runtime(error: std::io::Error) -> Failure {
        Failure::new(format!("cannot start the runtime: {error}"))
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever the source's text looks like.
        f.write_str(&self.text.replace('\n', " "))
    }
}
