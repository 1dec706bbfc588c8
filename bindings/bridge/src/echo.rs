//! Objects without a broker, so that bindings can be tested and measured alone.
use crate::outbox::{Job, JobReply};
use crate::reply::ReplyTo;
use bytes::Bytes;
use ferromq::{MessageExt, MessageQueue, SendResult, SendStatus};
use ferromq_protocol::record;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that wait at most: what a real consumer caches of one queue.
const CREDITS: usize = 1000;
/// A feed that waits for room goes on when fewer wait.
const LOW: usize = CREDITS / 2;
/// How often a paced feed offers what is due.
const TICK: Duration = Duration::from_micros(500);

/// What every echoed send is answered with.
pub(crate) fn answer(job: &Job) -> Option<SendResult> {
    if matches!(job.to, JobReply::One(ReplyTo::Nobody)) {
        return None;
    }
    Some(SendResult {
        status: SendStatus::SendOk,
        message_id: "7F0000010000000000000000000000000000".to_owned(),
        offset_message_id: "7F00000100002A9F0000000000000000".to_owned(),
        queue: MessageQueue::new(job.message.topic(), "echo", 0),
        queue_offset: 0,
        transaction_id: None,
        region_id: "DefaultRegion".to_owned(),
        recall_handle: None,
    })
}

/// A source of made-up messages.
#[derive(Debug)]
pub struct Feed {
    message: MessageExt,
    /// How many come in all.
    count: usize,
    /// Messages per second; 0 is as fast as they are taken.
    rate: u32,
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    line: VecDeque<MessageExt>,
    stopped: bool,
}

impl Feed {
    /// `count` messages with bodies of `body_len` bytes, `rate` per second (0: as fast as they are taken).
    pub fn new(count: usize, body_len: usize, rate: u32) -> Self {
        Self { message: message(body_len), count, rate, state: Mutex::default(), room: Condvar::new() }
    }

    pub(crate) fn start(self, on_ready: impl Fn() + Send + 'static) -> Arc<Self> {
        let feed = Arc::new(self);
        let feeding = feed.clone();
        let spawned = std::thread::Builder::new().name("ferromq-echo".to_owned()).spawn(move || feeding.run(&on_ready));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for made-up messages: none will come");
        }
        feed
    }

    fn run(&self, on_ready: &dyn Fn()) {
        let began = Instant::now();
        let mut offered = 0;
        while offered < self.count {
            let due = match self.rate {
                0 => self.count,
                rate => self.count.min((began.elapsed().as_secs_f64() * f64::from(rate)) as usize),
            };
            if due == offered {
                std::thread::sleep(TICK);
                continue;
            }
            let mut state = self.state.lock();
            while state.line.len() >= CREDITS && !state.stopped {
                self.room.wait(&mut state);
            }
            if state.stopped {
                return;
            }
            let count = (due - offered).min(CREDITS - state.line.len());
            let was_empty = state.line.is_empty();
            state.line.extend(std::iter::repeat_n(&self.message, count).cloned());
            offered += count;
            drop(state);
            if was_empty {
                on_ready();
            }
        }
    }

    pub(crate) fn take(&self, max: usize) -> (Vec<MessageExt>, bool) {
        let mut state = self.state.lock();
        let count = state.line.len().min(max);
        let before = state.line.len();
        let taken = state.line.drain(..count).collect();
        let more = !state.line.is_empty();
        drop(state);
        // Not at every take: the feed would be woken to make up as many as were taken.
        if before >= LOW && before - count < LOW {
            self.room.notify_one();
        }
        (taken, more)
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.room.notify_all();
    }
}

/// A message as a broker would deliver it.
fn message(body_len: usize) -> MessageExt {
    let host = SocketAddr::from(([127, 0, 0, 1], 10911));
    let body = vec![b'x'; body_len];
    let stored = record::Message {
        topic: "echo",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 1,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties: "TAGS\u{1}echo\u{2}UNIQ_KEY\u{1}7F0000010000000000000000000000000000\u{2}",
        queue_offset: 0,
        physical_offset: 0,
    };
    let mut bytes = Vec::new();
    let mut messages = Vec::new();
    let encoded = record::encode(&mut bytes, &stored).map_err(|error| error.to_string());
    let decoded = encoded.and_then(|_| {
        MessageExt::decode_all(&Bytes::from(bytes), &Arc::from("echo"), &mut messages)
            .map_err(|error| error.to_string())
    });
    if let Err(error) = decoded {
        tracing::error!(error, body_len, "a made-up message that cannot be stored");
    }
    messages.pop().unwrap_or_else(|| message(0))
}
