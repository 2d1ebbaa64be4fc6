//! Opening the store beside a running hub.

use hub_store::messages::Store;

use super::{Common, Exit, output};
use crate::config::{Config, expected};
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
        Err(errors) => return output::invalid(common, &errors, Exit::Failed),
    };
    let data_dir = &config.hub.data_dir;
    // An operator who looks into the wrong folder shall not leave a store there.
    if !Store::exists(data_dir) {
        let folder = data_dir.display();
        let message = format!("no hub has run here yet: `{folder}` has no store");
        return output::fail(common, Exit::Failed, &message);
    }
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

/// Says that a name to look for is none that is configured. Only where nothing was found: what
/// was taken out of the configuration may still be in the store.
pub(crate) fn unknown<'a>(
    what: &str,
    name: Option<&String>,
    valid: impl IntoIterator<Item = &'a String>,
) -> Option<String> {
    let name = name?;
    let valid: Vec<&str> = valid.into_iter().map(String::as_str).collect();
    let none = format!("the configuration has no {what}");
    let list = expected(valid.iter().copied(), &none);
    (!valid.contains(&name.as_str())).then(|| format!("unknown {what} `{name}`, {list}"))
}
