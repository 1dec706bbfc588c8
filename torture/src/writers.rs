//! Threads that append to a store until it refuses, and remember what it took. Now and then they ask for the deletion of old segments.
use crate::model::{is_sync, message, Sent, BATCHES, PATIENCE, QUEUES, TOPICS};
use crate::pressure::is_refusing;
use crate::random::Random;
use ferromq_store::{faults, AppendBatch, AppendError, FlushOutcome, NotWritable, Store};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

/// What the threads did.
#[derive(Debug, Default)]
pub struct Written {
    /// Records that are in the log.
    pub sent: Vec<Sent>,
    /// End of the last record whose flush was confirmed.
    pub durable: i64,
    /// What the store said when it refused; not that a disk was over its watermark, which passes.
    pub refusals: Vec<String>,
    /// How often a disk was over its watermark.
    pub times_full: usize,
}

/// Appends from three threads: so many batches each, fewer when the store refuses and `patient` is not set.
pub fn append(store: &Store, batches: usize, patient: bool, random: &mut Random) -> Written {
    let written = Mutex::new(Written::default());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (mut random, written) = (random.split(), &written);
            scope.spawn(move || {
                let mut batch = store.new_batch();
                for number in 0..batches {
                    clock(&mut random);
                    let went_well = one_batch(store, &mut batch, &format!("{thread}-{number}"), &mut random, written);
                    if !went_well && !patient {
                        return;
                    }
                }
            });
        }
    });
    written.into_inner()
}

/// How far the clock is off, milliseconds.
static OFF_MS: AtomicI64 = AtomicI64::new(0);

/// The clock is right again, as at the beginning of every round.
pub fn set_clock_right() {
    OFF_MS.store(0, Ordering::Relaxed);
    faults::shift_clock(0);
}

/// Time passes, or steps back: so that checkpoints vouch for something, and never for too much.
fn clock(random: &mut Random) {
    let step = match random.below(60) {
        0 => 86_400_000,
        1 => -86_400_000,
        2..12 => random.below(4000) as i64,
        _ => return,
    };
    faults::shift_clock(OFF_MS.fetch_add(step, Ordering::Relaxed) + step);
}

/// One append of a few records; false when the store refused.
fn one_batch(store: &Store, batch: &mut AppendBatch, name: &str, random: &mut Random, out: &Mutex<Written>) -> bool {
    if random.one_in(12) {
        store.clean_log();
    }
    batch.clear();
    let mut sent = Vec::new();
    for number in 0..1 + random.below(5) {
        let (topic, queue) = (random.below(TOPICS.len()), random.below(QUEUES as usize) as i32);
        let nonce = random.below(usize::MAX);
        let (key, len) = (format!("{nonce:x}"), random.spread(3000));
        let body = format!("{name}-{number}-{nonce}-").repeat(1 + len / 16).into_bytes();
        let messages = if TOPICS[topic] == BATCHES { 1 + random.spread(40) as i64 } else { 1 };
        let mut properties = format!("KEYS\u{1}{key}\u{2}filler\u{1}{}\u{2}", "x".repeat(random.spread(1500)));
        if messages > 1 {
            properties += &format!("INNER_NUM\u{1}{messages}\u{2}");
        }
        if batch.push(&message((TOPICS[topic], queue), &body, &properties, messages)).is_ok() {
            sent.push((topic, queue, key, body, messages));
        }
    }
    let outcome = store.append(batch);
    let results = batch.results();
    let last = results.last().map(|last| last.physical_offset + i64::from(last.size));
    let taken = sent.into_iter().zip(results);
    let taken =
        taken.map(|((topic, queue, key, body, messages), at)| Sent { topic, queue, key, body, messages, at: *at });
    let taken: Vec<Sent> = taken.collect();
    out.lock().sent.extend(taken);
    match outcome {
        Ok(_) => {}
        Err(AppendError::NotWritable(NotWritable::DiskFull { .. })) => return wait_for_room(store, out),
        Err(error) => {
            out.lock().refusals.push(error.to_string());
            return false;
        }
    }
    match last.filter(|_| is_sync(store.options()) && !random.one_in(4)) {
        Some(end) => wait(store, end, out),
        None => true,
    }
}

/// Waits until no disk is over its watermark any more.
fn wait_for_room(store: &Store, out: &Mutex<Written>) -> bool {
    out.lock().times_full += 1;
    let deadline = Instant::now() + PATIENCE;
    while is_refusing(store) {
        if Instant::now() > deadline {
            out.lock().refusals.push("a disk stays over its watermark".to_owned());
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Waits until the store says that everything below `end` is on the disk.
fn wait(store: &Store, end: i64, out: &Mutex<Written>) -> bool {
    let (tell, told) = channel();
    let done = move |outcome| {
        let _ = tell.send(outcome);
    };
    store.when_flushed(end, Instant::now() + PATIENCE, Box::new(done));
    match told.recv() {
        Ok(FlushOutcome::Flushed) => {
            let mut out = out.lock();
            out.durable = out.durable.max(end);
            true
        }
        Ok(FlushOutcome::Failed(why)) => {
            out.lock().refusals.push(why.to_string());
            false
        }
        Ok(FlushOutcome::TimedOut) | Err(_) => {
            out.lock().refusals.push("nothing was heard of a flush".to_owned());
            false
        }
    }
}
