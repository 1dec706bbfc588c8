//! What threads share at a high rate: locks that are held for less time than it takes to go to sleep, and lines of the cache of their own.
//!
//! The append lock is held for a fraction of a microsecond. A mutex that yields or sleeps when it finds it taken lets the threads of a
//! busy broker spend their time in the scheduler: here a thread waits for some microseconds before it asks for that.
use parking_lot::{Mutex, MutexGuard};
use std::ops::Deref;

/// Looks before the thread goes to sleep: some tens of microseconds.
const LOOKS: u32 = 64;
/// Pauses between two looks, about half a microsecond: who has the lock takes it again meanwhile, and finds what it protects in its own
/// cache. Were it given from one processor to the other with every record, each would wait for the lines of the other.
const PAUSES: u32 = 32;

/// Locks `mutex`.
#[inline]
pub(crate) fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..LOOKS {
        if let Some(guard) = mutex.try_lock() {
            return guard;
        }
        (0..PAUSES).for_each(|_| std::hint::spin_loop());
    }
    mutex.lock()
}

/// A value in lines of the cache of its own: who writes it does not take its neighbours away from those who only read them. Two lines,
/// for processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
