//! The key-value table of GET_BROKER_RUNTIME_INFO (broker.md 12.4). Tools parse it without checks: every key is there,
//! in the reference's spelling, as 0 where there is nothing to count.
use super::clock::now_ms;
use super::Service;
use ferromq_protocol::topic;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::Ordering::Relaxed;

/// Keys of things this broker has not: thread pools with queues, a timer wheel, a transient buffer pool.
const ZEROES: &[&str] = &[
    "EndTransactionQueueSize",
    "ackThreadPoolQueueHeadWaitTimeMills",
    "ackThreadPoolQueueSize",
    "dispatchMaxBuffer",
    "getMessageEntireTimeMax",
    "litePullThreadPoolQueueHeadWaitTimeMills",
    "litePullThreadPoolQueueSize",
    "pullThreadPoolQueueHeadWaitTimeMills",
    "pullThreadPoolQueueSize",
    "putMessageEntireTimeMax",
    "queryThreadPoolQueueHeadWaitTimeMills",
    "queryThreadPoolQueueSize",
    "sendThreadPoolQueueHeadWaitTimeMills",
    "sendThreadPoolQueueSize",
    "timerCongestNum",
    "timerOffsetBehind",
    "timerReadBehind",
];

/// Capacities the reference has for queues that do not exist here; tools divide by them.
const CAPACITIES: &[(&str, i64)] = &[
    ("EndTransactionThreadPoolQueueCapacity", 100_000),
    ("ackThreadPoolQueueCapacity", 100_000),
    ("litePullThreadPoolQueueCapacity", 100_000),
    ("pullThreadPoolQueueCapacity", 100_000),
    ("queryThreadPoolQueueCapacity", 20_000),
    ("sendThreadPoolQueueCapacity", 10_000),
];

/// The table.
pub fn table(service: &Service) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    ZEROES.iter().for_each(|key| put(&mut table, key, 0));
    CAPACITIES.iter().for_each(|(key, value)| put(&mut table, key, value));
    put(&mut table, "remainTransientStoreBufferNumbs", i32::MAX); // there is no such pool
    put(&mut table, "timerEnqueueTps", "0.0");
    put(&mut table, "timerDequeueTps", "0.0");
    put(&mut table, "putMessageDistributeTime", "");
    put(&mut table, "putLatency99", "0.0");
    put(&mut table, "putLatency999", "0.0");
    broker(service, &mut table);
    log(service, &mut table);
    rates(service, &mut table);
    schedule(service, &mut table);
    table
}

fn put(table: &mut BTreeMap<String, String>, key: &str, value: impl Display) {
    table.insert(key.to_owned(), value.to_string());
}

fn broker(service: &Service, table: &mut BTreeMap<String, String>) {
    let stats = &service.stats;
    put(table, "brokerActive", true);
    put(table, "brokerVersionDesc", ferromq_protocol::version::name(ferromq_protocol::version::CURRENT));
    put(table, "bootTimestamp", stats.boot_timestamp);
    put(table, "runtime", elapsed(now_ms() - stats.boot_timestamp));
    put(table, "startAcceptSendRequestTimeStamp", service.config().start_accept_send_request_time_stamp);
    let (yesterday, today) = service.mornings.get();
    for (when, totals) in [("YesterdayMorning", yesterday), ("TodayMorning", today), ("TodayNow", service.totals())] {
        put(table, &format!("msgPutTotal{when}"), totals.put);
        put(table, &format!("msgGetTotal{when}"), totals.get);
    }
    let puts = stats.put_messages.load(Relaxed).max(1);
    put(table, "putMessageTimesTotal", puts);
    put(table, "putMessageFailedTimes", stats.put_failures.load(Relaxed));
    put(table, "putMessageSizeTotal", stats.put_bytes.load(Relaxed));
    put(table, "putMessageAverageSize", format!("{:.1}", stats.put_bytes.load(Relaxed) as f64 / puts as f64));
}

fn log(service: &Service, table: &mut BTreeMap<String, String>) {
    let store = &service.store;
    let config = service.config();
    let (total, free) = super::disk::space(std::path::Path::new(&config.store_path_root_dir)).unwrap_or((0, 0));
    let used = if total == 0 { -1.0 } else { 1.0 - free as f64 / total as f64 };
    put(table, "commitLogMinOffset", store.min_log_offset());
    put(table, "commitLogMaxOffset", store.max_log_offset());
    put(table, "commitLogDiskRatio", used);
    for directory in store.options().commit_log_dirs() {
        let ratio = super::disk::space(&directory).filter(|(total, _)| *total > 0);
        let used = ratio.map_or(used, |(total, free)| 1.0 - free as f64 / total as f64);
        put(table, &format!("commitLogDiskRatio_{}", directory.display()), used);
    }
    put(table, "consumeQueueDiskRatio", used);
    put(table, "commitLogDirCapacity", format!("Total : {}, Free : {}.", size(total), size(free)));
    put(
        table,
        "remainHowManyDataToFlush",
        size((store.max_log_offset() - store.flushed_offset()).max(0).unsigned_abs()),
    );
    put(table, "dispatchBehindBytes", store.dispatch_behind_bytes());
    put(table, "pageCacheLockTimeMills", store.append_lock_held_ms());
    let first = store.record_at(store.min_log_offset()).ok().flatten();
    let first =
        first.and_then(|bytes| ferromq_protocol::record::parse(&bytes, false).ok().map(|r| r.store_timestamp()));
    put(table, "earliestMessageTimeStamp", first.unwrap_or(-1));
}

fn rates(service: &Service, table: &mut BTreeMap<String, String>) {
    let rates = service.stats.rates(now_ms());
    let text = |rate: [f64; 3]| format!("{:.2} {:.2} {:.2}", rate[0], rate[1], rate[2]);
    let both = [0, 1, 2].map(|at| rates.found[at] + rates.missed[at]);
    put(table, "putTps", text(rates.put));
    put(table, "getFoundTps", text(rates.found));
    put(table, "getMissTps", text(rates.missed));
    put(table, "getTotalTps", text(both));
    put(table, "getTransferredTps", text(rates.transferred));
    put(table, "getTransferedTps", text(rates.transferred)); // the spelling of 4.9, whose tools need it
}

fn schedule(service: &Service, table: &mut BTreeMap<String, String>) {
    for (level, next) in service.delay.table().offset_table {
        let max = service.store.max_offset(topic::SCHEDULE, level - 1);
        put(table, &format!("scheduleMessageOffset_{level}"), format!("{next},{max}"));
    }
}

/// `[ 0 days, 0 hours, 0 minutes, 12 seconds ]`.
fn elapsed(ms: i64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

/// `12.3 KiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_for_people() {
        assert_eq!([size(5), size(12_595), size(1 << 30)], ["5 B", "12.3 KiB", "1.0 GiB"]);
        assert_eq!(elapsed(90_061_000), "[ 1 days, 1 hours, 1 minutes, 1 seconds ]");
    }
}
