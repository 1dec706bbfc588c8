//! Medians, spreads and ratios of the runs, and the raw numbers as JSON.
use crate::target::Target;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// One run of one scenario against one target.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Messages per second.
    pub per_second: f64,
    /// Processor time of the server per message, microseconds.
    pub cpu_micros: f64,
    /// Round trip of one request at a time, microseconds.
    pub latency_p50_micros: Option<f64>,
    /// The slowest hundredth.
    pub latency_p99_micros: Option<f64>,
    /// Requests that the server refused as too busy, warm-up included.
    pub refused: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.0}/s  {:>7.2} us CPU each", self.per_second, self.cpu_micros)?;
        if let (Some(p50), Some(p99)) = (self.latency_p50_micros, self.latency_p99_micros) {
            write!(f, "  p50 {p50:.0} us, p99 {p99:.0} us")?;
        }
        if self.refused > 0 {
            write!(f, "  ({} refused as too busy)", self.refused)?;
        }
        Ok(())
    }
}

/// All runs.
#[derive(Debug, Default)]
pub struct Results {
    runs: BTreeMap<(String, String), Vec<Outcome>>,
    starts: BTreeMap<String, Vec<(f64, u64)>>,
}

type Pick = fn(&Outcome) -> Option<f64>;

/// Rows of the table: name and the number it shows.
const ROWS: &[(&str, Pick)] = &[
    ("messages/s", |o| Some(o.per_second)),
    ("CPU us/message", |o| Some(o.cpu_micros)),
    ("p50 us", |o| o.latency_p50_micros),
    ("p99 us", |o| o.latency_p99_micros),
];

impl Results {
    /// Notes how a target started.
    pub fn started(&mut self, target: &str, t: &Target) {
        self.starts.entry(target.into()).or_default().push((t.ready_ms, t.anonymous_kib));
    }

    /// Adds a run.
    pub fn add(&mut self, target: &str, scenario: &str, outcome: Outcome) {
        self.runs.entry((scenario.into(), target.into())).or_default().push(outcome);
    }

    fn numbers(&self, scenario: &str, target: &str, pick: Pick) -> Option<Vec<f64>> {
        let runs = self.runs.get(&(scenario.to_string(), target.to_string()))?;
        let mut numbers: Vec<f64> = runs.iter().filter_map(pick).collect();
        numbers.sort_by(f64::total_cmp);
        (!numbers.is_empty()).then_some(numbers)
    }

    /// Prints the tables.
    pub fn print(&self) {
        println!("| scenario | what | ferromq (min..max) | apache (min..max) | echo | ferromq/apache | ferromq/echo |");
        println!("|---|---|---|---|---|---|---|");
        let mut scenarios: Vec<&String> = self.runs.keys().map(|(s, _)| s).collect();
        scenarios.dedup();
        for scenario in scenarios {
            for (row, pick) in ROWS {
                let [ours, apache, echo] = ["ferromq", "apache", "echo"].map(|t| self.numbers(scenario, t, *pick));
                let Some(ours) = ours else { continue };
                let ratio = |other: &Option<Vec<f64>>| {
                    other.as_ref().map_or("-".into(), |o| format!("{:.3}", median(&ours) / median(o)))
                };
                println!(
                    "| {scenario} | {row} | {} | {} | {} | {} | {} |",
                    spread(&Some(ours.clone())),
                    spread(&apache),
                    spread(&echo),
                    ratio(&apache),
                    ratio(&echo)
                );
            }
        }
        for (target, starts) in &self.starts {
            let mut ready: Vec<f64> = starts.iter().map(|s| s.0).collect();
            let mut memory: Vec<f64> = starts.iter().map(|s| s.1 as f64 / 1024.0).collect();
            ready.sort_by(f64::total_cmp);
            memory.sort_by(f64::total_cmp);
            println!(
                "{target}: ready in {:.0} ms, {:.1} MiB anonymous memory after start",
                median(&ready),
                median(&memory)
            );
        }
    }

    /// Writes every number to a new file in `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), String> {
        std::fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        let path = folder.join(format!("{seconds}.json"));
        let runs: Vec<Value> = self
            .runs
            .iter()
            .map(|((scenario, target), outcomes)| {
                json!({"scenario": scenario, "target": target, "runs": outcomes.iter().map(|o| json!({
                "per_second": o.per_second, "cpu_micros": o.cpu_micros,
                "p50_micros": o.latency_p50_micros, "p99_micros": o.latency_p99_micros, "refused": o.refused})).collect::<Vec<_>>()})
            })
            .collect();
        let all = json!({"runs": runs, "starts": self.starts});
        std::fs::write(&path, format!("{all:#}\n")).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("raw results: {}", path.display());
        Ok(())
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn spread(numbers: &Option<Vec<f64>>) -> String {
    let Some(n) = numbers else { return "-".into() };
    let digits = usize::from(median(n) < 1000.0) * 2;
    format!("{:.digits$} ({:.digits$}..{:.digits$})", median(n), n[0], n[n.len() - 1])
}
