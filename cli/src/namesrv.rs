//! `ferromq namesrv`: a name server. Letters and exit codes as mqnamesrv's.
use crate::failure::Failure;
use crate::{block_on, life, log, properties};
use ferromq_namesrv::{NameServer, NameServerConfig, StartError};
use ferromq_protocol::settings::LogLevel;
use std::path::PathBuf;

/// Arguments.
#[derive(clap::Args)]
#[command(after_long_help = properties::help::<NameServerConfig>())]
pub struct Args {
    /// Properties file
    #[arg(short = 'c', long = "config", alias = "configFile", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Accepted and ignored, as the reference name server does
    #[arg(short = 'n', long = "namesrv", alias = "namesrvAddr", value_name = "ADDRESSES")]
    _namesrv: Option<String>,
    /// Prints every setting and ends
    #[arg(short = 'p', long = "print-config", alias = "printConfigItem")]
    print: bool,
    /// Prints the reference page of all properties and ends
    #[arg(long, hide = true)]
    print_reference: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.print_reference {
        return crate::pipe::print(&NameServerConfig::reference());
    }
    let mut config = NameServerConfig::default();
    if let Some(file) = &args.config {
        properties::apply_file(&mut config, file)?;
        config.config_store_path = file.display().to_string();
    }
    if args.print {
        return properties::print(&config.entries());
    }
    block_on(async {
        let ending = life::Ending::listen()?;
        let server = start(config).await.map_err(Failure::new)?;
        println!("The Name Server boot success. serializeType=JSON, address {}", server.local_addr());
        let reason = ending.wait(false).await;
        tracing::info!("{reason}: shutting down");
        server.shutdown().await;
        Ok(())
    })
}

/// Starts a name server whose property `logLevel` counts for this process, now and after every change.
pub async fn start(config: NameServerConfig) -> Result<NameServer, StartError> {
    log::follow(LogLevel::Environment, config.log_level);
    let server = NameServer::start(config).await?;
    server.watch(|before, after| log::follow(before.log_level, after.log_level));
    Ok(server)
}
