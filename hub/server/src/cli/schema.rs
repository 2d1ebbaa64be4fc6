//! `meterhub schema`: JSON Schemas, for editors and partners.

use super::{Exit, output};
use crate::adapters::adapters;
use crate::config::config_schema;

/// Print a JSON Schema.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of what.
    #[arg(value_enum, default_value_t = Of::Config)]
    of: Of,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// A file of the configuration folder.
    Config,
    /// A line of the hub's own JSON format.
    Records,
    /// A mapping file, which describes a partner's CSV or Excel layout.
    Mapping,
    /// A mapping file of IDocs.
    Idoc,
    /// A file of segment definitions of IDocs.
    Segments,
}

/// Prints it.
pub(crate) fn run(args: &Args) -> Exit {
    let schema = match args.of {
        Of::Config => config_schema(&adapters()),
        Of::Records => mapping_json::record_schema(),
        Of::Mapping => mapping_tabular::mapping_schema().to_value(),
        Of::Idoc => mapping_idoc::mapping_schema().to_value(),
        Of::Segments => mapping_idoc::segment_schema().to_value(),
    };
    output::say(&format!("{schema:#}"));
    Exit::Done
}
