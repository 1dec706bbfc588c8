//! Subcommands about groups and clients.
use super::{show, Call};
use crate::{failure::Failure, pipe, when};
use ferromq::{Boundary, MessageQueue};
use ferromq_protocol::body::{ConsumerConnection, SubscriptionGroupConfig};
use ferromq_protocol::topic::retry_topic;
use ferromq_protocol::version;
use std::collections::BTreeMap;
use std::fmt::Write;

super::commands! {
    "updateSubGroup", "Update or create subscription group.", update, [
        "b" "brokerAddr" May "create subscription group to which broker",
        "c" "clusterName" May "create subscription group to which cluster", "g" "groupName" Must "consumer group name",
        "s" "consumeEnable" May "consume enable", "m" "consumeFromMinEnable" May "from min offset",
        "d" "consumeBroadcastEnable" May "broadcast", "o" "consumeMessageOrderly" May "consume message orderly",
        "q" "retryQueueNums" May "retry queue nums", "r" "retryMaxTimes" May "retry max times",
        "i" "brokerId" May "consumer from which broker id",
        "w" "whichBrokerWhenConsumeSlowly" May "which broker id when consume slowly",
        "a" "notifyConsumerIdsChanged" May "notify consumerId changed"];
    "deleteSubGroup", "Delete subscription group from broker.", delete, [
        "b" "brokerAddr" May "delete subscription group from which broker",
        "c" "clusterName" May "delete subscription group from which cluster", "g" "groupName" Must "subscription group name",
        "r" "removeOffset" May "remove offset"];
    "consumerProgress", "Query consumer's progress, speed.", progress,
        ["g" "groupName" May "consumer group name", "t" "topicName" May "topic name"];
    "consumerConnection", "Query consumer's socket connection, client version and subscription.", consumers,
        ["g" "consumerGroup" Must "consumer group name", "b" "brokerAddr" May "broker address"];
    "producerConnection", "Query producer's socket connection and client version.", producers,
        ["g" "producerGroup" Must "producer group name", "t" "topic" Must "topic name"];
    "resetOffsetByTime", "Reset consumer offset by timestamp(without client restart).", reset, [
        "g" "group" Must "set the consumer group", "t" "topic" Must "set the topic",
        "s" "timestamp" Must "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
        "f" "force" May "set the force rollback by timestamp switch[true|false]", "b" "broker" May "broker addr",
        "q" "queue" May "queue id", "o" "offset" May "Expect queue offset, not support old version broker"];
}

async fn update(call: &Call) -> Result<String, Failure> {
    let group = SubscriptionGroupConfig {
        consume_enable: call.truth("s", true),
        // Apache's tool creates groups with other defaults than its broker.
        consume_from_min_enable: call.truth("m", false),
        consume_broadcast_enable: call.truth("d", false),
        consume_message_orderly: call.truth("o", false),
        retry_queue_nums: call.number("q", 1)?,
        retry_max_times: call.number("r", 16)?,
        broker_id: call.number("i", 0)?,
        which_broker_when_consume_slowly: call.number("w", 1)?,
        notify_consumer_ids_changed_enable: call.truth("a", true),
        ..SubscriptionGroupConfig::new(call.need("g").trim())
    };
    let mut out = String::new();
    for addr in call.brokers().await? {
        call.admin.put_group(&addr, &group).await.map_err(Failure::new)?;
        let _ = writeln!(out, "create subscription group to {addr} success.");
    }
    Ok(out + &show::group(&group))
}

async fn delete(call: &Call) -> Result<String, Failure> {
    let (group, clean) = (call.need("g").trim(), call.truth("r", false));
    let mut out = String::new();
    for addr in call.brokers().await? {
        call.admin.delete_group(&addr, group, clean).await.map_err(Failure::new)?;
        let cluster = match (call.get("b"), call.get("c")) {
            (None, Some(cluster)) => format!(" in cluster [{cluster}]"),
            _ => String::new(),
        };
        let _ = writeln!(out, "delete subscription group [{group}] from broker [{addr}]{cluster} success.");
    }
    if let (None, Some(cluster)) = (call.get("b"), call.get("c")) {
        for topic in [retry_topic(group), ferromq_protocol::topic::dlq_topic(group)] {
            for addr in call.masters(Some(cluster)).await? {
                call.admin.delete_topic_at(&addr, &topic).await.map_err(Failure::new)?;
            }
            call.admin.delete_route(&topic, Some(cluster)).await.map_err(Failure::new)?;
        }
    }
    Ok(out)
}

