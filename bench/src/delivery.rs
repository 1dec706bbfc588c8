//! From send to receive at a fixed rate: one connection sends, one per queue holds a pull. Every message carries the moment at
//! which it was sent. Plain threads and blocking sockets: their wake-ups are the machine's, the same for every server.
use crate::frames::{self, Template, FIRST_OPAQUE};
use crate::load::{body_of, check, records, take_frame};
use crate::target::Target;
use bytes::BytesMut;
use ferromq_protocol::{record, Codec};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Queues that take turns.
const QUEUES: usize = 4;
/// Longest pause between two looks at what is due.
const TICK: Duration = Duration::from_micros(100);
/// How long a pull may be held, in milliseconds.
const HOLD_MS: u32 = 15_000;
/// The end is looked for so often.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The slowest hundredth.
    pub p99: f64,
}

struct Run<'a> {
    address: &'a str,
    start: Instant,
    /// Messages sent before are not measured.
    measured_from: Duration,
    end: Duration,
    stop: AtomicBool,
    /// Sends refused as SYSTEM_BUSY.
    refused: AtomicU64,
}

/// Sends `rate` messages a second for `warm_up` and then `length`, of which the latter is measured. The topic must be new.
pub fn run(target: &Target, topic: &str, rate: u64, warm_up: Duration, length: Duration) -> Result<Latency, String> {
    let run = Run {
        address: &target.broker,
        start: Instant::now(),
        measured_from: warm_up,
        end: warm_up + length,
        stop: AtomicBool::new(false),
        refused: AtomicU64::new(0),
    };
    let mut latencies = std::thread::scope(|scope| {
        let receivers: Vec<_> = (0..QUEUES)
            .map(|queue| {
                scope.spawn({
                    let run = &run;
                    move || run.receive(topic, queue)
                })
            })
            .collect();
        let sent = run.send(topic, rate);
        run.stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for receiver in receivers {
            latencies.extend(receiver.join().map_err(|_| "a receiver panicked".to_owned())??);
        }
        sent.map(|()| latencies)
    })?;
    let expected = (rate as f64 * length.as_secs_f64()) as usize;
    if latencies.len() < expected {
        let (name, refused) = (target.kind.name(), run.refused.load(Ordering::Relaxed));
        eprintln!(
            "  {name} delivered {} of {expected} messages by the end; {refused} sends were refused",
            latencies.len()
        );
    }
    latencies.sort_unstable();
    // What has not come by the end is slower than everything that has.
    let total = latencies.len().max(expected);
    let at = |part: usize| latencies.get(total * part / 100).map_or(f64::INFINITY, |micros| *micros as f64);
    Ok(Latency { p50: at(50), p99: at(99) })
}

impl Run<'_> {
    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let stream =
            TcpStream::connect(self.address).map_err(|e| format!("cannot connect to {}: {e}", self.address))?;
        let options = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(READ_TIMEOUT)));
        options.map_err(|e| e.to_string())?;
        Ok(stream)
    }

    /// Writes what is due, and again, until the time is over; another thread takes the answers.
    fn send(&self, topic: &str, rate: u64) -> Result<(), String> {
        let templates: Vec<Template> =
            (0..QUEUES).map(|queue| frames::send(topic, queue, true)).collect::<Result<_, _>>()?;
        let mut stream = self.connect()?;
        let answers = stream.try_clone().map_err(|e| e.to_string())?;
        std::thread::scope(|scope| {
            let drain = scope.spawn(move || self.drain(answers));
            let (mut output, mut sent) = (Vec::new(), 0u64);
            while self.start.elapsed() < self.end {
                let due = (self.start.elapsed().as_secs_f64() * rate as f64) as u64;
                output.clear();
                for n in sent..due {
                    templates[n as usize % QUEUES].put(&mut output, FIRST_OPAQUE + n as i32, self.now());
                }
                sent = due;
                stream.write_all(&output).map_err(|e| format!("{}: {e}", self.address))?;
                std::thread::sleep(TICK);
            }
            // The last ones still arrive.
            std::thread::sleep(READ_TIMEOUT);
            self.stop.store(true, Ordering::Relaxed);
            drain.join().map_err(|_| "the reader of answers panicked".to_owned())?
        })
    }

    fn drain(&self, mut stream: TcpStream) -> Result<(), String> {
        let mut input = BytesMut::new();
        while let Some(frame) = self.frame(&mut stream, &mut input)? {
            let refused = !check(&frame, self.address)?;
            self.refused.fetch_add(u64::from(refused), Ordering::Relaxed);
        }
        Ok(())
    }

    fn receive(&self, topic: &str, queue: usize) -> Result<Vec<u64>, String> {
        let template = frames::pull(Codec::Json, topic, queue, Some(HOLD_MS))?;
        let mut stream = self.connect()?;
        let (mut input, mut output, mut offset, mut latencies) = (BytesMut::new(), Vec::new(), 0, Vec::new());
        loop {
            output.clear();
            template.put(&mut output, FIRST_OPAQUE, offset);
            stream.write_all(&output).map_err(|e| format!("{}: {e}", self.address))?;
            let Some(frame) = self.frame(&mut stream, &mut input)? else { return Ok(latencies) };
            let now = self.now();
            for bytes in records(body_of(&frame)) {
                offset += 1;
                let record = record::parse(bytes, false).map_err(|e| e.to_string())?;
                let stamp = record.body().get(..frames::DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
                let sent: u64 = stamp.and_then(|digits| digits.parse().ok()).ok_or("a body without its time")?;
                if sent >= self.measured_from.as_micros() as u64 {
                    latencies.push(now.saturating_sub(sent));
                }
            }
        }
    }

    /// The next frame; `None` when the run is over.
    fn frame(&self, stream: &mut TcpStream, input: &mut BytesMut) -> Result<Option<BytesMut>, String> {
        let mut chunk = [0; 64 << 10];
        loop {
            if let Some(frame) = take_frame(input) {
                return Ok(Some(frame));
            }
            match stream.read(&mut chunk) {
                Ok(0) => return Err(format!("{} closed the connection", self.address)),
                Ok(n) => input.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                }
                Err(e) => return Err(format!("{}: {e}", self.address)),
            }
        }
    }
}
