//! Subcommands about brokers: the cluster, state, configuration, statistics.
use super::{show, Call};
use crate::{failure::Failure, when};
use ferromq_protocol::body::BrokerStatsData;
use std::collections::BTreeMap;
use std::fmt::Write;

super::commands! {
    "clusterList", "List cluster infos.", clusters,
        ["m" "moreStats" Switch "Print more stats", "c" "clusterName" May "which cluster"];
    "brokerStatus", "Fetch broker runtime status data.", status,
        ["b" "brokerAddr" May "Broker address", "c" "clusterName" May "which cluster"];
    "getBrokerConfig", "Get broker config by cluster or special broker.", config,
        ["b" "brokerAddr" May "get which broker", "c" "clusterName" May "get which cluster"];
    "updateBrokerConfig", "Update broker's config.", update, [
        "b" "brokerAddr" May "update which broker", "c" "clusterName" May "update which cluster",
        "k" "key" Must "config key", "v" "value" Must "config value"];
    "statsAll", "Topic and Consumer tps stats.", stats_all,
        ["a" "activeTopic" Switch "print active topic only", "t" "topic" May "print select topic only"];
}

type Status = BTreeMap<String, String>;

fn word<'a>(status: &'a Status, key: &str) -> &'a str {
    status.get(key).and_then(|text| text.split_whitespace().next()).unwrap_or("0")
}

fn float(status: &Status, key: &str) -> f64 {
    word(status, key).parse().unwrap_or(0.0)
}

async fn clusters(call: &Call) -> Result<String, Failure> {
    let info = call.admin.cluster_info().await.map_err(Failure::new)?;
    let more = call.values.has("m");
    let mut out = if more {
        format!(
            "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}\n",
            "#Cluster Name", "#Broker Name", "#InTotalYest", "#OutTotalYest", "#InTotalToday", "#OutTotalToday"
        )
    } else {
        let head = [
            "#Cluster Name",
            "#Broker Name",
            "#BID",
            "#Addr",
            "#Version",
            "#InTPS(LOAD)",
            "#OutTPS(LOAD)",
            "#Timer(Progress)",
            "#PCWait(ms)",
            "#Hour",
            "#SPACE",
            "#ACTIVATED",
        ];
        row(head.map(str::to_owned))
    };
    let wanted = |name: &&String| call.get("c").is_none_or(|cluster| cluster.trim() == name.as_str());
    for (cluster, names) in info.cluster_addr_table.iter().filter(|(name, _)| wanted(name)) {
        for broker in names.iter().filter_map(|name| info.broker_addr_table.get(name)) {
            for (id, addr) in &broker.broker_addrs {
                // A broker that does not answer is listed too: that is when operators look.
                let status = call.admin.broker_status(addr).await.unwrap_or_default();
                out += &if more {
                    totals(cluster, &broker.broker_name, &status)
                } else {
                    broker_row(cluster, &broker.broker_name, *id, addr, &status)
                };
            }
        }
    }
    Ok(out)
}

fn row(cells: [String; 12]) -> String {
    let [cluster, broker, id, addr, version, input, output, timer, wait, hour, space, active] = cells;
    format!("{cluster:<22}  {broker:<22}  {id:<4}  {addr:<22} {version:<16}  {input:>16}  {output:>30}  {timer:<22}  {wait:>11}  \
        {hour:<12}  {space:<8}  {active:>10}\n")
}

fn broker_row(cluster: &str, broker: &str, id: i64, addr: &str, s: &Status) -> String {
    // 4.9 spells the second rate with one r.
    let output = if s.contains_key("getTransferredTps") { "getTransferredTps" } else { "getTransferedTps" };
    let queue = |name: &str| {
        format!(
            "{},{}ms",
            word(s, &format!("{name}ThreadPoolQueueSize")),
            word(s, &format!("{name}ThreadPoolQueueHeadWaitTimeMills"))
        )
    };
    let earliest = float(s, "earliestMessageTimeStamp");
    let hours = if earliest > 0.0 { (when::now_ms() as f64 - earliest) / 3_600_000.0 } else { 0.0 };
    row([
        cluster.to_owned(),
        broker.to_owned(),
        id.to_string(),
        addr.to_owned(),
        s.get("brokerVersionDesc").cloned().unwrap_or_default(),
        format!("{:9.2}({})", float(s, "putTps"), queue("send")),
        format!("{:9.2}({}|{})", float(s, output), queue("pull"), queue("ack")),
        format!(
            "{}-{}({:.1}w, {:.1}, {:.1})",
            word(s, "timerReadBehind"),
            word(s, "timerOffsetBehind"),
            float(s, "timerCongestNum") / 10_000.0,
            float(s, "timerEnqueueTps"),
            float(s, "timerDequeueTps")
        ),
        word(s, "pageCacheLockTimeMills").to_owned(),
        format!("{hours:2.2}"),
        format!("{:.4}", float(s, "commitLogDiskRatio")),
        s.get("brokerActive").cloned().unwrap_or_else(|| "false".into()),
    ])
}

