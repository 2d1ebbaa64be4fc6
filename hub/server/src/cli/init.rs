//! `meterhub init`: a configuration to start from, with explanations.

use std::io;
use std::path::{Path, PathBuf};

use hub_core::files::{Files, OsFiles, write_new};
use serde_json::json;

use super::{Common, Exit, output};
use crate::adapters::adapters;
use crate::config::config_schema;

/// Files of the starter configuration, by their path below the folder.
const FILES: [(&str, &str); 3] = [
    ("meterhub.toml", include_str!("init/meterhub.toml")),
    (
        "mappings/contractor-orders.toml",
        include_str!("init/contractor-orders.toml"),
    ),
    (
        "mappings/contractor-reports.toml",
        include_str!("init/contractor-reports.toml"),
    ),
];

/// Folders that the starter configuration's endpoints use.
const FOLDERS: [&str; 4] = [
    "drop/head-end",
    "drop/erp",
    "drop/contractor-in",
    "drop/contractor-out",
];

/// The schema, which editors find through the first line of `meterhub.toml`.
const SCHEMA: &str = "meterhub.schema.json";

/// Write a configuration to start from.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder; that of `--config` if left out. Nothing in it is overwritten.
    dir: Option<PathBuf>,
}

/// Writes it.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let dir = args.dir.as_deref().unwrap_or(&common.config);
    if let Some(taken) = taken(dir) {
        let message = format!("`{}` exists and is not overwritten", taken.display());
        return output::fail(common, Exit::Usage, &message);
    }
    match write(dir) {
        Ok(written) => {
            report(dir, &written, common);
            Exit::Done
        }
        Err(error) => {
            let message = format!("cannot write to `{}`: {error}", dir.display());
            output::fail(common, Exit::Failed, &message)
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name).chain([SCHEMA])
}

fn taken(dir: &Path) -> Option<PathBuf> {
    names()
        .map(|name| dir.join(name))
        .find(|path| path.symlink_metadata().is_ok())
}

fn write(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let files = OsFiles;
    for folder in FOLDERS.iter().chain(&["mappings"]) {
        files.create_dir_all(&dir.join(folder))?;
    }
    let schema = format!("{:#}\n", config_schema(&adapters()));
    for (name, text) in FILES.into_iter().chain([(SCHEMA, schema.as_str())]) {
        write_new(&files, &dir.join(name), text.as_bytes())?;
    }
    Ok(names().map(|name| dir.join(name)).collect())
}

fn report(dir: &Path, written: &[PathBuf], common: &Common) {
    if common.json {
        let paths: Vec<String> = written
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        output::say(&json!({ "written": paths }).to_string());
        return;
    }
    for path in written {
        output::say(&format!("wrote {}", path.display()));
    }
    let config = match dir == Path::new("config") {
        true => String::new(),
        false => format!(" --config {}", dir.display()),
    };
    output::say(&format!(
        "\nNext:\n  meterhub check{config}    is it right?\n  meterhub run{config}      run it"
    ));
}
