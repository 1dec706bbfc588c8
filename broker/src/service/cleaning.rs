//! Cleaning when an operator asks for it: 306 expired consume queues, 316 topics that are gone, 329 expired log files (broker.md 10).
//!
//! Not here: the regular cleaning, which is the store's own. These only say what is in use.
use super::{Refusal, Service};

/// Removes consume queues that hold nothing any more and that their topic's configuration does not have; those it has keep their
/// offsets, for consumers have committed them.
pub fn expired_queues(service: &Service) -> Result<(), Refusal> {
    let in_use = |topic: &str, queue: i32| {
        let config = service.topics.get(topic);
        let queues = config.map_or(0, |config| config.read_queue_nums.max(config.write_queue_nums));
        service.topics.is_system(topic) || queue < queues
    };
    let removed = service.store.clean_expired_queues(&in_use).map_err(failed)?;
    tracing::info!(removed, "expired consume queues removed by administration");
    Ok(())
}

/// Removes the consume queues of topics that have no configuration.
pub fn unused_topics(service: &Service) -> Result<(), Refusal> {
    let in_use = |topic: &str| service.topics.is_system(topic) || service.topics.contains(topic);
    let removed = service.store.clean_unused_topics(&in_use).map_err(failed)?;
    tracing::info!(?removed, "unused topics removed by administration");
    Ok(())
}

/// Has expired log files deleted now instead of in the hours of deleteWhen.
pub fn expired_log(service: &Service) {
    let cleans = service.store.clean_log();
    tracing::info!(cleans, "deletion of expired log files asked for by administration");
}

fn failed(error: std::io::Error) -> Refusal {
    Refusal::system_error(format!("not everything could be removed: {error}"))
}
