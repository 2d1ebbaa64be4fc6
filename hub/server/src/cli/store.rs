//! Opening the store beside a running hub.

use hub_store::messages::Store;

use super::{Common, Exit, output};
use crate::config::Config;
use crate::service;

/// Who asks, for the trace: what an operator did is kept with their name.
pub(crate) fn operator(reason: &str) -> String {
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    format!("{}: {reason}", user.as_deref().unwrap_or("operator"))
}

/// Runs a command on the store of the configured hub, which may be running.
pub(crate) fn with_store<F>(common: &Common, command: impl FnOnce(Config, Store) -> F) -> Exit
where
    F: Future<Output = Result<Exit, hub_store::StoreError>>,
{
    let config = match service::load(&common.config) {
        Ok(config) => config,
        Err(errors) => {
            output::problems(&errors.0);
            return Exit::Failed;
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(common, Exit::Failed, &error.to_string()),
    };
    let outcome = runtime.block_on(async {
        let store = service::open_beside(&config).await?;
        command(config, store).await
    });
    outcome.unwrap_or_else(|error| output::fail(common, Exit::Failed, &output::chain(&error)))
}
