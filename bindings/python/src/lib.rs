//! The native half of the Python package `ferromq`: the bridge as Python objects, and nothing else.
//!
//! What users see is typed Python over this module (python/src/ferromq); names here are private to it. Every object is
//! frozen and locks inside, so the module runs without the interpreter's global lock where there is none.
//!
//! # Threads
//! No thread of Rust ever enters Python. Python waits (with the lock given up: [`reply::Waiter`], `wait`, `take_wait`) or
//! is woken by a descriptor, and drains what has come.
#![deny(unsafe_code)]

mod convert;
mod errors;
mod lite;
mod logs;
mod message;
mod options;
mod producer;
mod push;
mod receipt;
mod reply;

/// The module `ferromq._native`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::errors::error_table;
    #[pymodule_export]
    use super::lite::LitePullConsumer;
    #[pymodule_export]
    use super::logs::{log_drain, log_install, log_level, log_wait};
    #[pymodule_export]
    use super::message::{MessageQueue, MessageView};
    #[pymodule_export]
    use super::options::option_table;
    #[pymodule_export]
    use super::producer::Producer;
    #[pymodule_export]
    use super::push::PushConsumer;
    #[pymodule_export]
    use super::receipt::Receipt;
    #[pymodule_export]
    use super::reply::Waiter;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("CONSUMED", super::push::CONSUMED)?;
        module.add("RELEASED", super::push::RELEASED)?;
        super::errors::install(module)?;
        // The package says what is exported; nothing of this module is.
        module.delattr("__all__")
    }
}
