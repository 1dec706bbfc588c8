//! What a run found, as text and as JSON.
use super::histogram::Histogram;
use std::fmt::Write;
use std::time::Duration;

/// Result of a run.
pub(super) struct Outcome {
    /// `producer`, `consumer`, `end-to-end`.
    pub kind: &'static str,
    pub topic: String,
    pub clients: u32,
    pub size: usize,
    pub messages: u64,
    pub bytes: u64,
    pub errors: u64,
    /// The first error, if there was one.
    pub error: Option<String>,
    pub elapsed: Duration,
    /// Time of each message; empty where none is measured.
    pub latency: Histogram,
}

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// Characters of the longest bar.
const BAR: u64 = 40;

impl Outcome {
    fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64().max(1e-9)
    }

    pub fn text(&self) -> String {
        let rate = self.messages as f64 / self.seconds();
        let mib = self.bytes as f64 / self.seconds() / (1024.0 * 1024.0);
        let mut out = format!(
            "{} {}: {} messages, {} clients, {:.2} s: {rate:.0} messages/s, {mib:.2} MiB/s, {} errors\n",
            self.kind,
            self.topic,
            self.messages,
            self.clients,
            self.seconds(),
            self.errors
        );
        if let Some(error) = &self.error {
            let _ = writeln!(out, "first error: {error}");
        }
        if self.latency.count() == 0 {
            return out;
        }
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let _ = write!(out, "latency ms: min {:.3}, mean {:.3}", ms(self.latency.min()), ms(self.latency.mean()));
        for (name, share) in QUANTILES {
            let _ = write!(out, ", {name} {:.3}", ms(self.latency.quantile(share)));
        }
        let _ = writeln!(out, ", max {:.3}", ms(self.latency.max()));
        let rows = self.latency.doublings();
        let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
        for (end, count) in rows {
            let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
            let share = count as f64 * 100.0 / self.latency.count() as f64;
            let _ = writeln!(out, "  <= {:>10.3} ms {share:>6.2} % {bar}", ms(end));
        }
        out
    }

    pub fn json(&self) -> String {
        let us = |nanos: u64| nanos as f64 / 1e3;
        let mut value = serde_json::json!({
            "kind": self.kind,
            "topic": self.topic,
            "clients": self.clients,
            "size": self.size,
            "messages": self.messages,
            "bytes": self.bytes,
            "errors": self.errors,
            "error": self.error,
            "seconds": self.seconds(),
            "messages_per_second": self.messages as f64 / self.seconds(),
            "bytes_per_second": self.bytes as f64 / self.seconds(),
        });
        if self.latency.count() > 0 {
            let mut latency = serde_json::json!({
                "min": us(self.latency.min()), "mean": us(self.latency.mean()), "max": us(self.latency.max()),
                "histogram": self.latency.doublings().iter().map(|(end, count)| (us(*end), *count)).collect::<Vec<_>>(),
            });
            for (name, share) in QUANTILES {
                latency[name] = us(self.latency.quantile(share)).into();
            }
            value["latency_us"] = latency;
        }
        format!("{value}\n")
    }
}
