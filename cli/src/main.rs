//! The `ferromq` binary: `standalone`, `namesrv`, `broker`, `produce`, `consume`, `topic`, `store`.
//!
//! Called by the names `mqnamesrv`, `mqbroker`, `mqadmin` and `mqshutdown` it behaves as those, because operators type them. Every command ends with
//! an exit code that scripts can use; errors are one line on standard error.
mod admin;
mod bench;
mod broker;
mod consume;
mod failure;
mod format;
mod life;
mod log;
mod names;
mod namesrv;
mod pipe;
mod produce;
mod progress;
mod properties;
mod reader;
mod standalone;
mod store;
mod topic;
mod when;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;
use std::time::Duration;

/// Messaging in the Apache RocketMQ protocol.
#[derive(Parser)]
#[command(name = "ferromq", version, about, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name server and broker in one process
    Standalone(standalone::Args),
    /// A name server
    Namesrv(namesrv::Args),
    /// A broker
    Broker(broker::Args),
    /// Lines of standard input or files to messages
    Produce(produce::Args),
    /// Messages to standard output
    Consume(consume::Args),
    /// Creates topics, or changes how many queues they have
    Topic(topic::Args),
    /// What operators ask of brokers and name servers, as Apache's mqadmin
    Admin(admin::Args),
    /// Stops brokers or name servers of this machine, as Apache's mqshutdown
    Shutdown(names::ShutdownArgs),
    /// Measures producers, consumers and the way from the one to the other
    Bench(bench::Args),
    /// Looks into, checks, dumps or repairs a data directory that no broker has open
    Store(store::Args),
}

fn main() -> ExitCode {
    let args = match Args::try_parse_from(names::arguments(std::env::args().collect())) {
        Ok(args) => args,
        Err(e) => {
            // Help and version are answers, not errors.
            let code = e.exit_code();
            let _ = e.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    log::start();
    let outcome = match args.command {
        Command::Standalone(args) => standalone::run(args),
        Command::Namesrv(args) => namesrv::run(args),
        Command::Broker(args) => broker::run(args),
        Command::Produce(args) => produce::run(args),
        Command::Consume(args) => consume::run(args),
        Command::Topic(args) => topic::run(args),
        Command::Admin(args) => admin::run(args),
        Command::Shutdown(args) => names::shutdown(args),
        Command::Bench(args) => bench::run(args),
        Command::Store(args) => store::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ferromq: {failure}");
            failure.exit_code()
        }
    }
}

/// Runs an async command on a runtime of its own.
fn block_on<F: std::future::Future<Output = Result<(), Failure>>>(future: F) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::runtime)?;
    let outcome = runtime.block_on(future);
    // A blocked read of standard input must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

/// Lets a client take leave of its brokers. After a failure they may not answer, and the error shall not wait for that.
async fn goodbye(shutdown: impl std::future::Future<Output = ()>, outcome: &Result<(), Failure>) {
    const AFTER_FAILURE: Duration = Duration::from_millis(500);
    match outcome {
        Ok(()) => shutdown.await,
        Err(_) => drop(tokio::time::timeout(AFTER_FAILURE, shutdown).await),
    }
}
