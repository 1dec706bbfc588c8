//! Answers: what a handler gives back, and the frames made of it.
use crate::service::Refusal;
use bytes::Bytes;
use ferromq_protocol::code::response;
use ferromq_protocol::{Command, Header};
use ferromq_remoting::{Connection, ConnectionError, OutFrame};
use std::sync::Arc;

/// What a handler gives back for one request.
pub(crate) enum Reply {
    /// An answer.
    Command(Command),
    /// An answer that is encoded already.
    Frame(OutFrame),
    /// The answer is given later through the connection, or never.
    Later,
}

impl Reply {
    /// SUCCESS without anything else.
    pub fn success(request: &Command) -> Self {
        Self::Command(Command::response_to(request, response::SUCCESS, None))
    }

    /// SUCCESS with a body.
    pub fn body(request: &Command, body: impl Into<Bytes>) -> Self {
        let mut answer = Command::response_to(request, response::SUCCESS, None);
        answer.body = body.into();
        Self::Command(answer)
    }

    /// SUCCESS with header fields.
    pub fn header<'a>(request: &Command, header: &impl Header<'a>) -> Self {
        let mut answer = Command::response_to(request, response::SUCCESS, None);
        answer.ext = header.to_ext();
        Self::Command(answer)
    }

    /// A refusal.
    pub fn refused(request: &Command, refusal: &Refusal) -> Self {
        Self::Command(refusal_of(request, refusal))
    }

    /// SUCCESS, or the refusal.
    pub fn done(request: &Command, result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self::success(request),
            Err(refusal) => Self::refused(request, &refusal),
        }
    }

    /// REQUEST_CODE_NOT_SUPPORTED with the reference's remark.
    pub fn unsupported(request: &Command) -> Self {
        let remark = format!(" request type {} not supported", request.code);
        Self::Command(Command::response_to(request, response::REQUEST_CODE_NOT_SUPPORTED, Some(remark)))
    }

    /// The frame to send now, if any; none for one-way requests.
    pub fn into_frame(self, request: &Command) -> Option<OutFrame> {
        if request.is_oneway() {
            return None;
        }
        match self {
            Self::Command(command) => Some(OutFrame::from(&command)),
            Self::Frame(frame) => Some(frame),
            Self::Later => None,
        }
    }

    /// Gives the answer through the connection. A connection that is gone needs none.
    pub fn send(self, connection: &Arc<Connection>, request: &Command) {
        self.give(request, |frame| connection.send(frame));
    }

    /// As [`send`](Self::send), but together with others that go the same way soon: nobody hurries for it.
    pub fn send_soon(self, connection: &Arc<Connection>, request: &Command) {
        self.give(request, |frame| connection.send_soon(frame));
    }

    fn give(self, request: &Command, send: impl FnOnce(OutFrame) -> Result<(), ConnectionError>) {
        if let Some(Err(error)) = self.into_frame(request).map(send) {
            tracing::debug!(%error, code = request.code, "late answer not sent");
        }
    }
}

/// The answer for a refusal.
pub(crate) fn refusal_of(request: &Command, refusal: &Refusal) -> Command {
    Command::response_to(request, refusal.code, Some(refusal.remark.clone()))
}

/// What Java answers when it cannot read a header or body.
pub(crate) fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::thrown(error.to_string())
}
