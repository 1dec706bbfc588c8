//! A disk whose power is cut: it remembers what was forced to it, and a cut leaves a mix of that and of what was not.
//!
//! What it takes for granted is what journaling file systems keep, and POSIX does not promise all of it: forcing a file to the disk
//! brings its length and its name along; of the creations, renames and deletions in one folder the first few last, in their
//! order; a sector of 512 bytes is old or new. Everything else is left to the dice: pages that were not forced are old, new,
//! or torn between two sectors, and a file that was never forced may have no length.
//!
//! The cut comes by itself at a mutating effect counted from the start, so that it falls into the middle of openings, segment
//! changes and replaced files as well; or a few effects after a file was removed, for what follows that is done quickly. From then on nothing can be written; reads go on, which a real cut does not allow, but
//! nobody can learn anything from them.
//!
//! Locks: one for everything, held while a file is copied.
use crate::pressure::Fill;
use crate::random::Random;
use ferromq_store::faults::{Effect, Faults, Verdict};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a page: what the system writes back.
const PAGE: usize = 4096;
/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

/// A cut that is to come follows one in so many removals of a file, after so many effects at most.
const REMOVALS: usize = 12;
const EFFECTS_AFTER: usize = 8;

/// A change of a folder that is not forced to the disk yet.
enum Change {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _, _) => path,
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, file) => {
                names.insert(path, file);
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
            Self::Rename(from, to, file) => {
                names.remove(&from);
                names.insert(to, file);
            }
        }
    }
}

#[derive(Default)]
struct State {
    /// What was forced to the disk, by file.
    platter: HashMap<u64, Vec<u8>>,
    /// Names that last.
    names: BTreeMap<PathBuf, u64>,
    /// Names as the system has them.
    live: HashMap<PathBuf, u64>,
    /// Files that the system has no name for any more, and what was in them.
    ghosts: HashMap<u64, Vec<u8>>,
    changes: Vec<Change>,
    next_file: u64,
    /// Mutating effects until the cut.
    left: Option<usize>,
    /// Files as the cut left them.
    image: Option<BTreeMap<PathBuf, Vec<u8>>>,
}

/// The disk under one folder.
pub struct PowerDisk {
    root: PathBuf,
    fill: Arc<Fill>,
    state: Mutex<State>,
    dice: Mutex<Random>,
}

impl PowerDisk {
    /// A disk on which everything below `root` lasts, and that says it is as full as `fill`. The power is cut at the effect number
    /// `cut_at`, if given.
    pub fn new(root: &Path, fill: &Arc<Fill>, cut_at: Option<usize>, dice: Random) -> io::Result<PowerDisk> {
        let mut state = State { left: cut_at, ..State::default() };
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            if !folder.exists() {
                continue;
            }
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let file = state.new_file(&path);
                    state.platter.insert(file, std::fs::read(&path)?);
                    state.names.insert(path, file);
                }
            }
        }
        let (root, fill) = (root.to_path_buf(), fill.clone());
        Ok(PowerDisk { root, fill, state: Mutex::new(state), dice: Mutex::new(dice) })
    }

    /// Lets the power be cut after so many further effects; None: not at all.
    pub fn cut_in(&self, effects: Option<usize>) {
        let mut state = self.state.lock();
        if state.image.is_none() {
            state.left = effects;
        }
    }

    /// True when the power is off.
    pub fn is_off(&self) -> bool {
        self.state.lock().image.is_some()
    }

    /// Cuts the power now, if it is not off, and writes what is left of the files into `folder`.
    pub fn leave(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        self.cut(&mut state);
        for (path, content) in state.image.iter().flatten() {
            let relative = path.strip_prefix(&self.root).map_err(io::Error::other)?;
            let target = folder.join(relative);
            std::fs::create_dir_all(target.parent().unwrap_or(folder))?;
            std::fs::write(target, content)?;
        }
        Ok(())
    }

    /// In how many effects the power is to be cut because a file is removed, if at all.
    fn soon(&self) -> Option<usize> {
        let mut dice = self.dice.lock();
        dice.one_in(REMOVALS).then(|| 1 + dice.below(EFFECTS_AFTER))
    }

    fn cut(&self, state: &mut State) {
        if state.image.is_some() {
            return;
        }
        let dice = &mut *self.dice.lock();
        let mut names = std::mem::take(&mut state.names);
        // Of each folder's changes some last, in their order.
        let mut kept: HashMap<PathBuf, usize> = HashMap::new();
        for change in &state.changes {
            *kept.entry(folder_of(change.path())).or_default() += 1;
        }
        let mut folders: Vec<_> = kept.iter_mut().collect();
        folders.sort();
        folders.into_iter().for_each(|(_, count)| *count = dice.below(*count + 1));
        for change in state.changes.drain(..) {
            if let Some(left) = kept.get_mut(&folder_of(change.path())).filter(|left| **left > 0) {
                *left -= 1;
                change.apply(&mut names);
            }
        }
        let paths: HashMap<u64, &PathBuf> = state.live.iter().map(|(path, file)| (*file, path)).collect();
        let mut image = BTreeMap::new();
        for (name, file) in names {
            let old = state.platter.get(&file).cloned().unwrap_or_default();
            // Without a name, or about to lose it in another thread just now.
            let ghost = || state.ghosts.get(&file).cloned().unwrap_or_default();
            let new = paths.get(&file).and_then(|path| std::fs::read(path).ok()).unwrap_or_else(ghost);
            image.insert(name, mix(old, new, dice));
        }
        state.image = Some(image);
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_path_buf()
}

