//! Subcommands about topics.
use super::{show, Call};
use crate::failure::Failure;
use ferromq_protocol::body::{MessageQueue, TopicConfig};
use ferromq_protocol::json::{Flavour, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

super::commands! {
    "topicList", "Fetch all topic list from name server.", list, ["c" "clusterModel" Switch "clusterModel"];
    "topicRoute", "Examine topic route info.", route,
        ["t" "topic" Must "topic name", "l" "list" Switch "Use list format to print data"];
    "topicStatus", "Examine topic Status info.", status, ["t" "topic" Must "topic name", "c" "cluster" May "cluster name"];
    "topicClusterList", "Get cluster info for topic.", clusters, ["t" "topic" Must "topic name"];
    "updateTopic", "Update or create topic.", update, [
        "b" "brokerAddr" May "create topic to which broker", "c" "clusterName" May "create topic to which cluster",
        "a" "attributes" May "attribute(+a=b,+c=d,-e)", "t" "topic" Must "topic name",
        "r" "readQueueNums" May "set read queue nums", "w" "writeQueueNums" May "set write queue nums",
        "p" "perm" May "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]", "o" "order" May "set topic's order(true|false)",
        "u" "unit" May "is unit topic (true|false)", "s" "hasUnitSub" May "has unit sub (true|false)"];
    "deleteTopic", "Delete topic from broker and NameServer.", delete,
        ["t" "topic" Must "topic name", "c" "clusterName" Must "delete topic from which cluster"];
    "allocateMQ", "Allocate MQ.", allocate, ["t" "topic" Must "topic name", "i" "ipList" Must "ipList"];
}

async fn list(call: &Call) -> Result<String, Failure> {
    let topics = call.admin.topic_list().await.map_err(Failure::new)?;
    if !call.values.has("c") {
        return Ok(topics.iter().map(|topic| format!("{topic}\n")).collect());
    }
    let row = |cluster: &str, topic: &str, group: &str| format!("{cluster:<20}  {topic:<48}  {group:<48}\n");
    let mut out = row("#Cluster Name", "#Topic", "#Consumer Group");
    let info = call.admin.cluster_info().await.map_err(Failure::new)?;
    for topic in topics.iter().filter(|topic| !topic.starts_with("%RETRY%") && !topic.starts_with("%DLQ%")) {
        let Ok(route) = call.admin.topic_route(topic).await else { continue };
        let mut groups = Vec::new();
        for addr in route.broker_datas.iter().filter_map(|broker| broker.master()) {
            groups.extend(call.admin.groups_of_topic(addr, topic).await.map_err(Failure::new)?);
        }
        groups.sort();
        groups.dedup();
        if groups.is_empty() {
            groups.push(String::new());
        }
        let of = |name: &String| route.broker_datas.iter().any(|broker| broker.broker_name == *name);
        let cluster =
            info.cluster_addr_table.iter().find(|(_, names)| names.iter().any(of)).map(|(name, _)| name.as_str());
        groups.iter().for_each(|group| out += &row(cluster.unwrap_or_default(), topic, group));
    }
    Ok(out)
}

async fn route(call: &Call) -> Result<String, Failure> {
    let route = call.admin.topic_route(call.need("t").trim()).await.map_err(Failure::new)?;
    if !call.values.has("l") {
        let text = String::from_utf8_lossy(&route.to_json().write_pretty()).into_owned();
        return Ok(text + "\n");
    }
    let row = |cells: [&str; 6]| {
        let [cluster, broker, addrs, read, write, perm] = cells;
        format!("{cluster:<45} {broker:<32} {addrs:<50} {read:<10} {write:<11} {perm:<5}\n")
    };
    let mut out = row(["#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm"]);
    let (mut reads, mut writes) = (0, 0);
    for queues in &route.queue_datas {
        let Some(broker) = route.broker_datas.iter().find(|broker| broker.broker_name == queues.broker_name) else {
            continue;
        };
        let addrs: Vec<String> = broker.broker_addrs.iter().map(|(id, addr)| format!("{id}={addr}")).collect();
        let (read, write) = (queues.read_queue_nums.to_string(), queues.write_queue_nums.to_string());
        let addrs = format!("{{{}}}", addrs.join(", "));
        out += &row([&broker.cluster, &broker.broker_name, &addrs, &read, &write, &queues.perm.to_string()]);
        (reads, writes) = (reads + queues.read_queue_nums, writes + queues.write_queue_nums);
    }
    out += &format!("{}\n", "-".repeat(158));
    let brokers = route.broker_datas.len().to_string();
    Ok(out + &row(["Total:", &brokers, "", &reads.to_string(), &writes.to_string(), ""]))
}

async fn status(call: &Call) -> Result<String, Failure> {
    let stats = call.admin.topic_stats(call.need("t").trim()).await.map_err(Failure::new)?;
    let row = |broker: &str, queue: &str, min: &str, max: &str, last: &str| {
        format!("{broker:<32}  {queue:<4}  {min:<20}  {max:<20}    {last}\n")
    };
    let mut out = row("#Broker Name", "#QID", "#Min Offset", "#Max Offset", "#Last Updated");
    for (queue, at) in &stats.offset_table {
        let last = if at.last_update_timestamp > 0 { show::time(at.last_update_timestamp) } else { String::new() };
        let (id, min, max) = (queue.queue_id.to_string(), at.min_offset.to_string(), at.max_offset.to_string());
        out += &row(&queue.broker_name, &id, &min, &max, &last);
    }
    Ok(out + &format!("\nTopic Put TPS: {:?}\n", stats.topic_put_tps))
}

async fn clusters(call: &Call) -> Result<String, Failure> {
    let route = call.admin.topic_route(call.need("t").trim()).await.map_err(Failure::new)?;
    let mut names: Vec<&str> = route.broker_datas.iter().map(|broker| broker.cluster.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}

async fn update(call: &Call) -> Result<String, Failure> {
    const QUEUES: i32 = 8;
    const UNIT: i32 = 1;
    const UNIT_SUB: i32 = 2;
    let flags = i32::from(call.truth("u", false)) * UNIT + i32::from(call.truth("s", false)) * UNIT_SUB;
    let config = TopicConfig {
        read_queue_nums: call.number("r", QUEUES)?,
        write_queue_nums: call.number("w", QUEUES)?,
        perm: call.number("p", 6)?,
        order: call.truth("o", false),
        topic_sys_flag: flags,
        ..TopicConfig::new(call.need("t").trim(), QUEUES)
    };
    let mut out = String::new();
    let mut order = Vec::new();
    for addr in call.brokers().await? {
        call.admin.put_topic(&addr, &config, call.get("a")).await.map_err(Failure::new)?;
        let _ = writeln!(out, "create topic to {addr} success.");
        order.push(addr);
    }
    if config.order {
        let conf = order_conf(call, &order, config.write_queue_nums).await?;
        call.admin.put_kv("ORDER_TOPIC_CONFIG", &config.topic_name, &conf).await.map_err(Failure::new)?;
        let _ = match call.get("b") {
            Some(_) => writeln!(out, "set broker orderConf. isOrder=true, orderConf=[{conf}]"),
            None => writeln!(out, "set cluster orderConf. isOrder=true, orderConf=[{conf}]"),
        };
    }
    Ok(out + &show::topic(&config, call.get("a").unwrap_or_default()))
}

/// `broker-a:8;broker-b:8`.
async fn order_conf(call: &Call, addrs: &[String], queues: i32) -> Result<String, Failure> {
    let info = call.admin.cluster_info().await.map_err(Failure::new)?;
    let of = |addr: &String| info.broker_addr_table.values().find(|broker| broker.master() == Some(addr.as_str()));
    let names = addrs.iter().filter_map(of).map(|broker| format!("{}:{queues}", broker.broker_name));
    Ok(names.collect::<Vec<_>>().join(";"))
}

async fn delete(call: &Call) -> Result<String, Failure> {
    let (topic, cluster) = (call.need("t").trim(), call.need("c").trim());
    for addr in call.masters(Some(cluster)).await? {
        call.admin.delete_topic_at(&addr, topic).await.map_err(Failure::new)?;
    }
    call.admin.delete_route(topic, Some(cluster)).await.map_err(Failure::new)?;
    Ok(format!(
        "delete topic [{topic}] from cluster [{cluster}] success.\ndelete topic [{topic}] from NameServer success.\n"
    ))
}

/// What the averaging strategy gives to consumers on these machines.
async fn allocate(call: &Call) -> Result<String, Failure> {
    let route = call.admin.topic_route(call.need("t").trim()).await.map_err(Failure::new)?;
    let queues = ferromq::subscribe_queues(call.need("t").trim(), &route);
    let ips: Vec<&str> = call.need("i").split(',').map(str::trim).filter(|ip| !ip.is_empty()).collect();
    let mut shares: BTreeMap<&str, Vec<&MessageQueue>> = ips.iter().map(|ip| (*ip, Vec::new())).collect();
    let (count, all) = (ips.len().max(1), queues.len());
    let mut at = 0;
    for (index, ip) in ips.iter().enumerate() {
        // The first ones take one more when it does not come out even.
        let share = all / count + usize::from(index < all % count);
        shares.entry(ip).or_default().extend(&queues[at..at + share]);
        at += share;
    }
    let queue = |queue: &&MessageQueue| {
        Value::object([
            ("brokerName", Value::from(&queue.broker_name)),
            ("queueId", Value::from(queue.queue_id)),
            ("topic", Value::from(&queue.topic)),
        ])
    };
    let result = shares.iter().map(|(ip, queues)| (*ip, Value::array(queues.iter().map(queue))));
    let text = Value::object([("result", Value::object(result))]).write(Flavour::Quoted);
    Ok(String::from_utf8_lossy(&text).into_owned() + "\n")
}
