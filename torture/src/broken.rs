//! Rounds over a store in this process whose disk refuses or whose bits flip.
use crate::faulty::{FaultyDisk, Illness};
use crate::model::{options, shuffle_flush, Model, Sent, PATIENCE};
use crate::pressure::high_water;
use crate::random::Random;
use crate::rounds::scratch;
use crate::writers::{append, set_clock_right};
use ferromq_protocol::record;
use ferromq_store::{config_file, faults, NoListener, Store, StoreOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Lives of a store in one round.
const LIVES: usize = 5;

/// The disk is full, above a watermark or to its last byte, breaks, becomes read-only or does half of what it is asked, while the store
/// opens, runs and stops: errors are answers, what was taken is there after a restart, and a store whose flush failed takes nothing more.
pub fn faults(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    set_clock_right();
    let folder = scratch()?;
    let home = folder.path().join("store");
    let mut options = options(&home, &mut random);
    let disk = Arc::new(FaultyDisk::new(random.split()));
    let _mounted = faults::mount(&home, disk.clone());
    let (mut model, mut saved) = (Model::default(), 0);
    for life in 0..LIVES {
        let outcome = live(&disk, &mut options, &mut model, &mut random);
        outcome.map_err(|error| format!("life {life}: {error}"))?;
        saved = save(&disk, &home, saved, &mut random).map_err(|error| format!("life {life}: {error}"))?;
    }
    disk.fall_ill(Illness::default());
    let store = open(&options)?;
    model.check(&store, &mut random, || true)?;
    store.shutdown().map_err(|error| error.to_string())
}

/// An illness of the running disk, and whether it is gone at once when it is over.
fn illness(random: &mut Random) -> Illness {
    let rate = 1 + random.spread(40);
    let mut ill = Illness::default();
    match random.below(7) {
        0 => ill.no_space = 1,
        1 => ill.no_space = rate,
        2 => ill.sync = rate,
        3 => (ill.read, ill.short) = (rate, 2),
        4 => ill.write = rate,
        5 => ill.read_only = true,
        _ => ill = Illness { no_space: rate, read: rate, short: 3, sync: 5 * rate, write: rate, read_only: false },
    }
    ill
}

fn open(options: &StoreOptions) -> Result<Arc<Store>, String> {
    Store::open(options.clone(), Arc::new(NoListener))
        .map_err(|error| format!("the store does not open on a disk that is well: {error}"))
}

fn live(disk: &FaultyDisk, options: &mut StoreOptions, model: &mut Model, random: &mut Random) -> Result<(), String> {
    shuffle_flush(options, random);
    if random.one_in(2) {
        // Opening on a bad disk works or fails; it costs nothing.
        disk.fall_ill(illness(random));
        if let Ok(store) = Store::open(options.clone(), Arc::new(NoListener)) {
            store.abandon();
        }
        disk.fall_ill(Illness::default());
    }
    let store = open(options)?;
    model.check(&store, random, || true)?;
    add(model, &store, append(&store, random.spread(60), false, random).sent);
    let ill = illness(random);
    disk.fall_ill(ill);
    let while_ill = append(&store, random.spread(60), true, random);
    add(model, &store, while_ill.sent);
    check_refusals(&store, &while_ill.refusals)?;
    if ill.read == 0 && ill.short == 0 {
        visible(&store, model)?;
    }
    disk.fall_ill(Illness::default());
    recovers(&store, model, random)?;
    if options.cleaning && random.one_in(2) {
        high_water(&store, &disk.fill, random, || false)?;
        recovers(&store, model, random)?;
    }
    if random.one_in(2) {
        let failed = store.shutdown().is_err();
        if failed && store.is_writable().is_ok() {
            return Err("a stop failed and the store still takes records".to_owned());
        }
    }
    store.abandon();
    Ok(())
}

fn add(model: &mut Model, store: &Store, sent: Vec<Sent>) {
    model.add(store, sent);
    // The page cache outlives the store, so everything that was taken must be there.
    model.durable = model.records.last().map_or(0, Sent::end);
}

/// Refusals name a file or say what to do.
fn check_refusals(store: &Store, refusals: &[String]) -> Result<(), String> {
    let root = store.options().root.display().to_string();
    let says = |text: &&String| text.contains(&root) || text.contains("consume queue") || text.contains("restart");
    match refusals.iter().find(|text| !says(text)) {
        Some(text) => Err(format!("a refusal nobody can act on: {text}")),
        None => Ok(()),
    }
}

/// What the store shows are records it took.
fn visible(store: &Store, model: &Model) -> Result<(), String> {
    for sent in model.records.iter().filter(|sent| sent.end() <= store.confirmed_offset()).rev().take(50) {
        let (at, deadline) = (sent.at.physical_offset, Instant::now() + PATIENCE);
        loop {
            match store.record_at(at) {
                Ok(Some(bytes)) if record::parse(&bytes, true).is_ok_and(|view| view.body() == sent.body) => break,
                _ if at < store.min_log_offset() => break,
                // While its segment is deleted the file is gone a moment before the log begins behind it.
                Err(_) if store.options().cleaning && Instant::now() < deadline => std::thread::yield_now(),
                other => return Err(format!("record {at} is not to be read: {other:?}")),
            }
        }
    }
    Ok(())
}

/// On a disk that is well again appends work, unless a flush has failed: then none does, and reads go on.
fn recovers(store: &Store, model: &mut Model, random: &mut Random) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let written = append(store, 1, true, random);
        let took = !written.sent.is_empty();
        add(model, store, written.sent);
        match written.refusals.first() {
            None if took => return Ok(()),
            Some(why) if why.contains("until the broker is restarted") => {
                let again = append(store, 3, true, random);
                if !again.sent.is_empty() {
                    return Err("a store whose flush has failed takes records".to_owned());
                }
                return visible(store, model);
            }
            _ if Instant::now() > deadline => return Err(format!("appends do not work again: {:?}", written.refusals)),
            _ => std::thread::yield_now(),
        }
    }
}