/// What a cut leaves of a file whose old content lasts and whose new content may.
fn mix(old: Vec<u8>, new: Vec<u8>, dice: &mut Random) -> Vec<u8> {
    let len = if dice.one_in(2) { old.len() } else { new.len() };
    let mut left = old;
    left.resize(len, 0);
    for (number, page) in left.chunks_mut(PAGE).enumerate() {
        let from = number * PAGE;
        let Some(new) = new.get(from..(from + page.len()).min(new.len())) else { continue };
        let page = &mut page[..new.len()];
        if page == new {
            continue;
        }
        let kind = dice.below(3);
        for (old, new) in page.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
            if kind == 1 || (kind == 2 && dice.one_in(2)) {
                old.copy_from_slice(new);
            }
        }
    }
    left
}

impl State {
    fn new_file(&mut self, path: &Path) -> u64 {
        self.next_file += 1;
        self.live.insert(path.to_path_buf(), self.next_file);
        self.next_file
    }

    /// Remembers the bytes `from..to` of a file as they are now, and that it has its name.
    fn force(&mut self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        let Some(file) = self.live.get(path).copied() else { return Ok(()) };
        let source = std::fs::File::open(path)?;
        let len = usize::try_from(source.metadata()?.len()).map_err(io::Error::other)?;
        let from = usize::try_from(from).unwrap_or(len).min(len) / PAGE * PAGE;
        let to = usize::try_from(to).unwrap_or(len).min(len).div_ceil(PAGE) * PAGE;
        let old = self.platter.entry(file).or_default();
        old.resize(len, 0);
        let to = to.min(len);
        source.read_exact_at(&mut old[from..to], from as u64)?;
        let names_it = |change: &Change| match change {
            Change::Link(_, linked) | Change::Rename(_, _, linked) => *linked == file,
            Change::Unlink(_) => false,
        };
        if let Some(last) = self.changes.iter().rposition(names_it) {
            self.last(&folder_of(path), last);
        }
        Ok(())
    }

    /// Changes of a folder last, up to number `to` of all changes.
    fn last(&mut self, folder: &Path, to: usize) {
        let mut rest = Vec::new();
        for (number, change) in std::mem::take(&mut self.changes).into_iter().enumerate() {
            if number <= to && folder_of(change.path()) == folder {
                change.apply(&mut self.names);
            } else {
                rest.push(change);
            }
        }
        self.changes = rest;
    }

