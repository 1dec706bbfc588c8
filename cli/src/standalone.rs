//! `ferromq standalone`: a name server and a broker in one process.
//!
//! `--ephemeral` is the same code on free ports, in a temporary directory, with small files, ending when standard input
//! closes: a broker for a test in any language.
use crate::failure::Failure;
use crate::{block_on, broker, life, namesrv};
use ferromq_broker::config::{BrokerConfig, THROW_AWAY};
use ferromq_broker::Broker;
use ferromq_namesrv::NameServerConfig;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "ferromq-data", conflicts_with = "ephemeral")]
    data_dir: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Address that clients are told to connect to; default: the address listened on
    #[arg(long, value_name = "IP")]
    advertise: Option<IpAddr>,
    /// Port of the name server; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 9876)]
    namesrv_port: u16,
    /// Port of the broker, its fast port is two below; 0 takes a free pair
    #[arg(long, value_name = "PORT", default_value_t = 10911)]
    broker_port: u16,
    /// Properties file of the broker (broker.conf)
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a property of the broker
    #[arg(long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// Says where it listens as one JSON line
    #[arg(long)]
    json: bool,
    /// Free ports, temporary data, small files; ends when standard input closes
    #[arg(long)]
    ephemeral: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let temporary = if args.ephemeral { Some(temporary_folder()?) } else { None };
    let mut config = BrokerConfig { broker_name: "broker-a".into(), ..BrokerConfig::default() };
    for (name, value) in THROW_AWAY.iter().filter(|_| args.ephemeral) {
        config.set(name, value).map_err(Failure::usage)?;
    }
    broker::apply(&mut config, args.config.as_deref(), &args.properties)?;
    let data = temporary.as_ref().map_or(args.data_dir.clone(), |t| t.path().join("data"));
    let data = std::path::absolute(&data).map_err(|e| Failure::usage(format!("{}: {e}", data.display())))?;
    config.store_path_root_dir = data.display().to_string();
    config.bind_address = args.listen.to_string();
    let reachable = args.advertise.unwrap_or(args.listen);
    if !reachable.is_unspecified() {
        config.broker_ip1 = reachable.to_string();
    }
    config.listen_port = if args.ephemeral { 0 } else { i32::from(args.broker_port) };
    let outcome = block_on(serve(&args, config, data));
    drop(temporary);
    outcome
}

fn temporary_folder() -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new().prefix("ferromq-").tempdir();
    folder.map_err(|e| Failure::new(format!("cannot create a temporary directory: {e}")))
}

async fn serve(args: &Args, mut config: BrokerConfig, data: PathBuf) -> Result<(), Failure> {
    let port = if args.ephemeral { 0 } else { args.namesrv_port };
    let folder = data.join("namesrv");
    let names = NameServerConfig {
        bind_address: args.listen.to_string(),
        listen_port: port,
        kv_config_path: folder.join("kvConfig.json").display().to_string(),
        config_store_path: folder.join("namesrv.properties").display().to_string(),
        ..NameServerConfig::default()
    };
    let ending = life::Ending::listen()?;
    let name_server = namesrv::start(names).await.map_err(Failure::new)?;
    let mut namesrv = name_server.local_addr();
    if namesrv.ip().is_unspecified() {
        namesrv.set_ip(IpAddr::from([127, 0, 0, 1]));
    }
    config.namesrv_addr = namesrv.to_string();
    let broker = match broker::start(config).await {
        Ok(broker) => broker,
        Err(e) => {
            name_server.shutdown().await;
            return Err(Failure::new(e));
        }
    };
    announce(args, &broker, &namesrv.to_string(), &data)?;
    let reason = ending.wait(args.ephemeral).await;
    tracing::info!("{reason}: shutting down");
    broker.shutdown().await;
    name_server.shutdown().await;
    Ok(())
}

fn announce(args: &Args, broker: &Broker, namesrv: &str, data: &std::path::Path) -> Result<(), Failure> {
    let text = if args.json {
        let line = serde_json::json!({
            "namesrv": namesrv,
            "broker": broker.registered_addr(),
            "fast": broker.fast_addr().to_string(),
            "broker_name": broker.name(),
            "data_dir": data.display().to_string(),
            "pid": std::process::id(),
        });
        format!("{line}\n")
    } else {
        format!(
            "The Name Server boot success. serializeType=JSON, address {namesrv}\n{}\ndata in {}\n",
            broker::booted(broker, namesrv),
            data.display()
        )
    };
    let mut out = std::io::stdout().lock();
    let _ = crate::pipe::judge(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(())
}
