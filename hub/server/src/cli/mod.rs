//! The command line.
//!
//! Results go to standard output, everything else to standard error. `--json` is for scripts.
//! Exit codes: see [`Exit`].

mod check;
mod convert;
mod demo;
mod endpoints;
mod init;
mod message;
mod output;
mod parked;
mod readings;
mod reference;
mod run;
mod schema;
mod sms;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, nothing to complain about
  1  done, with findings or problems (or `check` found errors)
  2  the command line is wrong
  3  the hub, its store or a file failed

Colours are used on terminals only, and not if NO_COLOR is set.";

/// Integration hub for smart-meter service providers.
#[derive(Debug, Parser)]
#[command(name = "meterhub", version, about, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Folder of the configuration.
    #[arg(
        long,
        global = true,
        env = "METERHUB_CONFIG",
        default_value = "config",
        value_name = "DIR"
    )]
    pub(crate) config: PathBuf,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub until it is told to stop.
    Run(run::Args),
    /// Check the configuration, without a network unless told to.
    Check(check::Args),
    /// Write a configuration to start from.
    Init(init::Args),
    /// Show the main job: run a hub on a quickstart configuration and made-up files.
    Demo(demo::Args),
    /// Convert a file from one format to another, without a hub.
    Convert(convert::Args),
    /// Look at messages, and replay them.
    #[command(subcommand)]
    Message(message::Command),
    /// Look at deliveries that could not be delivered; release or discard them.
    #[command(subcommand)]
    Parked(parked::Command),
    /// Show how the endpoints of the running hub are.
    Endpoints(endpoints::Args),
    /// Look at readings.
    #[command(subcommand)]
    Readings(readings::Command),
    /// Look at what text messages (SMS) cost, and at who wants none.
    #[command(subcommand)]
    Sms(sms::Command),
    /// Write the reference: pages about adapters, configuration, formats and metrics.
    Reference(reference::Args),
    /// Print a JSON Schema, for editors and partners.
    Schema(schema::Args),
}

/// How a command ended: the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, nothing to complain about.
    Done,
    /// 1: done, with findings or problems.
    Findings,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the hub, its store or a file failed.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
        })
    }
}

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let exit = match command {
        Command::Run(args) => run::run(&args, &common),
        Command::Check(args) => check::run(&args, &common),
        Command::Init(args) => init::run(&args, &common),
        Command::Demo(args) => demo::run(&args, &common),
        Command::Convert(args) => convert::run(&args, &common),
        Command::Message(command) => message::run(&command, &common),
        Command::Parked(command) => parked::run(&command, &common),
        Command::Endpoints(args) => endpoints::run(&args, &common),
        Command::Readings(command) => readings::run(&command, &common),
        Command::Sms(command) => sms::run(&command, &common),
        Command::Reference(args) => reference::run(&args, &common),
        Command::Schema(args) => schema::run(&args),
    };
    exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
