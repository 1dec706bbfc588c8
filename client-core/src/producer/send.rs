//! Carrying a prepared message to a broker: one attempt, and the loop of attempts inside one budget (client.md 2.4, 2.8).
use super::choose::{choose_queue, has_other_broker};
use super::latency::Outcome;
use super::prepare::Prepared;
use super::retry::{Attempts, Failed};
use super::Inner;
use crate::error::{Attempt, Error, ErrorKind, ATTEMPTS_LISTED_MAX};
use crate::message::{SendResult, SendStatus};
use crate::platform::after;
use crate::route::{BrokerRole, TopicRoute};
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::code::{request, response};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{SendMessage, SendMessageResponse};
use ferromq_protocol::{Command, ExtFields, Header};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Region of brokers that do not name one.
const DEFAULT_REGION: &str = "DefaultRegion";

/// What a send has gone through so far.
struct History {
    started: Instant,
    made: u32,
    maybe_sent: bool,
    attempts: Vec<Attempt>,
    /// A result that was not stored as configured, kept in case nothing better comes.
    not_ok: Option<SendResult>,
}

impl History {
    fn note(&mut self, broker: &str, error: &Error, cost: Duration) {
        self.maybe_sent |= !error.not_sent();
        if self.attempts.len() == ATTEMPTS_LISTED_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt { broker: broker.to_owned(), outcome: error.to_string(), cost });
    }

    /// The end of a send: a kept result, the error itself after one attempt, else one that lists all.
    fn fail(self, topic: &str, error: Error) -> Result<SendResult, Error> {
        match self.not_ok {
            Some(result) => Ok(result),
            None if self.made <= 1 => Err(error),
            None => self.give_up(topic, error),
        }
    }

    /// The end of a send after at least one attempt.
    fn give_up(self, topic: &str, error: Error) -> Result<SendResult, Error> {
        match self.not_ok {
            Some(result) => Ok(result),
            None => Err(Error::SendFailed {
                topic: topic.to_owned(),
                made: self.made,
                attempts: self.attempts,
                elapsed: self.started.elapsed(),
                maybe_sent: self.maybe_sent,
                source: Box::new(error),
            }),
        }
    }
}

