//! The rows of `cargo xtask bench broker`: what is measured against what, and what is wanted.
use crate::crowd::{self, HeldPulls};
use crate::delivery::{self, Latency};
use crate::machine::PageCache;
use crate::measure::{alternate, median, Load, Pace, Slices, Speed};
use crate::process::{raise_open_files, resident_kib};
use crate::report::{table, Comparison, Wanted};
use crate::target::{Kind, Target};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// The ferromq executable
    #[arg(long, value_name = "FILE")]
    ferromq: PathBuf,
    /// Slices per server and row; medians are taken over them
    #[arg(long, default_value_t = 7)]
    slices: usize,
    /// Seconds of one slice
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only rows whose name contains this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave Apache out (no JDK needed), and the rows that need it
    #[arg(long)]
    without_apache: bool,
    /// Everything once, small and without Apache: shows that the command works, judges nothing
    #[arg(long)]
    quick: bool,
    /// Write the table, and how it came about, to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the file says about machine, versions, date and command, a line each
    #[arg(long, value_name = "TEXT")]
    about: Vec<String>,
}

/// How large everything is.
struct Scale {
    pace: Pace,
    topics: u64,
    connections: usize,
    held: usize,
    consumers: usize,
    /// For how long idle consumers are watched.
    idle: Duration,
    /// Messages per second of the deliveries.
    rate: u64,
}

/// What every row gets.
struct Bench {
    scale: Scale,
    ferromq: Kind,
    apache: bool,
    runtime: tokio::runtime::Runtime,
}

/// One row, or a few that are measured together.
struct Row {
    name: &'static str,
    /// Without it there is nothing to compare with.
    needs_apache: bool,
    run: fn(&Bench) -> Result<Vec<Comparison>, String>,
}

const ROWS: &[Row] = &[
    Row { name: "sends", needs_apache: false, run: sends },
    Row { name: "batches", needs_apache: false, run: batches },
    Row { name: "pulls", needs_apache: true, run: pulls },
    Row { name: "delivery", needs_apache: true, run: deliveries },
    Row { name: "topics", needs_apache: false, run: topics },
    Row { name: "connections", needs_apache: false, run: connections },
    Row { name: "held", needs_apache: false, run: held },
    Row { name: "idle", needs_apache: false, run: idle },
];

const SENDS: Load = Load::Sends { connections: 4, window: 256, topics: 1 };

/// Runs the command.
pub fn run(args: &Args) -> Result<(), String> {
    raise_open_files();
    let bench = Bench::new(args)?;
    let mut cache = PageCache::new()?;
    let chosen = ROWS.iter().filter(|row| args.only.as_ref().is_none_or(|text| row.name.contains(text.as_str())));
    let (mut comparisons, mut failed) = (Vec::new(), Vec::new());
    for row in chosen.filter(|row| bench.apache || !row.needs_apache || args.quick) {
        eprintln!("{}", row.name);
        if !args.quick {
            cache.fill()?;
        }
        match (row.run)(&bench) {
            Ok(lines) => comparisons.extend(lines),
            Err(error) => failed.push(format!("row {}: {error}", row.name)),
        }
    }
    let table = table(&comparisons);
    println!("{table}");
    if let Some(path) = &args.out {
        write(path, &args.about, &table)?;
    }
    let missed = comparisons.iter().filter(|c| !args.quick && !c.is_met());
    failed.extend(missed.map(|c| format!("missed: {}, beside {}", c.what, c.beside)));
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}

