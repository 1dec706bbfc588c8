//! Where the result of a call goes.
use crate::event::{Event, Value};
use crate::sync::{Condvar, Mutex};
use crate::{EventQueue, Failure};
use ferromq::SendResult;
use std::sync::Arc;
use std::time::Duration;

/// Where the result of a call goes.
#[derive(Debug)]
pub enum ReplyTo {
    /// Into the object's queue, under this token.
    Token(u64),
    /// To a thread that waits.
    Slot(Slot),
    /// Nowhere: of sends only the count and the first failure are kept for the next flush, and failures are logged.
    Nobody,
}

/// One result on which one thread waits.
#[derive(Debug, Clone)]
pub struct Slot {
    inner: Arc<(Mutex<Option<Event>>, Condvar)>,
}

impl Default for Slot {
    fn default() -> Self {
        Self { inner: Arc::new((Mutex::new(None), Condvar::new())) }
    }
}

impl Slot {
    pub(crate) fn put(&self, event: Event) {
        *self.inner.0.lock() = Some(event);
        self.inner.1.notify_all();
    }

    /// The result, once it is there, waited for as long as `limit`. Languages wait in slices to look after their signals.
    pub fn wait(&self, limit: Duration) -> Option<Event> {
        let (result, put) = &*self.inner;
        put.wait_until(result.lock(), limit, |result| result.is_some()).take()
    }
}

impl ReplyTo {
    /// The result of a send, as an event for the queue; given to the slot here.
    pub(crate) fn sent(self, result: Result<Option<SendResult>, Failure>) -> Option<Event> {
        match self {
            Self::Token(token) => Some(Event::Sent { token, result }),
            Self::Slot(slot) => {
                slot.put(Event::Sent { token: 0, result });
                None
            }
            Self::Nobody => None,
        }
    }

    /// The results of many sends.
    pub(crate) fn sent_many(self, events: &EventQueue<Event>, results: Vec<Result<SendResult, Failure>>) {
        match self {
            Self::Token(token) => events.push(Event::SentMany { token, results }),
            Self::Slot(slot) => slot.put(Event::SentMany { token: 0, results }),
            Self::Nobody => {}
        }
    }

    /// The result of any other call.
    pub(crate) fn done(self, events: &EventQueue<Event>, result: Result<Value, Failure>) {
        match self {
            Self::Token(token) => events.push(Event::Done { token, result }),
            Self::Slot(slot) => slot.put(Event::Done { token: 0, result }),
            Self::Nobody => {
                if let Err(failure) = result {
                    tracing::warn!(%failure, "a call failed whose result nobody wanted");
                }
            }
        }
    }
}
