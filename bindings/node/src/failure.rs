//! Failures of the bridge as plain objects.
use ferromq_bridge::Failure;
use napi_derive::napi;

/// A failure on its way to the error class of TypeScript.
#[napi(object, object_from_js = false)]
pub struct NativeFailure {
    /// From the bridge's table of classes, like `FMQ_TIMEOUT`.
    pub code: String,
    /// The broker's response code, else Java's client-side code, else -1.
    pub broker_code: i32,
    /// What happened.
    pub message: String,
    /// The same call may succeed later.
    pub retriable: bool,
    /// No server can have executed the request.
    pub not_sent: bool,
}

impl From<Failure> for NativeFailure {
    fn from(failure: Failure) -> Self {
        let Failure { class, code, message, retriable, not_sent } = failure;
        Self { code: class.info().code.to_owned(), broker_code: code, message, retriable, not_sent }
    }
}

/// What a call refuses at once; `None` when it was begun.
pub(crate) fn refused(result: Result<(), Failure>) -> Option<NativeFailure> {
    result.err().map(NativeFailure::from)
}