fn write(path: &PathBuf, about: &[String], table: &str) -> Result<(), String> {
    let about: String = about.iter().map(|line| format!("* {line}\n")).collect();
    let text = format!("{HEAD}\n{about}\n{table}");
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

const HEAD: &str = "\
# The broker's benchmark

Written by `cargo xtask bench broker`. The same driver loads FerroMQ's broker, Apache's, and an echo server that only finds the
frames, copies the bodies into memory and answers with frames of the usual size; all on one machine, over loopback, each a
process of its own with its default settings (Apache: 2 GiB of heap, G1). Their slices alternate, and servers that are not
measured are stopped meanwhile. Numbers are medians over the slices. Driver and servers share the machine's cores. The ratio is
FerroMQ's number divided by the one beside it.

Before each row the free memory is filled with pages of a file, as it is on a machine that has run for a while: so new pages come
from the system, and not from the host of a virtual machine. Before each slice the system writes what waits for the disk.
";

impl Bench {
    fn new(args: &Args) -> Result<Self, String> {
        let full = Scale {
            pace: Pace { slices: args.slices.max(1), slice: Duration::from_secs_f64(args.seconds.clamp(0.1, 60.0)) },
            topics: 10_000,
            connections: 10_000,
            held: 100_000,
            consumers: 100,
            idle: Duration::from_secs(30),
            rate: 10_000,
        };
        let small = Scale {
            pace: Pace { slices: 1, slice: Duration::from_millis(200) },
            topics: 100,
            connections: 100,
            held: 1000,
            consumers: 3,
            idle: Duration::from_millis(500),
            rate: 1000,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let apache = !args.without_apache && !args.quick;
        if let Some(reason) = ferromq_interop::missing_tools().filter(|_| apache) {
            return Err(format!("Apache's broker {reason}; --without-apache leaves it out"));
        }
        Ok(Self {
            scale: if args.quick { small } else { full },
            ferromq: Kind::Ferromq(args.ferromq.clone()),
            apache,
            runtime: runtime.map_err(|e| format!("cannot start the driver's runtime: {e}"))?,
        })
    }

    /// Our broker, Apache's if wanted, and `more`.
    fn kinds(&self, more: &[Kind]) -> Vec<Kind> {
        let mut kinds = vec![self.ferromq.clone()];
        kinds.extend(self.apache.then_some(Kind::Apache));
        kinds.extend_from_slice(more);
        kinds
    }

    /// Our speed, Apache's, and those of `more`.
    fn speeds(&self, load: Load, more: &[Kind]) -> Result<(Speed, Option<Speed>, Vec<Speed>), String> {
        let mut speeds = self.runtime.block_on(alternate(&self.kinds(more), load, self.scale.pace))?.into_iter();
        let ours = speeds.next().ok_or("nothing was measured")?;
        let apache = if self.apache { speeds.next() } else { None };
        Ok((ours, apache, speeds.collect()))
    }
}

fn rate(what: &str, ours: Speed, beside: &'static str, theirs: Speed, wanted: Wanted) -> Comparison {
    let (ours, theirs) = (ours.per_second, theirs.per_second);
    Comparison { what: what.into(), unit: "messages/s", ours, beside, theirs, wanted }
}

fn cpu(what: &str, ours: Speed, beside: &'static str, theirs: Speed, wanted: Wanted) -> Comparison {
    let (ours, theirs) = (ours.cpu_micros, theirs.cpu_micros);
    Comparison { what: what.into(), unit: "CPU µs/message", ours, beside, theirs, wanted }
}

const APACHE: &str = "Apache 5.4.0";

fn sends(bench: &Bench) -> Result<Vec<Comparison>, String> {
    const WHAT: &str = "single sends, 4 × 256 in flight, JSON, 128 B";
    let (ours, apache, echo) = bench.speeds(SENDS, &[Kind::Echo])?;
    let mut lines = Vec::new();
    for echo in echo {
        lines.push(rate(WHAT, ours, "echo server", echo, Wanted::AtLeast(0.6)));
        lines.push(cpu(WHAT, ours, "echo server", echo, Wanted::Nothing));
    }
    if let Some(apache) = apache {
        lines.push(rate(WHAT, ours, APACHE, apache, Wanted::AtLeast(8.0)));
        lines.push(cpu(WHAT, ours, APACHE, apache, Wanted::AtMost(1.0 / 12.0)));
    }
    Ok(lines)
}

fn batches(bench: &Bench) -> Result<Vec<Comparison>, String> {
    const WHAT: &str = "batches of 32, 4 × 16 in flight, JSON, 128 B";
    let load = Load::Batches { connections: 4, window: 16, messages: 32 };
    let (ours, apache, echo) = bench.speeds(load, &[Kind::Echo])?;
    // How much the driver and the machine's network let through.
    let mut lines: Vec<_> =
        echo.into_iter().map(|echo| rate(WHAT, ours, "echo server", echo, Wanted::Nothing)).collect();
    if let Some(apache) = apache {
        lines.push(rate(WHAT, ours, APACHE, apache, Wanted::AtLeast(10.0)));
        lines.push(cpu(WHAT, ours, APACHE, apache, Wanted::Nothing));
    }
    Ok(lines)
}

fn pulls(bench: &Bench) -> Result<Vec<Comparison>, String> {
    const WHAT: &str = "pulls of a backlog, 32 at a time, 8 connections";
    let (ours, apache, _) = bench.speeds(Load::Pulls { connections: 8 }, &[])?;
    let Some(apache) = apache else { return Ok(Vec::new()) };
    let lines =
        [cpu(WHAT, ours, APACHE, apache, Wanted::AtMost(0.1)), rate(WHAT, ours, APACHE, apache, Wanted::Nothing)];
    Ok(lines.into())
}

fn deliveries(bench: &Bench) -> Result<Vec<Comparison>, String> {
    /// A new server's first second is not measured.
    const WARM_UP: Duration = Duration::from_secs(1);
    let mut targets = Vec::new();
    for kind in bench.kinds(&[]) {
        let target = Target::start(&kind, &[])?;
        target.pause();
        targets.push((target, Vec::<Latency>::new()));
    }
    for slice in 0..bench.scale.pace.slices {
        for (target, latencies) in &mut targets {
            let topic = format!("Bench_delivery_{slice}");
            target.resume();
            let create = crate::frames::create_topic(&topic, 8)?;
            bench.runtime.block_on(crate::load::each(&target.broker, &create, 1))?;
            let warm_up = target.warm_up(WARM_UP.min(bench.scale.pace.slice));
            let latency = delivery::run(target, &topic, bench.scale.rate, warm_up, bench.scale.pace.slice)?;
            target.pause();
            eprintln!("  {:28} p50 {:>6.0} us  p99 {:>6.0} us", target.kind.name(), latency.p50, latency.p99);
            latencies.push(latency);
        }
    }
    let [(_, ours), (_, apache)] = &targets[..] else { return Ok(Vec::new()) };
    let of = |latencies: &[Latency], pick: fn(&Latency) -> f64| median(latencies.iter().map(pick).collect());
    let line = |name: &str, pick: fn(&Latency) -> f64| Comparison {
        what: format!("send to receive at {} messages/s, {name}", bench.scale.rate),
        unit: "µs",
        ours: of(ours, pick),
        beside: APACHE,
        theirs: of(apache, pick),
        wanted: Wanted::AtMost(0.2),
    };
    Ok(vec![line("p50", |l| l.p50), line("p99", |l| l.p99)])
}

fn topics(bench: &Bench) -> Result<Vec<Comparison>, String> {
    let many = Load::Sends { connections: 4, window: 256, topics: bench.scale.topics };
    let of_many = bench.runtime.block_on(async {
        let target = Target::start(&bench.ferromq, &[])?;
        let (mut one, mut all) = (Slices::default(), Slices::default());
        SENDS.prepare(&target).await?;
        many.prepare(&target).await?;
        for _ in 0..bench.scale.pace.slices {
            one.add("one topic", SENDS.slice(&target, bench.scale.pace.slice).await?);
            all.add("all topics in turn", many.slice(&target, bench.scale.pace.slice).await?);
        }
        Ok::<_, String>((all.median(), one.median()))
    })?;
    let what = format!("single sends to {} topics in turn", bench.scale.topics);
    Ok(vec![rate(&what, of_many.0, "one topic", of_many.1, Wanted::AtLeast(0.85))])
}

fn connections(bench: &Bench) -> Result<Vec<Comparison>, String> {
    const LIMIT_MIB: f64 = 200.0;
    let target = Target::start(&bench.ferromq, &[])?;
    let open = bench.runtime.block_on(crowd::connections(&target, bench.scale.connections))?;
    let resident = resident_kib(target.pid) as f64 / 1024.0;
    eprintln!("  {} connections             {resident:.1} MiB resident", open.len());
    Ok(vec![Comparison {
        what: format!("resident memory with {} idle connections", open.len()),
        unit: "MiB",
        ours: resident,
        beside: "limit",
        theirs: LIMIT_MIB,
        wanted: Wanted::AtMost(1.0),
    }])
}

fn held(bench: &Bench) -> Result<Vec<Comparison>, String> {
    let count = bench.scale.held;
    let (with, without, bytes) = bench.runtime.block_on(async {
        let target = Target::start(&bench.ferromq, &[])?;
        HeldPulls::prepare(&target).await?;
        let before = resident_kib(target.pid);
        drop(HeldPulls::start(&target, count).await?);
        let bytes = (resident_kib(target.pid) - before) as f64 * 1024.0 / count as f64;
        SENDS.prepare(&target).await?;
        let (mut with, mut without) = (Slices::default(), Slices::default());
        for _ in 0..bench.scale.pace.slices {
            let held = HeldPulls::start(&target, count).await?;
            with.add("while pulls are held", SENDS.slice(&target, bench.scale.pace.slice).await?);
            drop(held);
            // The closed connections' pulls are let go meanwhile.
            tokio::time::sleep(bench.scale.pace.slice).await;
            without.add("without", SENDS.slice(&target, bench.scale.pace.slice).await?);
        }
        Ok::<_, String>((with.median(), without.median(), bytes))
    })?;
    let memory = Comparison {
        what: "memory of a held pull".into(),
        unit: "bytes",
        ours: bytes,
        beside: "limit",
        theirs: 2048.0,
        wanted: Wanted::AtMost(1.0),
    };
    let what = format!("single sends while {count} pulls are held");
    Ok(vec![rate(&what, with, "none held", without, Wanted::AtLeast(0.9)), memory])
}

fn idle(bench: &Bench) -> Result<Vec<Comparison>, String> {
    const LIMIT_PERCENT: f64 = 0.5;
    let of = |kind: &Kind| {
        let target = Target::start(kind, &[])?;
        let idle = crowd::idle_consumers(&target, bench.scale.consumers, bench.scale.idle);
        let percent = bench.runtime.block_on(idle)?;
        eprintln!("  {:28} {percent:.2} % of a core", kind.name());
        Ok::<_, String>(percent)
    };
    let line = |ours, beside, theirs, wanted| Comparison {
        what: format!("idle with {} connected consumers", bench.scale.consumers),
        unit: "% of a core",
        ours,
        beside,
        theirs,
        wanted,
    };
    let ours = of(&bench.ferromq)?;
    let mut lines = vec![line(ours, "limit", LIMIT_PERCENT, Wanted::AtMost(1.0))];
    if bench.apache {
        lines.push(line(ours, APACHE, of(&Kind::Apache)?, Wanted::Nothing));
    }
    Ok(lines)
}
