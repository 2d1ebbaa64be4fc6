//! `meterhub demo`.

use super::{Common, Exit, output};

/// Run a hub with made-up data in a temporary folder, to look around.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the demo.
pub(crate) fn run(_: &Args, common: &Common) -> Exit {
    output::fail(common, Exit::Failed, "`demo` is not built yet")
}
