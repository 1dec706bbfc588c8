//! The answers to a run of requests: written one behind the other, so that they leave as one piece. Long bodies are not copied
//! but sent as they are.
//!
//! Threads and locks: a run belongs to one call of the handler. The memory of its piece is that of the thread, and used again
//! when all that was split off it is written.
use super::Refusal;
use bytes::{Bytes, BytesMut};
use ferromq_protocol::code::response as res;
use ferromq_protocol::frame::Prepared;
use ferromq_protocol::headers::TopicName;
use ferromq_protocol::{Codec, Command};
use ferromq_remoting::OutFrame;
use std::cell::Cell;
use std::sync::OnceLock;

/// Longer bodies are sent as they are, without a copy. Routes are shorter.
const BODY_BYTES_COPIED_MAX: usize = 4 * 1024;
/// A piece that has grown so long leaves, and the next one begins: bounds the memory that a thread keeps.
const PIECE_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    static PIECE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// The header of a success without fields, in JSON: all but its opaque.
fn success() -> Option<&'static Prepared> {
    static SUCCESS: OnceLock<Option<Prepared>> = OnceLock::new();
    // Any header: none is given.
    let prepared = || Prepared::answer(res::SUCCESS, None::<&TopicName<'_>>, &[("\"opaque\":", "0")]);
    SUCCESS.get_or_init(prepared).as_ref()
}

/// Answers on their way to `frames`.
pub(super) struct Answers<'a> {
    piece: BytesMut,
    /// A header that is being written.
    header: Vec<u8>,
    frames: &'a mut Vec<OutFrame>,
}

impl<'a> Answers<'a> {
    /// None yet. They stand behind what is in `frames`.
    pub(super) fn to(frames: &'a mut Vec<OutFrame>) -> Self {
        Self { piece: PIECE.take(), header: Vec::new(), frames }
    }

    /// Any answer, unless nobody waits for one.
    pub(super) fn push(&mut self, request: &Command, answer: &Command) {
        if request.is_oneway() {
            return;
        }
        if answer.body.len() > BODY_BYTES_COPIED_MAX || answer.encode(&mut self.piece).is_err() {
            self.split();
            // Says so when the answer cannot be encoded.
            self.frames.push(OutFrame::from(answer));
        }
        self.bound();
    }

    /// The answer that a request is refused, unless nobody waits for one.
    pub(super) fn refuse(&mut self, request: &Command, Refusal(code, remark): Refusal) {
        self.push(request, &Command::response_to(request, code, Some(remark)));
    }

    /// A success without header fields.
    pub(super) fn succeed(&mut self, request: &Command, body: &Bytes) {
        let fits = body.len() <= BODY_BYTES_COPIED_MAX && !request.is_oneway();
        let prepared = success().filter(|_| fits && request.codec == Codec::Json);
        self.header.clear();
        let begun = prepared.map(|success| success.begin(&mut self.header).int(request.opaque.into()));
        if begun.is_some_and(|header| header.end_before(body.len()).is_ok()) {
            self.piece.extend_from_slice(&self.header);
            self.piece.extend_from_slice(body);
            self.bound();
        } else {
            let success = Command::response_to(request, res::SUCCESS, None);
            self.push(request, &Command { body: body.clone(), ..success });
        }
    }

    fn bound(&mut self) {
        if self.piece.len() > PIECE_BYTES_MAX {
            self.split();
        }
    }

    fn split(&mut self) {
        if !self.piece.is_empty() {
            self.frames.push(OutFrame::whole(self.piece.split().freeze()));
        }
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        self.split();
        PIECE.set(std::mem::take(&mut self.piece));
    }
}
