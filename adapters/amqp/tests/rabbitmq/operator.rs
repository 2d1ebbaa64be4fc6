//! The operator of the broker: what only its command line can do.

use std::path::PathBuf;
use std::process::Command;

use meterhub_tests::services::{service, skip};

use crate::rig::Broker;

/// How far the port of the broker's directory of nodes (epmd) is from its AMQP port: see
/// `deploy/test-services.d/ports.sh`.
const EPMD_AFTER_AMQP: u16 = 4;

/// The folder of the running set of test services.
fn folder() -> Option<PathBuf> {
    let ca = PathBuf::from(service("TLS_CA")?);
    Some(ca.parent()?.parent()?.join("data/rabbitmq"))
}

/// Runs one of the broker's tools, `rabbitmqctl` or `rabbitmq-plugins`. `None`, said aloud, if that
/// is not possible: only the account of the services may.
pub(crate) async fn tool(broker: &Broker, tool: &str, arguments: &[&str]) -> Option<String> {
    let folder = folder()?;
    let mut command = Command::new(format!("/usr/lib/rabbitmq/bin/{tool}"));
    command
        .args(arguments)
        .env("HOME", folder.join("home"))
        .env(
            "ERL_EPMD_PORT",
            (broker.uri.authority.port + EPMD_AFTER_AMQP).to_string(),
        )
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", "hub@localhost")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            folder.join("enabled_plugins"),
        );
    let ran = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    match ran {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            skip(&format!("{tool}: {errors}"));
            None
        }
        Err(error) => {
            skip(&format!("{tool}: {error}"));
            None
        }
    }
}

/// Lets the broker believe that its memory is full, or not any more: it blocks who publishes.
pub(crate) async fn fill_memory(broker: &Broker, full: bool) -> Option<()> {
    let watermark = if full { "absolute" } else { "0.4" };
    let arguments = match full {
        true => vec!["set_vm_memory_high_watermark", watermark, "1"],
        false => vec!["set_vm_memory_high_watermark", watermark],
    };
    tool(broker, "rabbitmqctl", &arguments).await.map(drop)
}