fn totals(cluster: &str, broker: &str, s: &Status) -> String {
    let count = |key: &str| word(s, key).parse::<i64>().unwrap_or(0);
    let between = |what: &str, from: &str, to: &str| {
        count(&format!("msg{what}Total{to}")) - count(&format!("msg{what}Total{from}"))
    };
    let yesterday = |what| between(what, "YesterdayMorning", "TodayMorning");
    let today = |what| between(what, "TodayMorning", "TodayNow");
    format!(
        "{cluster:<16}  {broker:<32} {:>14} {:>14} {:>14} {:>14}\n",
        yesterday("Put"),
        yesterday("Get"),
        today("Put"),
        today("Get")
    )
}

async fn status(call: &Call) -> Result<String, Failure> {
    let mut out = String::new();
    for addr in call.brokers().await? {
        for (key, value) in call.admin.broker_status(&addr).await.map_err(Failure::new)? {
            let _ = match call.get("b") {
                Some(_) => writeln!(out, "{key:<32}: {value}"),
                None => writeln!(out, "{addr:<24} {key:<32}: {value}"),
            };
        }
    }
    Ok(out)
}

async fn config(call: &Call) -> Result<String, Failure> {
    let mut out = String::new();
    for addr in call.brokers().await? {
        let settings = call.admin.broker_config(&addr).await.map_err(Failure::new)?;
        let heading = if call.get("b").is_some() { addr } else { format!("Master: {addr}") };
        out += &show::settings(&heading, &settings);
    }
    Ok(out)
}

async fn update(call: &Call) -> Result<String, Failure> {
    let mut out = String::new();
    for addr in call.brokers().await? {
        call.admin
            .update_broker_config(&addr, call.need("k").trim(), call.need("v").trim())
            .await
            .map_err(Failure::new)?;
        let _ = writeln!(out, "update broker config success, {addr}");
    }
    Ok(out)
}

/// Messages of a day, or of the longest window that has counted any.
fn of_day(stats: &BrokerStatsData) -> i64 {
    [&stats.stats_day, &stats.stats_hour, &stats.stats_minute]
        .iter()
        .map(|item| item.sum)
        .find(|sum| *sum != 0)
        .unwrap_or(0)
}

async fn stats_all(call: &Call) -> Result<String, Failure> {
    let line = |cells: [&str; 7]| {
        let [topic, group, waiting, input, output, day_in, day_out] = cells;
        format!("{topic:<64}  {group:<64} {waiting:>12} {input:>11} {output:>11} {day_in:>14} {day_out:>14}\n")
    };
    let mut out =
        line(["#Topic", "#Consumer Group", "#Accumulation", "#InTPS", "#OutTPS", "#InMsg24Hour", "#OutMsg24Hour"]);
    for topic in call.admin.topic_list().await.map_err(Failure::new)? {
        let chosen = call.get("t").is_none_or(|wanted| wanted.trim() == topic);
        if !chosen || topic.starts_with("%RETRY%") || topic.starts_with("%DLQ%") {
            continue;
        }
        let Ok(route) = call.admin.topic_route(&topic).await else { continue };
        let masters: Vec<&str> = route.broker_datas.iter().filter_map(|broker| broker.master()).collect();
        let (input, day_in) = rate(call, &masters, "TOPIC_PUT_NUMS", &topic).await?;
        let mut groups: Vec<String> = Vec::new();
        for addr in &masters {
            groups.extend(call.admin.groups_of_topic(addr, &topic).await.map_err(Failure::new)?);
        }
        groups.sort();
        groups.dedup();
        let active = call.values.has("a");
        if groups.is_empty() && (!active || day_in > 0) {
            out += &line([&topic, "", "0", &format!("{input:.2}"), "", &day_in.to_string(), "NO_CONSUMER"]);
        }
        for group in groups {
            let (output, day_out) = rate(call, &masters, "GROUP_GET_NUMS", &format!("{topic}@{group}")).await?;
            let waiting =
                call.admin.consume_stats(&group, Some(&topic)).await.map_or(0, |stats| stats.total_lag().max(0));
            if !active || day_in > 0 || day_out > 0 {
                let numbers = [format!("{input:.2}"), format!("{output:.2}"), day_in.to_string(), day_out.to_string()];
                let [input, output, day_in, day_out] = &numbers;
                out += &line([&topic, &group, &waiting.to_string(), input, output, day_in, day_out]);
            }
        }
    }
    Ok(out)
}

/// Messages per second of the last minute and messages of the day, over all masters.
async fn rate(call: &Call, masters: &[&str], item: &str, key: &str) -> Result<(f64, i64), Failure> {
    let (mut tps, mut day) = (0.0, 0);
    for addr in masters {
        if let Some(stats) = call.admin.broker_stats(addr, item, key).await.map_err(Failure::new)? {
            tps += stats.stats_minute.tps;
            day += of_day(&stats);
        }
    }
    Ok((tps, day))
}
