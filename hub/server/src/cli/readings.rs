//! `meterhub readings`: what is known of a meter.

use super::{Common, Exit, output};

/// What to do with readings.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the readings of a meter or usage point.
    Show {
        /// Its id.
        id: String,
        /// Whose it is; may be left out if there is only one enterprise.
        #[arg(long)]
        enterprise: Option<String>,
        /// First local day, `2026-03-29`.
        #[arg(long)]
        from: Option<String>,
        /// Last local day.
        #[arg(long)]
        to: Option<String>,
    },
}

/// Runs the command.
pub(crate) fn run(_: &Command, common: &Common) -> Exit {
    output::fail(common, Exit::Failed, "`readings` is not built yet")
}