    /// Keeps the content of a file that is about to lose its name.
    fn keep(&mut self, path: &Path) {
        if let Some(file) = self.live.get(path) {
            self.ghosts.insert(*file, std::fs::read(path).unwrap_or_default());
        }
    }
}

impl Faults for PowerDisk {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        if matches!(effect, Effect::Open | Effect::List | Effect::Read { .. }) {
            return Verdict::Go;
        }
        let mut state = self.state.lock();
        if let Some(left) = state.left {
            let soon = (effect == Effect::Remove).then(|| self.soon()).flatten();
            let left = soon.map_or(left, |soon| left.min(soon)).saturating_sub(1);
            state.left = Some(left);
            if left == 0 {
                self.cut(&mut state);
            }
        }
        if state.image.is_some() {
            return Verdict::Fail(io::Error::other("the power is off"));
        }
        match effect {
            Effect::Sync { from, to } => match state.force(path, from, to) {
                Ok(()) => Verdict::Skip,
                Err(error) => Verdict::Fail(error),
            },
            Effect::SyncDir => {
                state.last(path, usize::MAX);
                Verdict::Skip
            }
            Effect::Remove => {
                state.keep(path);
                Verdict::Go
            }
            Effect::Rename(to) => {
                state.keep(to);
                Verdict::Go
            }
            _ => Verdict::Go,
        }
    }

    fn after(&self, path: &Path, effect: Effect<'_>) {
        let mut state = self.state.lock();
        match effect {
            Effect::Create if !state.live.contains_key(path) => {
                let file = state.new_file(path);
                state.changes.push(Change::Link(path.to_path_buf(), file));
            }
            Effect::Remove => {
                let known = state.live.remove(path).map(|_| Change::Unlink(path.to_path_buf()));
                state.changes.extend(known);
            }
            Effect::Rename(to) => {
                if let Some(file) = state.live.remove(path) {
                    state.live.insert(to.to_path_buf(), file);
                    state.changes.push(Change::Rename(path.to_path_buf(), to.to_path_buf(), file));
                }
            }
            _ => {}
        }
    }

    fn used_percent(&self, dir: &Path) -> Option<u8> {
        Some(self.fill.of(dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_store::{config_file, faults};

    /// A file replaced again and again has an old or the newest content after a cut at any effect, never less than was promised.
    #[test]
    fn a_replaced_file_is_old_or_new() {
        for seed in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let (home, left) = (folder.path().join("home"), folder.path().join("left"));
            let mut dice = Random::new(seed);
            let disk = Arc::new(PowerDisk::new(&home, &Arc::default(), Some(1 + dice.below(40)), dice).unwrap());
            let mounted = faults::mount(&home, disk.clone());
            let path = home.join("config/topics.json");
            let saved = (1..).take_while(|i| config_file::save(&path, i.to_string().as_bytes()).is_ok()).count();
            assert!(disk.is_off());
            disk.leave(&left).unwrap();
            drop(mounted);
            let found = config_file::load(&left.join("config/topics.json")).unwrap();
            let found = found.map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse::<usize>().unwrap());
            assert!(found == saved || found == saved + 1, "seed {seed}: {found} after {saved} were promised");
        }
    }

    /// What was not forced is forgotten in some sectors and kept in others; what was forced stays.
    #[test]
    fn a_cut_leaves_a_mix() {
        let (mut olds, mut news) = (0, 0);
        for seed in 0..50 {
            let left = mix(vec![1; 5 * PAGE], vec![2; 5 * PAGE], &mut Random::new(seed));
            olds += left.iter().filter(|byte| **byte == 1).count();
            news += left.iter().filter(|byte| **byte == 2).count();
            assert!(left.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        }
        assert_eq!(olds + news, 50 * 5 * PAGE);
        assert!(olds > 50 * PAGE && news > 50 * PAGE);
        assert_eq!(mix(vec![1; PAGE], vec![1; PAGE], &mut Random::new(1)), vec![1; PAGE]);
    }
}
