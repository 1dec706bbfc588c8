//! Examples of the Rust client. Each program in `src/bin` takes the name server's address and a topic, and runs in the tests.
