//! `meterhub reference`: pages about what can be configured.

use std::path::PathBuf;

use serde_json::json;

use super::{Common, Exit, output};
use crate::reference;

/// Write the reference: a Markdown page per adapter, the configuration, formats, metrics.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder. Pages of an earlier reference in it are replaced, nothing else is touched.
    #[arg(long, default_value = "docs/reference", value_name = "DIR")]
    out: PathBuf,
}

/// Writes it.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let folder = args.out.display();
    match reference::write(&args.out) {
        Ok(written) if common.json => output::say(&json!({ "written": written }).to_string()),
        Ok(written) => {
            let pages = output::count(written.len() as u64, "page");
            output::say(&format!(
                "{pages} in `{folder}`, begin with `{folder}/README.md`"
            ));
        }
        Err(error) => {
            let message = format!("cannot write to `{folder}`: {error}");
            return output::fail(common, Exit::Failed, &message);
        }
    }
    Exit::Done
}
