//! Replays the corpus of the fuzz target, every front part of each input and every flipped bit, through the same checks.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests and their helpers")]
#[path = "../fuzz/targets.rs"]
mod targets;

// No input of the corpus, no front part of one and none with a flipped bit breaks the filter.
#[test]
fn the_filter_holds_for_its_corpus_and_mutations_of_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/sql92");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{} inputs", files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        (0..=bytes.len()).for_each(|len| targets::sql92(&bytes[..len]));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            targets::sql92(&changed);
        }
    }
}
