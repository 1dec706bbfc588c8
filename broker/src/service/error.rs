//! The refusal of a request: a response code with its remark, worded as Apache's broker words it, since clients and
//! operators search for these texts.
use ferromq_protocol::code::response;
use std::time::Duration;

/// Suffix of some remarks: where Apache's clients send their users.
pub const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

/// A request that is not done. The code is one of wire.md 3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("code {code}: {remark}")]
pub struct Refusal {
    /// Response code.
    pub code: i32,
    /// Text for the client.
    pub remark: String,
    /// Where Java throws an exception: the answer carries none of the fields that the handler would have added.
    pub thrown: bool,
}

impl Refusal {
    /// A refusal with `code` and `remark`.
    pub fn new(code: i32, remark: impl Into<String>) -> Self {
        Self { code, remark: remark.into(), thrown: false }
    }

    /// SYSTEM_ERROR.
    pub fn system_error(remark: impl Into<String>) -> Self {
        Self::new(response::SYSTEM_ERROR, remark)
    }

    /// SYSTEM_BUSY for a request that has waited where `size` requests wait. `why` is the word that operators search for.
    pub fn waited(why: &str, waited: Duration, size: usize) -> Self {
        let ms = waited.as_millis();
        let remark = format!(
            "[{why}]broker busy, start flow control for a while, period in queue: {ms}ms, size of queue: {size}"
        );
        Self::new(response::SYSTEM_BUSY, remark)
    }

    /// SYSTEM_BUSY for a request for which there is no room now. `why` as above.
    pub fn no_room(why: &str) -> Self {
        Self::new(response::SYSTEM_BUSY, format!("[{why}]system busy, start flow control for a while"))
    }

    /// SYSTEM_ERROR as Java answers when a handler throws: a header or body that cannot be read, a number out of range.
    pub fn thrown(remark: impl Into<String>) -> Self {
        Self { thrown: true, ..Self::system_error(remark) }
    }
}