async fn progress(call: &Call) -> Result<String, Failure> {
    match call.get("g") {
        Some(group) => progress_of(call, group.trim()).await,
        None => all_progress(call).await,
    }
}

async fn progress_of(call: &Call, group: &str) -> Result<String, Failure> {
    let stats = call.admin.consume_stats(group, call.get("t").map(str::trim)).await.map_err(Failure::new)?;
    let row = |cells: [&str; 8]| {
        let [topic, broker, queue, end, committed, diff, inflight, last] = cells;
        format!("{topic:<64}  {broker:<32}  {queue:<4}  {end:<20}  {committed:<20}  {diff:<20} {inflight:<20} {last}\n")
    };
    let mut out = row([
        "#Topic",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        "#Diff",
        "#Inflight",
        "#LastTime",
    ]);
    let (mut waiting, mut in_flight) = (0_i64, 0_i64);
    for (queue, at) in &stats.offset_table {
        let diff = at.broker_offset.saturating_sub(at.consumer_offset);
        let inflight = at.pull_offset.saturating_sub(at.consumer_offset);
        (waiting, in_flight) = (waiting.saturating_add(diff), in_flight.saturating_add(inflight));
        let last = if at.last_timestamp > 0 { show::second(at.last_timestamp) } else { "N/A".into() };
        let numbers =
            [i64::from(queue.queue_id), at.broker_offset, at.consumer_offset, diff, inflight].map(|n| n.to_string());
        let [id, end, committed, diff, inflight] = &numbers;
        out += &row([&queue.topic, &queue.broker_name, id, end, committed, diff, inflight, &last]);
    }
    let _ = write!(
        out,
        "\nConsume TPS: {:.2}\nConsume Diff Total: {waiting}\nConsume Inflight Total: {in_flight}\n",
        stats.consume_tps
    );
    Ok(out)
}

async fn all_progress(call: &Call) -> Result<String, Failure> {
    let row = |cells: [&str; 7]| {
        let [group, count, version, kind, model, tps, diff] = cells;
        format!("{group:<64}  {count:<6}  {version:<24} {kind:<5}  {model:<14}  {tps:<7}  {diff}\n")
    };
    let mut out = row(["#Group", "#Count", "#Version", "#Type", "#Model", "#TPS", "#Diff Total"]);
    let topics = call.admin.topic_list().await.map_err(Failure::new)?;
    for group in topics.iter().filter_map(|topic| topic.strip_prefix("%RETRY%")) {
        let stats = call.admin.consume_stats(group, None).await.unwrap_or_default();
        let online = online(call, group).await.unwrap_or_default();
        let count = online.connection_set.len().to_string();
        let oldest = online.connection_set.iter().map(|client| client.version).min();
        let version = oldest.map_or("OFFLINE".into(), |oldest| version::name(oldest).to_string());
        let (kind, model) = match oldest {
            Some(_) => (
                if online.consume_type.name().ends_with("PASSIVELY") { "PUSH" } else { "PULL" },
                online.message_model.name(),
            ),
            None => ("", ""),
        };
        let tps = format!("{}", stats.consume_tps as i64);
        out += &row([group, &count, &version, kind, model, &tps, &stats.total_lag().to_string()]);
    }
    Ok(out)
}

/// The consumers of a group on all brokers that have its retry topic.
async fn online(call: &Call, group: &str) -> Result<ConsumerConnection, Failure> {
    let addrs = match call.get("b") {
        Some(broker) => vec![broker.trim().to_owned()],
        None => {
            let route = call.admin.topic_route(&retry_topic(group)).await.map_err(Failure::new)?;
            route.broker_datas.iter().filter_map(|broker| broker.master().map(str::to_owned)).collect()
        }
    };
    let mut all: Option<ConsumerConnection> = None;
    for addr in addrs {
        let Some(found) = call.admin.consumers_at(&addr, group).await.map_err(Failure::new)? else { continue };
        match &mut all {
            None => all = Some(found),
            Some(all) => {
                let known = |id: &str| all.connection_set.iter().any(|client| client.client_id == id);
                let new: Vec<_> = found.connection_set.into_iter().filter(|client| !known(&client.client_id)).collect();
                all.connection_set.extend(new);
            }
        }
    }
    all.ok_or_else(|| Failure::new(format!("the consumer group[{group}] not online")))
}

