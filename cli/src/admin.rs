//! `ferromq admin`, also called by the name `mqadmin`: what operators type daily, with the subcommands, option letters and tables of
//! Apache's tool (broker.md 10.4).
//!
//! Every command returns what it prints. Differences from Apache's tool: a command that fails says so in one line on standard error and
//! ends with exit code 1 (Apache's prints a Java stack trace and mostly ends with 0); a wrong command line also ends with 1, as
//! there.
mod brokers;
mod groups;
mod messages;
mod names;
mod options;
mod show;
mod topics;

use crate::failure::Failure;
use crate::{block_on, goodbye, pipe};
use ferromq::Admin;
use options::{Opt, Values};
use std::future::Future;
use std::pin::Pin;

/// Arguments: a subcommand and its options, read as Apache's tool reads them.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Subcommand and its options; `help` lists the subcommands
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

type Text<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'a>>;

/// One subcommand.
struct Command {
    name: &'static str,
    about: &'static str,
    options: &'static [Opt],
    run: for<'a> fn(&'a Call) -> Text<'a>,
}

/// A command under way.
struct Call {
    admin: Admin,
    values: Values,
}

/// The subcommands of a module.
macro_rules! commands {
    ($( $name:literal, $about:literal, $run:path, [ $( $letter:literal $long:literal $kind:ident $doc:literal ),* $(,)? ]; )*) => {
        pub(super) const COMMANDS: &[super::Command] = &[ $( super::Command {
            name: $name,
            about: $about,
            options: &[ $( super::options::Opt {
                letter: $letter, long: $long, kind: super::options::Kind::$kind, doc: $doc,
            } ),* ],
            run: |call| Box::pin($run(call)),
        } ),* ];
    };
}
use commands;

const TABLES: &[&[Command]] =
    &[topics::COMMANDS, groups::COMMANDS, brokers::COMMANDS, messages::COMMANDS, names::COMMANDS];

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let (name, rest) = match words.as_slice() {
        [] | ["help" | "-h" | "--help"] => return pipe::print(&overview()),
        ["help", name, ..] => (*name, &["-h"][..]),
        [name, rest @ ..] => (*name, rest),
    };
    let found = TABLES.iter().flat_map(|table| table.iter()).find(|command| command.name.eq_ignore_ascii_case(name));
    let Some(command) = found else {
        return Err(Failure::new(format!("The sub command {name} not exist.")));
    };
    let values = match Values::parse(command.options, rest) {
        Ok(values) if values.has("h") => return pipe::print(&options::usage(command.name, command.options)),
        Ok(values) => values,
        Err(what) => {
            eprint!("{}", options::usage(command.name, command.options));
            return Err(Failure::new(what));
        }
    };
    let namesrv = values.get("n").map(str::to_owned).or_else(|| std::env::var(ferromq::NAMESRV_ENV).ok());
    let namesrv = namesrv.unwrap_or_else(|| "127.0.0.1:9876".to_owned());
    crate::broker::check_namesrv(&namesrv)?;
    block_on(async {
        let admin = Admin::builder().namesrv(&namesrv).start().await.map_err(Failure::new)?;
        let call = Call { admin, values };
        let outcome = match (command.run)(&call).await {
            Ok(text) => pipe::print(&text),
            Err(failure) => Err(failure),
        };
        goodbye(call.admin.shutdown(), &outcome).await;
        outcome
    })
}

fn overview() -> String {
    let mut out = String::from("The most commonly used mqadmin commands are:\n");
    for command in TABLES.iter().flat_map(|table| table.iter()) {
        out.push_str(&format!("   {:<26} {}\n", command.name, command.about));
    }
    out + "\nSee 'mqadmin help <command>' for more information on a specific command.\n"
}

impl Call {
    fn get(&self, letter: &str) -> Option<&str> {
        self.values.get(letter)
    }

    /// The value of an option that the command line had to have.
    fn need(&self, letter: &str) -> &str {
        self.get(letter).unwrap_or_default()
    }

    /// A number, or the default; anything else is an error of the command line.
    fn number<T: std::str::FromStr>(&self, letter: &str, otherwise: T) -> Result<T, Failure> {
        match self.get(letter) {
            None => Ok(otherwise),
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| Failure::new(format!("option -{letter}: {text:?} is not a number that fits"))),
        }
    }

    /// `true` or `false`, or the default.
    fn truth(&self, letter: &str, otherwise: bool) -> bool {
        self.get(letter).map_or(otherwise, |text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// The brokers that -b (an address) or -c (all masters of a cluster) names.
    async fn brokers(&self) -> Result<Vec<String>, Failure> {
        match (self.get("b"), self.get("c")) {
            (Some(broker), _) => Ok(vec![broker.trim().to_owned()]),
            (None, Some(cluster)) => self.masters(Some(cluster.trim())).await,
            (None, None) => Err(Failure::new("one of the options -b (broker) and -c (cluster) is needed")),
        }
    }

    /// Addresses of the masters of a cluster, or of all.
    async fn masters(&self, cluster: Option<&str>) -> Result<Vec<String>, Failure> {
        let info = self.admin.cluster_info().await.map_err(Failure::new)?;
        let names = info.cluster_addr_table.iter().filter(|(name, _)| cluster.is_none_or(|wanted| wanted == *name));
        let brokers = names.flat_map(|(_, names)| names).filter_map(|name| info.broker_addr_table.get(name));
        let masters: Vec<String> = brokers.filter_map(|broker| broker.master().map(str::to_owned)).collect();
        if masters.is_empty() {
            let of = cluster.map(|name| format!(" of cluster {name}")).unwrap_or_default();
            return Err(Failure::new(format!(
                "no master{of} is registered; make sure the specified clusterName exists or the name server connected to is correct"
            )));
        }
        Ok(masters)
    }
}
