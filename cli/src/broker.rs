//! `ferromq broker`: one broker that registers at name servers elsewhere. Letters and exit codes as mqbroker's.
use crate::failure::Failure;
use crate::{block_on, life, log, properties};
use ferromq_broker::config::{self, BrokerConfig};
use ferromq_broker::{Broker, StartError};
use ferromq_protocol::settings::LogLevel;
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(clap::Args)]
#[command(after_long_help = properties::help::<BrokerConfig>())]
pub struct Args {
    /// Properties file (broker.conf)
    #[arg(short = 'c', long = "config", alias = "configFile", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name servers, host:port, several separated by semicolons; wins over the file
    #[arg(short = 'n', long = "namesrv", alias = "namesrvAddr", value_name = "ADDRESSES")]
    namesrv: Option<String>,
    /// Sets a property; wins over the file
    #[arg(long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// Prints every setting and ends
    #[arg(short = 'p', long = "print-config", alias = "printConfigItem")]
    print: bool,
    /// Prints the important settings and ends
    #[arg(short = 'm', long = "print-important", alias = "printImportantConfig")]
    print_important: bool,
    /// Prints the reference page of all properties and ends
    #[arg(long, hide = true)]
    print_reference: bool,
    /// Prints a sample broker.conf and ends
    #[arg(long, hide = true)]
    print_sample: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.print_reference {
        return crate::pipe::print(&config::reference());
    }
    if args.print_sample {
        return crate::pipe::print(&config::sample());
    }
    let mut config = BrokerConfig::default();
    apply(&mut config, args.config.as_deref(), &args.properties)?;
    if let Some(namesrv) = args.namesrv {
        config.namesrv_addr = namesrv;
    }
    if args.print || args.print_important {
        let entries = if args.print { config.entries() } else { config.important() };
        return properties::print(&entries);
    }
    check_namesrv(&config.namesrv_addr)?;
    block_on(serve(config))
}

/// Applies a properties file and `name=value` settings; unknown properties of the file are warnings.
pub fn apply(config: &mut BrokerConfig, file: Option<&Path>, settings: &[String]) -> Result<(), Failure> {
    if let Some(file) = file {
        properties::apply_file(config, file)?;
        config.broker_config_path = file.display().to_string();
    }
    for setting in settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--property {setting}: expected is NAME=VALUE")))?;
        config.set(name.trim(), value.trim()).map_err(Failure::usage)?;
    }
    Ok(())
}

/// Every entry of the list is `host:port`.
pub fn check_namesrv(list: &str) -> Result<(), Failure> {
    for address in list.split(';').filter(|a| !a.trim().is_empty()) {
        let port =
            address.trim().rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(Failure::namesrv_address(address));
        }
    }
    Ok(())
}

async fn serve(config: BrokerConfig) -> Result<(), Failure> {
    let namesrv = config.namesrv_addr.clone();
    let ending = life::Ending::listen()?;
    let broker = start(config).await.map_err(Failure::new)?;
    println!("{}", booted(&broker, &namesrv));
    let reason = ending.wait(false).await;
    tracing::info!("{reason}: shutting down");
    broker.shutdown().await;
    Ok(())
}

/// Starts a broker whose property `logLevel` counts for this process, now and after every change.
pub async fn start(config: BrokerConfig) -> Result<Broker, StartError> {
    log::follow(LogLevel::Environment, config.log_level);
    let broker = Broker::start(config).await?;
    broker.service().live_config.watch(|before, after| log::follow(before.log_level, after.log_level));
    Ok(broker)
}

/// The line that scripts look for (broker.md 2.1).
pub fn booted(broker: &Broker, namesrv: &str) -> String {
    let servers = if namesrv.is_empty() { String::new() } else { format!(" and name server is {namesrv}") };
    format!("The broker[{}, {}] boot success. serializeType=JSON{servers}", broker.name(), broker.registered_addr())
}
