//! The bridge that one writes first: an async function per message, each with its own native future and promise. It does
//! what the echo mode of `ferromq-bridge` does (a task takes every message and answers it) and nothing else, so that the
//! difference is that of the bridges.
use napi::bindgen_prelude::{Buffer, Error, Result, Uint8Array};
use napi_derive::napi;
use tokio::sync::{mpsc, oneshot, Mutex, OnceCell};

/// The answer to a send, as the npm package gives it.
#[napi(object)]
pub struct NaiveReceipt {
    /// Id.
    pub message_id: String,
    /// Queue.
    pub queue: NaiveQueue,
    /// Offset.
    pub queue_offset: f64,
    /// Status.
    pub status: String,
}

/// A queue.
#[napi(object)]
pub struct NaiveQueue {
    /// Topic.
    pub topic: String,
    /// Broker.
    pub broker: String,
    /// Number.
    pub id: i32,
}

/// A message.
#[napi(object)]
pub struct NaiveMessage {
    /// Topic.
    pub topic: String,
    /// Body.
    pub body: Buffer,
    /// Offset.
    pub queue_offset: f64,
    /// Id.
    pub message_id: String,
}

struct Job {
    topic: String,
    body: Vec<u8>,
    answer: oneshot::Sender<NaiveReceipt>,
}

/// A producer whose messages a task answers.
#[napi]
#[derive(Default)]
pub struct NaiveProducer {
    jobs: OnceCell<mpsc::UnboundedSender<Job>>,
}

#[napi]
impl NaiveProducer {
    /// A producer.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a message.
    #[napi]
    pub async fn send(&self, topic: String, body: Uint8Array) -> Result<NaiveReceipt> {
        let jobs = self.jobs.get_or_init(|| async { echo() }).await;
        let (answer, answered) = oneshot::channel();
        jobs.send(Job { topic, body: body.to_vec(), answer }).map_err(|error| Error::from_reason(error.to_string()))?;
        answered.await.map_err(|error| Error::from_reason(error.to_string()))
    }
}

/// The task that answers.
fn echo() -> mpsc::UnboundedSender<Job> {
    let (jobs, mut given) = mpsc::unbounded_channel::<Job>();
    tokio::spawn(async move {
        while let Some(Job { topic, body, answer }) = given.recv().await {
            drop(body);
            let receipt = NaiveReceipt {
                message_id: "7F0000010000000000000000000000000000".to_owned(),
                queue: NaiveQueue { topic, broker: "echo".to_owned(), id: 0 },
                queue_offset: 0.0,
                status: "SEND_OK".to_owned(),
            };
            // Who has gone away wants no answer.
            let _ = answer.send(receipt);
        }
    });
    jobs
}

/// A consumer of made-up messages.
#[napi]
pub struct NaiveConsumer {
    left: Mutex<u32>,
    body_len: usize,
}

#[napi]
impl NaiveConsumer {
    /// A consumer of `count` messages.
    #[napi(constructor)]
    pub fn new(count: u32, body_len: u32) -> Self {
        Self { left: Mutex::new(count), body_len: body_len as usize }
    }

    /// The next message; nothing after the last.
    #[napi]
    pub async fn next(&self) -> Option<NaiveMessage> {
        let mut left = self.left.lock().await;
        *left = left.checked_sub(1)?;
        drop(left);
        Some(NaiveMessage {
            topic: "echo".to_owned(),
            body: vec![b'x'; self.body_len].into(),
            queue_offset: 0.0,
            message_id: "7F0000010000000000000000000000000000".to_owned(),
        })
    }
}
