//! The remoting adapter: decodes headers, calls the service, encodes answers.
//!
//! One [`RemotingHandler`] serves a port. Requests of one read come together: runs of sends, and of ends of transactions,
//! become one append; everything else is dispatched one by one, in order. Nothing here blocks: administration that writes to
//! disk runs on a blocking thread and answers later, held pulls answer when a message arrives.
//!
//! Rules of answers (broker.md 0.3): an unknown code gets code 3 with the reference's remark (leading blank); a one-way
//! request is never answered; an answer has the codec of its request.
mod admin;
mod call;
mod cold;
mod consumer;
mod later;
mod link;
mod overload;
mod reply;
mod request_reply;
mod send;
mod transaction;

pub(crate) use reply::Reply;

use crate::service::notices::What;
use crate::service::{Caller, Refusal, Service};
use ferromq_protocol::Command;
use ferromq_remoting::{CloseReason, Connection, Handler, OutFrame};
use link::Link;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Which of the two ports (broker.md 0.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Serves everything.
    Main,
    /// Serves everything but pulls.
    Fast,
}

/// What a handler of one request gets.
pub(crate) struct Context<'a> {
    /// The broker.
    pub service: &'a Arc<Service>,
    /// Who asks.
    pub caller: Caller,
    /// Where a late answer goes.
    pub connection: &'a Arc<Connection>,
    /// The port it came in on.
    pub port: Port,
}

/// Serves one port. The ports are opened before the service exists (their numbers are part of its identity); connections
/// that come in between are closed, as if the port were not open yet.
pub struct RemotingHandler {
    service: OnceLock<Arc<Service>>,
    port: Port,
}

impl RemotingHandler {
    /// A handler that closes connections until [`open`](Self::open).
    pub fn new(port: Port) -> Arc<Self> {
        Arc::new(Self { service: OnceLock::new(), port })
    }

    /// Begins to serve.
    pub fn open(&self, service: Arc<Service>) {
        // A second call changes nothing.
        let _ = self.service.set(service);
    }

    fn one(
        &self,
        service: &Arc<Service>,
        connection: &Arc<Connection>,
        request: &Command,
        answers: &mut Vec<OutFrame>,
    ) {
        let caller = caller_of(connection, request);
        let context = Context { service, caller, connection, port: self.port };
        let reply = admin::handle(&context, request)
            .or_else(|| consumer::handle(&context, request))
            .or_else(|| request_reply::handle(&context, request))
            .unwrap_or_else(|| Reply::unsupported(request));
        if let Some(frame) = reply.into_frame(request) {
            answers.push(frame);
        }
    }

    /// Answers requests that are not done, so that their clients slow down.
    fn refuse(
        &self,
        service: &Service,
        connection: &Connection,
        requests: &[Command],
        refusal: &Refusal,
        answers: &mut Vec<OutFrame>,
    ) {
        let Some(first) = requests.first() else { return };
        service.notices.refused(&refusal.remark, || what(connection, first));
        answers.extend(requests.iter().filter_map(|request| Reply::refused(request, refusal).into_frame(request)));
    }
}

/// The caller of a request.
fn caller_of(connection: &Arc<Connection>, request: &Command) -> Caller {
    Caller {
        peer: canonical(connection.peer()),
        language: request.language,
        version: request.version,
        link: Some(Arc::new(Link::new(connection))),
    }
}

/// What a request was, for the log.
fn what(connection: &Connection, request: &Command) -> What {
    let topic = request.ext.get("topic").or_else(|| request.ext.get("b")).unwrap_or_default();
    What { code: request.code, topic: topic.to_owned(), peer: canonical(connection.peer()) }
}

/// IPv4 clients of a socket for both families show up as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Handler for RemotingHandler {
    fn connected(&self, connection: &Arc<Connection>) {
        if self.service.get().is_none() {
            connection.close("the broker is starting");
        }
    }

    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        let Some(service) = self.service.get() else { return connection.close("the broker is starting") };
        let mut rest = &requests[..];
        let (config, mut before, mut more) = (service.config(), Instant::now(), 0);
        while let Some(first) = rest.first() {
            let run = |of: fn(i32) -> bool| rest.iter().take_while(|request| of(request.code)).count();
            let (sends, ends) = (run(send::is_send), run(transaction::is_end));
            let together = sends.max(ends).max(1);
            let answered = answers.len();
            let room = if overload::may_be_long(first.code) { overload::room(connection, more) } else { Ok(()) };
            if let Err(refusal) = overload::waited(&config, first.code, connection.requests_age(), rest.len()).and(room)
            {
                self.refuse(service, connection, &rest[..together], &refusal, answers);
            } else if sends > 0 {
                send::handle(service, connection, &rest[..sends], answers);
            } else if ends > 0 {
                transaction::end(service, connection, &rest[..ends], answers);
            } else {
                self.one(service, connection, first, answers);
            }
            more += answers[answered..].iter().map(OutFrame::len).sum::<usize>();
            let now = Instant::now();
            service.notices.took(config.slow_request_mills, now - before, together, || what(connection, first));
            before = now;
            rest = &rest[together..];
        }
        requests.clear();
    }

    fn closed(&self, connection: &Arc<Connection>, _reason: &CloseReason) {
        if let Some(service) = self.service.get() {
            service.holds.client_gone();
            consumer::closed(service, connection.id());
        }
    }
}
