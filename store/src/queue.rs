//! One consume queue.
/// One queue of a topic.
#[derive(Debug)]
pub(crate) struct Queue {}