/// Replaces a configuration file on a bad disk: afterwards it has the old or the new content.
fn save(disk: &FaultyDisk, home: &Path, mut saved: usize, random: &mut Random) -> Result<usize, String> {
    let path = home.join("config/topics.json");
    for _ in 0..10 {
        disk.fall_ill(illness(random));
        let done = config_file::save(&path, (saved + 1).to_string().as_bytes()).is_ok();
        disk.fall_ill(Illness::default());
        let found = config_file::load(&path).map_err(|error| error.to_string())?;
        let found = found.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Ok(0), |text| text.parse::<usize>());
        let found = found.map_err(|error| error.to_string())?;
        if found != saved + 1 && (done || found != saved) {
            return Err(format!("configuration {found} was found where {saved} was followed by one more: {done}"));
        }
        saved = found;
    }
    Ok(saved)
}

/// A bit of a body flips on the disk: the record is reported, at the start or when it is read, and no other one is changed. Records
/// behind it are lost only when no flush vouches for it.
pub fn flips(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let folder = scratch()?;
    set_clock_right();
    let mut options = options(&folder.path().join("store"), &mut random);
    // The record in question has to be there.
    options.cleaning = false;
    let store = open(&options)?;
    let mut model = Model::default();
    model.add(&store, append(&store, 20 + random.below(60), true, &mut random).sent);
    let clean = random.one_in(2);
    if clean {
        store.shutdown().map_err(|error| error.to_string())?;
    }
    store.abandon();
    drop(store);
    let victim = random.below(model.records.len());
    flip(&options, &model.records[victim], &mut random).map_err(|error| format!("cannot flip a bit: {error}"))?;
    let store = open(&options)?;
    let end = store.max_log_offset();
    for (number, sent) in model.records.iter().enumerate() {
        let read = store.record_at(sent.at.physical_offset);
        let whole =
            matches!(&read, Ok(Some(bytes)) if record::parse(bytes, true).is_ok_and(|view| view.body() == sent.body));
        let lost = sent.at.physical_offset >= end && number >= victim && !clean;
        if whole == (number == victim) && !lost {
            return Err(format!("record {number} of {}, the flipped one is {victim}: {read:?}", model.records.len()));
        }
    }
    store.shutdown().map_err(|error| error.to_string())
}

fn flip(options: &StoreOptions, sent: &Sent, random: &mut Random) -> std::io::Result<()> {
    // Behind the 88 bytes of the head lies the body.
    let at = sent.at.physical_offset as u64 + 88 + random.below(sent.body.len()) as u64;
    let base = at / options.segment_size * options.segment_size;
    let path = options.commit_log_dir().join(format!("{base:020}"));
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at - base)?;
    byte[0] ^= 1 << random.below(8);
    file.write_all_at(&byte, at - base)
}
