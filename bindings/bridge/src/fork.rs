//! Which process an object was made in, told without a system call.
//!
//! A counter goes up in the child of every fork. An object keeps the value it was made at ([`Birth`]); what only has sense in
//! its own process is kept in a [`Guarded`], which is not touched, nor dropped, anywhere else: the threads behind it are gone
//! and its locks may be held by them for ever.
use crate::failure::{Class, Failure};
use crate::platform;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

static GENERATION: AtomicU32 = AtomicU32::new(0);
static HOOKED: Once = Once::new();

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the first process that used this library and this one.
pub fn generation() -> u32 {
    HOOKED.call_once(|| {
        if let Err(error) = platform::on_fork_in_child(count_fork) {
            tracing::warn!(%error, "forks cannot be noticed: objects must not be used in a child");
        }
    });
    GENERATION.load(Ordering::Relaxed)
}

/// The process an object was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth(u32);

impl Birth {
    /// This process.
    pub fn now() -> Self {
        Self(generation())
    }

    /// True in that process.
    pub fn is_here(self) -> bool {
        GENERATION.load(Ordering::Relaxed) == self.0
    }

    /// Fails with [`Class::Forked`] in any other process. `what` is the kind of object.
    pub fn check(self, what: &str) -> Result<(), Failure> {
        if self.is_here() {
            return Ok(());
        }
        Err(forked(what))
    }
}

/// A value of one process. Dropped in another one it is forgotten.
#[derive(Debug)]
pub struct Guarded<T> {
    birth: Birth,
    /// `None` only while being dropped.
    value: Option<T>,
}

impl<T> Guarded<T> {
    /// Of this process.
    pub fn new(value: T) -> Self {
        Self { birth: Birth::now(), value: Some(value) }
    }

    /// The value; `None` in a child.
    pub fn here(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.birth.is_here())
    }

    /// The value, or [`Class::Forked`] in a child. `what` is the kind of object.
    pub fn get(&self, what: &str) -> Result<&T, Failure> {
        self.here().ok_or_else(|| forked(what))
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        if !self.birth.is_here() {
            std::mem::forget(self.value.take());
        }
    }
}

fn forked(what: &str) -> Failure {
    let message = format!(
        "this {what} was made before fork() and cannot be used in the child process: make a new one after the fork"
    );
    Failure::new(Class::Forked, message)
}
