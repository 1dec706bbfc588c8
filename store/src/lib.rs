//! (under construction)

pub mod checkpoint;
pub mod config_file;
pub mod index;
pub mod retention;
