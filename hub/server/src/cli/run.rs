//! `meterhub run`.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::{Common, Exit, output};
use crate::service::{Service, ServiceError};

/// How long the process that ends waits for threads that do blocking work. One that hangs (on a
/// file system that went away) must not keep it from ending; nothing was promised for its work.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// Run the hub until it is told to stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the hub.
pub(crate) fn run(_: &Args, common: &Common) -> Exit {
    log_to_stderr(common, "info");
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(common, Exit::Failed, &error.to_string()),
    };
    run_to_end(runtime, async {
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

/// Runs until the future is done, and a moment longer for threads that are at work.
fn run_to_end<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_THREADS);
    outcome
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_process_from_ending() {
        let (release, hang) = mpsc::channel::<()>();
        let begun = Instant::now();
        let outcome = run_to_end(Runtime::new().unwrap(), async {
            let (started, has_started) = tokio::sync::oneshot::channel();
            tokio::task::spawn_blocking(move || {
                let _ = started.send(());
                let _ = hang.recv();
            });
            has_started.await.unwrap();
            7
        });
        assert_eq!(outcome, 7);
        assert!(begun.elapsed() < LAST_THREADS * 10);
        drop(release);
    }
}
