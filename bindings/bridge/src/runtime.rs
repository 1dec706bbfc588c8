//! The one runtime of the process on which everything happens that the language does not do itself.
//!
//! It is made at the first use and never ended: its threads are idle without objects, never enter the language, and end with
//! the process. The child of a fork gets a new one at its first use; the old one's threads do not exist there.
use crate::failure::{Class, Failure};
use crate::fork;
use parking_lot::Mutex;
use std::mem::ManuallyDrop;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads of the runtime: encoding and decoding spread over two cores, the rest belongs to the application.
const WORKERS: usize = 2;

/// The runtime and the generation it is of. Never dropped: see the module.
static RUNTIME: Mutex<Option<(u32, ManuallyDrop<Runtime>)>> = Mutex::new(None);

/// The runtime of this process.
///
/// # Errors
/// [`Class::Internal`] with the system's reason when no thread can be made.
pub fn handle() -> Result<Handle, Failure> {
    let generation = fork::generation();
    let mut runtime = RUNTIME.lock();
    if let Some((_, known)) = runtime.as_ref().filter(|(of, _)| *of == generation) {
        return Ok(known.handle().clone());
    }
    let built = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("ferromq").enable_all().build();
    let built = built.map_err(|error| Failure::new(Class::Internal, format!("no threads can be started: {error}")))?;
    let handle = built.handle().clone();
    *runtime = Some((generation, ManuallyDrop::new(built)));
    Ok(handle)
}
