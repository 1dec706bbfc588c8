//! `ferromq topic`: creates topics, or changes how many queues they have, on every broker.
use crate::failure::Failure;
use crate::{block_on, goodbye};
use ferromq::Admin;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Queues of each topic on each broker
    #[arg(short, long, value_name = "COUNT", default_value_t = 4)]
    queues: i32,
    /// Name servers, host:port, several separated by semicolons
    #[arg(short, long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
}

/// Runs the command; it ends when the name server has the routes.
pub fn run(args: Args) -> Result<(), Failure> {
    crate::broker::check_namesrv(&args.namesrv)?;
    block_on(async {
        let admin = Admin::builder().namesrv(&args.namesrv).start().await.map_err(Failure::new)?;
        let outcome = create(&admin, &args).await;
        goodbye(admin.shutdown(), &outcome).await;
        outcome
    })
}

async fn create(admin: &Admin, args: &Args) -> Result<(), Failure> {
    for topic in &args.topics {
        // The rules of names do not repeat the name.
        admin.create_topic(topic, args.queues).await.map_err(|e| Failure::new(format!("topic {topic}: {e}")))?;
    }
    Ok(())
}
