//! `meterhub run`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::{Common, Exit, output};
use crate::service::{Service, ServiceError};

/// Run the hub until it is told to stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the hub.
pub(crate) fn run(_: &Args, common: &Common) -> Exit {
    log_to_stderr(common, "info");
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(common, Exit::Failed, &error.to_string()),
    };
    runtime.block_on(async {
        match Service::start(&common.config).await {
            Ok(service) => {
                tracing::info!(address = %service.address(), "ready");
                service.run_until_signal().await;
                Exit::Done
            }
            Err(error) => report(common, &error),
        }
    })
}

/// Says why the hub does not run.
pub(crate) fn report(common: &Common, error: &ServiceError) -> Exit {
    match error {
        ServiceError::Config(errors) => output::invalid(common, errors, Exit::Failed),
        error => output::fail(common, Exit::Failed, &output::chain(error)),
    }
}

/// Logs to standard error: text for people, JSON lines for programs. `RUST_LOG` says how much.
pub(crate) fn log_to_stderr(common: &Common, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match common.json {
        true => builder.json().init(),
        false => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
    }
}