async fn consumers(call: &Call) -> Result<String, Failure> {
    let found = online(call, call.need("g").trim()).await?;
    let mut out = format!("{:<36} {:<22} {:<10} {}\n", "#ClientId", "#ClientAddr", "#Language", "#Version");
    for client in &found.connection_set {
        let version = version::name(client.version);
        let _ = writeln!(out, "{:<36} {:<22} {:<10} {version}", client.client_id, client.client_addr, client.language);
    }
    out += "\nBelow is subscription:\n#Topic               #SubExpression\n";
    // In the order of Java's hash table no one could rely on; by name here.
    let subscriptions: BTreeMap<_, _> = found.subscription_table.iter().collect();
    for (topic, subscription) in subscriptions {
        let _ = writeln!(out, "{topic:<20} {}", subscription.sub_string);
    }
    let (kind, model, from) = (found.consume_type.name(), found.message_model.name(), found.consume_from_where.name());
    Ok(out + &format!("\nConsumeType: {kind}\nMessageModel: {model}\nConsumeFromWhere: {from}\n"))
}

async fn producers(call: &Call) -> Result<String, Failure> {
    let (group, topic) = (call.need("g").trim(), call.need("t").trim());
    let route = call.admin.topic_route(topic).await.map_err(Failure::new)?;
    let mut out = String::new();
    // Any broker of the topic can tell: producers connect to all of them.
    let addr = route.broker_datas.iter().find_map(|broker| broker.master());
    let addr = addr.ok_or_else(|| Failure::new(format!("topic {topic} has no master")))?;
    let found = call.admin.producers_at(addr, group).await.map_err(Failure::new)?;
    for (n, client) in found.connection_set.iter().enumerate() {
        let version = version::name(client.version);
        let _ = writeln!(
            out,
            "{:04}  {:<32} {:<22} {:<8} {version}",
            n + 1,
            client.client_id,
            client.client_addr,
            client.language
        );
    }
    Ok(out)
}

async fn reset(call: &Call) -> Result<String, Failure> {
    let (group, topic, text) = (call.need("g").trim(), call.need("t").trim(), call.need("s").trim());
    let time = match text {
        "now" => when::now_ms(),
        text => when::time_of_tool(text).ok_or_else(|| {
            Failure::new(format!("-s {text}: expected is now, milliseconds since 1970 or yyyy-MM-dd#HH:mm:ss:SSS"))
        })?,
    };
    let queue_id = call.number("q", -1)?;
    if let Some(broker) = call.get("b").filter(|_| queue_id >= 0) {
        pipe::print(&format!(
            "start reset consumer offset by specified, group[{group}], topic[{topic}], queueId[{queue_id}], broker[{broker}], \
             timestamp(string)[{text}], timestamp(long)[{time}]\n"
        ))?;
        return reset_queue(call, broker, queue_id, time).await;
    }
    let force = call.truth("f", true);
    let mut out = format!(
        "start reset consumer offset by specified, group[{group}], topic[{topic}], force[{force}], timestamp(string)[{text}], \
         timestamp(long)[{time}]\n{:<40}  {:<40}  {:<40}\n",
        "#brokerName", "#queueId", "#offset"
    );
    let route = call.admin.topic_route(topic).await.map_err(Failure::new)?;
    for addr in route.broker_datas.iter().filter_map(|broker| broker.master()) {
        let offsets = call.admin.reset_offsets(addr, group, topic, time, force).await.map_err(Failure::new)?;
        for (queue, offset) in offsets {
            let _ = writeln!(out, "{:<40}  {:<40}  {offset:<40}", queue.broker_name, queue.queue_id);
        }
    }
    Ok(out)
}

/// Resets the offset of one queue, to what `-o` says or to what was stored at a time. What is about to be done is printed before the
/// broker is asked for it, as by Apache's tool: it stands there too when the broker refuses.
async fn reset_queue(call: &Call, broker: &str, queue_id: i32, time: i64) -> Result<String, Failure> {
    let (group, topic) = (call.need("g").trim(), call.need("t").trim());
    let offset = match call.get("o") {
        Some(_) => call.number("o", 0)?,
        None => {
            let route = call.admin.topic_route(topic).await.map_err(Failure::new)?;
            let mut of_topic = route.broker_datas.iter();
            let broker = of_topic
                .find(|data| data.master() == Some(broker))
                .ok_or_else(|| Failure::new(format!("the topic {topic} has no broker with the address {broker}")))?;
            let queue = MessageQueue::new(topic, &broker.broker_name, queue_id);
            call.admin.search_offset(&queue, time, Boundary::Lower).await.map_err(Failure::new)?
        }
    };
    pipe::print(&format!("reset consumer offset to {offset}\n"))?;
    // The tool leaves a group where it is that would go to the beginning.
    if offset > 0 {
        call.admin.reset_offset_of_queue(broker, group, topic, queue_id, offset).await.map_err(Failure::new)?;
    }
    Ok(String::new())
}