impl Inner {
    /// Sends to whatever queue suits, with retries.
    pub(super) async fn send_anywhere(&self, message: &Prepared, deadline: Instant) -> Result<SendResult, Error> {
        let started = Instant::now();
        let mut history = History { started, made: 0, maybe_sent: false, attempts: Vec::new(), not_ok: None };
        let mut attempts = Attempts::new(self.options.retries);
        let mut last_broker: Option<String> = None;
        loop {
            let route = match self.route(&message.topic, deadline).await {
                Ok(route) => route,
                // Not an attempt: those made before count, and one of them may have stored the message.
                Err(error) if history.made == 0 => return Err(error),
                Err(error) => return history.give_up(&message.topic, error),
            };
            let queues = route.publish_queues();
            let queue = &queues[self.choose(&route, last_broker.as_deref())];
            let other = has_other_broker(queues, &queue.broker_name);
            let time = attempts.time(remaining(deadline), self.options.attempt_timeout, other);
            let begun = Instant::now();
            history.made += 1;
            let (error, failed) = match self.attempt(message, queue, time).await {
                Ok(result) if self.is_good(&result) => {
                    self.rate(&queue.broker_name, begun, Outcome::Answered);
                    if route.is_default() {
                        // The broker has just created the topic: its own route replaces the template's.
                        self.instance.routes().refresh_soon();
                    }
                    return Ok(result);
                }
                Ok(result) => {
                    let error = Error::validation(format!("stored with status {}", result.status.name()));
                    history.not_ok = Some(result);
                    (error, Failed::Refused)
                }
                Err(error) => {
                    let failed = self.judge(&error);
                    (error, failed)
                }
            };
            self.rate(&queue.broker_name, begun, outcome_of(failed, &error));
            history.note(&queue.broker_name, &error, begun.elapsed());
            let Some(pause) = attempts.again(failed, remaining(deadline), other) else {
                return history.fail(&message.topic, error);
            };
            tracing::debug!(topic = %message.topic, broker = %queue.broker_name, %error, "sent again");
            last_broker = Some(queue.broker_name.clone());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// The route of a topic, or that of the template for one that does not exist yet.
    pub(super) async fn route(&self, topic: &str, deadline: Instant) -> Result<Arc<TopicRoute>, Error> {
        self.instance.routes().for_sending(topic, self.options.default_topic_queues, deadline).await
    }

    /// Index of the queue by round robin. The route has at least one queue.
    fn choose(&self, route: &TopicRoute, last_broker: Option<&str>) -> usize {
        let (queues, from) = (route.publish_queues(), route.next_index());
        let chosen = if self.options.latency_fault {
            let faults = self.latency.lock();
            choose_queue(queues, from, last_broker, Some((&faults, Instant::now())))
        } else {
            choose_queue(queues, from, last_broker, None)
        };
        chosen.unwrap_or(0)
    }

    fn is_good(&self, result: &SendResult) -> bool {
        result.status == SendStatus::SendOk || !self.options.retry_not_store_ok
    }

    fn judge(&self, error: &Error) -> Failed {
        match error {
            Error::Broker { code, .. } if self.options.retry_codes.contains(code) => Failed::Refused,
            Error::Remoting(e) if !e.retriable() => Failed::Final,
            Error::Remoting(e) if e.not_sent() => Failed::NotSent,
            Error::Remoting(_) => Failed::Unknown,
            Error::NoBroker { .. } => Failed::NotSent,
            _ => Failed::Final,
        }
    }

    /// Enters an attempt into the latency table.
    fn rate(&self, broker: &str, begun: Instant, outcome: Outcome) {
        if self.options.latency_fault {
            self.latency.lock().update(&self.options.latency, broker, begun.elapsed(), outcome, Instant::now());
        }
    }

    /// The address of a queue's broker; when the cached routes have none, the route is asked for once.
    async fn master(&self, queue: &MessageQueue, deadline: Instant) -> Result<Arc<str>, Error> {
        match self.instance.broker_addr(&queue.broker_name, BrokerRole::Master) {
            Some(master) => Ok(master.addr),
            None => self.instance.master_until(queue, deadline).await,
        }
    }

    /// One attempt, with an answer.
    pub(super) async fn attempt(
        &self,
        message: &Prepared,
        queue: &MessageQueue,
        time: Duration,
    ) -> Result<SendResult, Error> {
        let deadline = after(time);
        let addr = self.master(queue, deadline).await?;
        let command = self.command(message, queue);
        let code = command.code;
        let answer = match self.instance.call(&addr, command, remaining(deadline)).await {
            Ok(answer) => answer,
            Err(error) => {
                if matches!(error.kind(), ErrorKind::Connect | ErrorKind::Send) {
                    // The broker may have moved, or be gone for longer.
                    self.instance.routes().refresh_soon();
                }
                return Err(error);
            }
        };
        let Some(status) = SendStatus::of_code(answer.code) else {
            if matches!(answer.code, response::TOPIC_NOT_EXIST | response::NO_PERMISSION) {
                // The route that led here is out of date.
                self.instance.routes().refresh_soon();
            }
            let remark = answer.remark.unwrap_or_default();
            return Err(Error::Broker { code: answer.code, remark, addr: addr.to_string(), request: code });
        };
        let header = SendMessageResponse::decode(&answer.ext).map_err(|e| Error::Decode {
            addr: addr.to_string(),
            request: code,
            reason: e.to_string(),
        })?;
        Ok(result(message, queue, status, &header))
    }

    /// One attempt without an answer.
    pub(super) async fn attempt_oneway(
        &self,
        message: &Prepared,
        queue: &MessageQueue,
        time: Duration,
    ) -> Result<(), Error> {
        let deadline = after(time);
        let addr = self.master(queue, deadline).await?;
        self.instance.oneway(&addr, self.command(message, queue), remaining(deadline)).await
    }

    fn command(&self, message: &Prepared, queue: &MessageQueue) -> Command {
        let header = SendMessage {
            producer_group: &self.group,
            topic: &message.topic,
            default_topic: &self.options.create_topic_key,
            default_topic_queue_nums: self.options.default_topic_queues,
            queue_id: queue.queue_id,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            flag: message.flag,
            properties: Some(message.properties.as_str()),
            reconsume_times: message.reconsume_times,
            unit_mode: false,
            max_reconsume_times: message.max_reconsume_times,
            batch: message.batch,
            broker_name: Some(&queue.broker_name),
        };
        let mut ext = ExtFields::empty();
        header.encode_named(&mut ext, Naming::Short);
        let code = if message.batch { request::SEND_BATCH_MESSAGE } else { request::SEND_MESSAGE_V2 };
        Command::request(code, ext, message.body.clone())
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn outcome_of(failed: Failed, error: &Error) -> Outcome {
    match (failed, error) {
        (_, Error::Broker { .. }) => Outcome::Refused,
        (Failed::NotSent | Failed::Unknown, Error::Remoting(_)) => Outcome::Unreachable,
        _ => Outcome::Answered,
    }
}

fn result(message: &Prepared, queue: &MessageQueue, status: SendStatus, header: &SendMessageResponse) -> SendResult {
    // An inner batch has one id, given by the broker.
    let message_id = header.batch_uniq_id.unwrap_or(&message.message_id).to_owned();
    SendResult {
        status,
        message_id,
        offset_message_id: header.msg_id.to_owned(),
        queue: MessageQueue::new(&*message.topic, &*queue.broker_name, header.queue_id),
        queue_offset: header.queue_offset,
        transaction_id: header.transaction_id.map(str::to_owned),
        region_id: header.msg_region.unwrap_or(DEFAULT_REGION).to_owned(),
        recall_handle: header.recall_handle.map(str::to_owned),
    }
}
