//! Replays the corpora of the fuzz targets, and a bounded number of mutations of each input, through the same checks.
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]
#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::PathBuf;

/// Most truncations and most bit flips of one input.
const MUTATIONS_MAX: usize = 200;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Bits to flip: evenly spread, at other places in every input.
fn flips(len: usize) -> impl Iterator<Item = usize> {
    let bits = len * 8;
    let step = (bits / MUTATIONS_MAX).max(1);
    // Odd steps reach every bit of a byte.
    (len % step.max(1)..bits).step_by(step | 1)
}

/// No input of a corpus, no front part of one and none with a flipped bit breaks a decoder.
#[test]
fn decoders_hold_for_the_corpora_and_their_mutations() {
    for (name, target) in targets::TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 3, "the corpus of {name} has {} inputs", inputs.len());
        for (path, bytes) in inputs {
            let run = |what: &str, at: usize, bytes: &[u8]| {
                let outcome = std::panic::catch_unwind(|| target(bytes));
                assert!(outcome.is_ok(), "{name}: {} with {what} at {at}", path.display());
            };
            run("nothing changed", 0, &bytes);
            let step = (bytes.len() / MUTATIONS_MAX).max(1);
            (0..bytes.len()).step_by(step).for_each(|len| run("its end", len, &bytes[..len]));
            for bit in flips(bytes.len()) {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                run("a flipped bit", bit, &changed);
            }
        }
    }
}
