//! KV configuration and the name server's own options over the wire (broker.md 1.9, 1.11).
//!
//! A change takes effect at once and is answered when it is in its file. A file that cannot be written is logged and the
//! change stays in memory, as with the reference.
use super::{done, with_body, with_header, Answer, Outcome, Refusal, Service};
use crate::files;
use ferromq_protocol::body::KvTable;
use ferromq_protocol::code::response as res;
use ferromq_protocol::headers::{GetKvConfigResponse, GetKvListByNamespace, KvKey};
use ferromq_protocol::{java_properties, Command, Header};
use ferromq_remoting::{Connection, OutFrame};
use std::io;
use std::sync::Arc;

impl Service {
    /// 100.
    pub(super) fn put_kv(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        let (Some(namespace), Some(key)) = (request.ext.get("namespace"), request.ext.get("key")) else {
            return Err(Refusal(res::SYSTEM_ERROR, "namespace or key is null".into()));
        };
        self.kv.put(namespace, key, request.ext.get("value").unwrap_or_default());
        self.save_kv(connection, request)
    }

    /// 101.
    pub(super) fn get_kv(&self, request: &Command) -> Outcome {
        let header = KvKey::decode(&request.ext)?;
        let Some(value) = self.kv.get(header.namespace, header.key) else {
            let remark = format!("No config item, Namespace: {} Key: {}", header.namespace, header.key);
            return Err(Refusal(res::QUERY_NOT_FOUND, remark));
        };
        with_header(request, &GetKvConfigResponse { value: Some(&value) })
    }

    /// 102.
    pub(super) fn delete_kv(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        let header = KvKey::decode(&request.ext)?;
        self.kv.delete(header.namespace, header.key);
        self.save_kv(connection, request)
    }

    /// 219.
    pub(super) fn list_kv(&self, request: &Command) -> Outcome {
        let namespace = GetKvListByNamespace::decode(&request.ext)?.namespace;
        match self.kv.list(namespace) {
            Some(table) => with_body(request, KvTable { table }.encode()),
            None => Err(Refusal(res::QUERY_NOT_FOUND, format!("No config item, Namespace: {namespace}"))),
        }
    }

    fn save_kv(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        let kv = self.kv.clone();
        answer_after(connection, request, "KV configuration", move || kv.save())
    }

    /// 318.
    pub(super) fn update_config(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        if request.body.is_empty() {
            return done(request);
        }
        let text = String::from_utf8_lossy(&request.body);
        let unreadable = |_| Refusal(res::SYSTEM_ERROR, "string2Properties error".into());
        let pairs = java_properties::parse(&text).map_err(unreadable)?;
        let mut config = self.config.write();
        if pairs.iter().any(|(name, _)| !config.is_changeable(name)) {
            return Err(Refusal(res::NO_PERMISSION, "Can not update config in black list.".into()));
        }
        let before = config.clone();
        for (name, value) in &pairs {
            // One wrong value does not keep the others from being set; the reference keeps the old value too.
            if let Err(error) = config.set(name, value) {
                tracing::warn!(%error, "option not changed");
            }
        }
        self.watchers.lock().iter().for_each(|watcher| watcher(&before, &config));
        let (file, text) = (config.store_file(), config.to_properties());
        drop(config);
        match file {
            Some(file) => answer_after(connection, request, "options", move || files::replace(&file, text.as_bytes())),
            None => done(request),
        }
    }
}

/// Answers when the file was written, from the thread that writes it.
fn answer_after(
    connection: &Arc<Connection>,
    request: &Command,
    what: &'static str,
    save: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Outcome {
    let connection = connection.clone();
    let (answer, oneway) = (Command::response_to(request, res::SUCCESS, None), request.is_oneway());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = save() {
            tracing::error!(%error, "{what} not written; the change is in memory only");
        }
        if !oneway {
            // A requester that is gone needs no answer.
            let _ = connection.send(OutFrame::from(&answer));
        }
    });
    Ok(Answer::Later)
}
