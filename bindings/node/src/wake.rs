//! The wake-up of one object: a thread-safe function that says "drain", and nothing else.
//!
//! Weak: it never keeps the process alive, TypeScript does that while something is under way. Its queue holds one call:
//! when that one has not begun, a second one would tell nothing new. Calls after the end of the environment do nothing.
use ferromq_bridge::WakeUp;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use std::sync::Arc;

/// The function, from any thread.
#[derive(Clone)]
pub(crate) struct Wake(Arc<ThreadsafeFunction<(), (), (), Status, false, true, 1>>);

impl Wake {
    pub(crate) fn new(function: Function<'_, (), ()>) -> Result<Self> {
        let built = function.build_threadsafe_function().callee_handled::<false>().weak::<true>();
        Ok(Self(Arc::new(built.max_queue_size::<1>().build()?)))
    }

    /// Calls it soon. False when its environment is gone.
    pub(crate) fn call(&self) -> bool {
        !matches!(self.0.call((), ThreadsafeFunctionCallMode::NonBlocking), Status::Closing)
    }

    /// As the bridge wants it.
    pub(crate) fn wake_up(&self) -> WakeUp {
        let wake = self.clone();
        WakeUp::Callback(Box::new(move || {
            wake.call();
        }))
    }
}
