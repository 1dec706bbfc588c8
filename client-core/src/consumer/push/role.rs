//! What brokers and the instance may ask of a push consumer (client.md 3.16, 3.17).
use super::core::Core;
use crate::consumer::listener::{ConcurrentContext, ConsumeConcurrentlyStatus, ConsumeOrderlyStatus};
use crate::consumer::listener::{Listening, OrderlyContext};
use crate::instance::{BoxFuture, ConsumerRole};
use crate::message::MessageExt;
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumeResult, ConsumeType, ConsumerData, ConsumerRunningInfo, MessageQueue,
    PROP_CLIENT_VERSION, PROP_CONSUMER_START_TIMESTAMP, PROP_CONSUME_ORDERLY, PROP_CONSUME_TYPE, PROP_NAMESERVER_ADDR,
    PROP_THREADPOOL_CORE_SIZE,
};
use ferromq_protocol::version;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The consumer as its instance sees it. Weak: a consumer that is dropped ends, whoever still knows its role.
pub(super) struct Role(pub(super) Weak<Core>);

impl Role {
    fn with<T: Default>(&self, ask: impl FnOnce(Arc<Core>) -> T) -> T {
        self.0.upgrade().map(ask).unwrap_or_default()
    }
}

impl ConsumerRole for Role {
    fn heartbeat_data(&self) -> ConsumerData {
        self.with(|core| ConsumerData {
            consume_from_where: core.options.consume_from.on_the_wire(),
            consume_type: ConsumeType::Passively,
            group_name: core.group.clone(),
            message_model: core.options.message_model,
            subscription_data_set: core.subscriptions.all(),
            unit_mode: false,
        })
    }

    fn topics(&self) -> Vec<String> {
        self.with(|core| core.subscriptions.topics())
    }

    fn rebalance_now(&self) {
        self.with(|core| core.wake.notify_one());
    }

    fn reset_offset(&self, topic: &str, offsets: BTreeMap<MessageQueue, i64>) {
        self.with(|core| core.reset(topic, offsets));
    }

    fn offsets(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        self.with(|core| core.offsets.of_topic(topic))
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        self.with(|core| running_info(&core))
    }

    fn consume_directly(&self, message: MessageExt) -> Option<BoxFuture<ConsumeMessageDirectlyResult>> {
        let core = self.0.upgrade()?;
        Some(Box::pin(async move { consume_directly(core, message).await }))
    }
}

fn running_info(core: &Core) -> ConsumerRunningInfo {
    let mut info = ConsumerRunningInfo { subscription_set: core.subscriptions.all(), ..Default::default() };
    for subscription in &info.subscription_set {
        info.status_table.entry(subscription.topic.clone()).or_default();
    }
    for queue in core.queues() {
        let commit = core.offsets.memory(&queue.queue).unwrap_or(-1);
        info.mq_table.insert((*queue.queue).clone(), queue.info(commit));
        queue.add_stats(info.status_table.entry(queue.queue.topic.clone()).or_default());
    }
    let servers: String = core.instance.name_servers().iter().map(|server| format!("{server};")).collect();
    let options = &core.options;
    let properties = [
        (PROP_CONSUME_TYPE, ConsumeType::Passively.name().to_owned()),
        (PROP_CONSUME_ORDERLY, core.listening.is_orderly().to_string()),
        (PROP_CONSUMER_START_TIMESTAMP, core.started_ms.to_string()),
        (PROP_NAMESERVER_ADDR, servers),
        (PROP_THREADPOOL_CORE_SIZE, options.consume_threads.to_string()),
        (PROP_CLIENT_VERSION, version::name(version::CURRENT)),
        ("consumerGroup", core.group.clone()),
        ("messageModel", options.message_model.name().to_owned()),
        ("consumeFromWhere", options.consume_from.on_the_wire().name().to_owned()),
        ("consumeThreadMax", options.consume_threads.to_string()),
        ("consumeMessageBatchMaxSize", options.consume_batch_size.to_string()),
        ("pullBatchSize", options.pull_batch_size.to_string()),
        ("pullThresholdForQueue", options.cache_count_per_queue.to_string()),
        ("pullInterval", options.pull_interval.as_millis().to_string()),
        ("consumeConcurrentlyMaxSpan", options.max_span.to_string()),
        ("maxReconsumeTimes", options.max_reconsume_times.unwrap_or(-1).to_string()),
    ];
    info.properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    info
}

/// Runs the message through the listener alone; offsets are not touched.
async fn consume_directly(core: Arc<Core>, message: MessageExt) -> ConsumeMessageDirectlyResult {
    let begun = Instant::now();
    let blocking = match &core.listening {
        Listening::Concurrent(listener) => listener.is_blocking(),
        Listening::Orderly(listener) => listener.is_blocking(),
        Listening::Line(_) => false,
    };
    let (order, called) = if blocking {
        let runtime = core.runtime.clone();
        let inner = core.clone();
        let joined = core.runtime.spawn_blocking(move || runtime.block_on(call(&inner, message))).await;
        joined.unwrap_or_else(|error| (core.listening.is_orderly(), Err(error.to_string())))
    } else {
        call(&core, message).await
    };
    let (result, remark) = match called {
        Ok(result) => (result, None),
        Err(panic) => (ConsumeResult::ThrowException, Some(panic)),
    };
    ConsumeMessageDirectlyResult {
        auto_commit: true,
        consume_result: Some(result),
        order,
        remark,
        spent_time_millis: begun.elapsed().as_millis() as i64,
    }
}

async fn call(core: &Core, message: MessageExt) -> (bool, Result<ConsumeResult, String>) {
    let queue = Arc::new(message.queue());
    let messages = [message];
    match &core.listening {
        Listening::Concurrent(listener) => {
            let called = listener.call(&messages, &Arc::new(ConcurrentContext::new(queue))).await;
            let result = called.map(|status| match status {
                ConsumeConcurrentlyStatus::Success => ConsumeResult::Success,
                ConsumeConcurrentlyStatus::ReconsumeLater => ConsumeResult::Later,
            });
            (false, result)
        }
        Listening::Orderly(listener) => {
            let called = listener.call(&messages, &Arc::new(OrderlyContext::new(queue))).await;
            let result = called.map(|status| match status {
                ConsumeOrderlyStatus::Success => ConsumeResult::Success,
                ConsumeOrderlyStatus::SuspendCurrentQueueAMoment => ConsumeResult::Later,
            });
            (true, result)
        }
        Listening::Line(line) => {
            let [message] = messages;
            let result = match line.lease(vec![message]).await {
                Ok(partly) if partly.consumed == 1 => Ok(ConsumeResult::Success),
                Ok(_) => Ok(ConsumeResult::Later),
                Err(_) => Err("the consumer is closing".to_owned()),
            };
            (false, result)
        }
    }
}
