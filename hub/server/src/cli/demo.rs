//! `meterhub demo`: the main job, shown on made-up data.
//!
//! - [`folder`] writes a configuration and inputs; nothing of an earlier run is lost by it.
//! - [`story`] starts a hub in this process and feeds it step by step.
//! - [`warehouse`] stands in for a partner's HTTP endpoint.
//! - [`outcome`] reads from the store what happened, [`expected`] says what should have happened.
//! - [`show`] prints it.

mod embedded;
mod expected;
mod folder;
mod outcome;
mod show;
mod story;
mod warehouse;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hub_store::StoreError;
use tokio::runtime::Runtime;

use super::{Common, Exit, output};
use crate::service::ServiceError;
use folder::{Folder, FolderError, Tokens};
use outcome::Outcome;
use warehouse::Warehouse;

/// Show the main job: run a hub on a quickstart configuration and made-up files.
///
/// Everything is in this program: no network, no other files. The folder stays, to look around.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for configuration, files and data. What an earlier demo left there is kept in
    /// `earlier/`; a folder with anything else in it is left alone.
    #[arg(long, default_value = "quickstart", value_name = "DIR")]
    dir: PathBuf,
}

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the hub does not start")]
    Service(#[from] ServiceError),
    #[error("the store does not answer")]
    Store(#[from] StoreError),
    #[error("the operating system gives no random bytes")]
    Random(#[source] std::io::Error),
    #[error("there are no threads to be had")]
    Runtime(#[source] std::io::Error),
    #[error("the warehouse's stand-in cannot listen")]
    Listen(#[source] std::io::Error),
    #[error("`{path}` cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the hub did not take the post: {0}")]
    Post(String),
    #[error("{what} took longer than {} s", limit.as_secs())]
    Late { what: String, limit: Duration },
}

/// Shows it.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let started = Instant::now();
    let outcome = Runtime::new()
        .map_err(DemoError::Runtime)
        .and_then(|runtime| runtime.block_on(perform(&args.dir, common)));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return failed(&error, &args.dir, common),
    };
    let differences = expected::differences(&outcome);
    match common.json {
        true => output::say(
            &show::as_json(&outcome, &differences, &args.dir, started.elapsed()).to_string(),
        ),
        false => show::as_text(&outcome, &differences, &args.dir, started.elapsed()),
    }
    if differences.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

async fn perform(dir: &Path, common: &Common) -> Result<Outcome, DemoError> {
    let tokens = Tokens::new().map_err(DemoError::Random)?;
    let warehouse = Warehouse::start(&tokens.warehouse)
        .await
        .map_err(DemoError::Listen)?;
    let folder = Folder::prepare(dir, warehouse.address(), &tokens)?;
    log_to(&folder.path("hub.log"))?;
    if !common.json {
        show::opening(&folder);
    }
    let outcome = story::tell(&folder, &warehouse, &tokens.portal, common).await;
    warehouse.stop().await;
    outcome
}

/// What the hub logs would stand between the lines of the demo, so it goes to a file.
fn log_to(path: &Path) -> Result<(), DemoError> {
    let file = File::create(path).map_err(|cause| DemoError::Write {
        path: path.to_owned(),
        cause,
    })?;
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .init();
    Ok(())
}

fn failed(error: &DemoError, dir: &Path, common: &Common) -> Exit {
    if let DemoError::Folder(error @ FolderError::NotOurs(_)) = error {
        return output::fail(common, Exit::Usage, &error.to_string());
    }
    if let DemoError::Service(ServiceError::Config(errors)) = error {
        output::problems(&errors.0);
    }
    let log = dir.join("hub.log");
    let mut message = output::chain(error);
    if log.exists() {
        message = format!("{message}; the hub's log is `{}`", log.display());
    }
    output::fail(common, Exit::Failed, &message)
}
