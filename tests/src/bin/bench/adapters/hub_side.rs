//! The hub as a process between a server and its store: takes in what waits, gives out what it has.

use std::path::Path;
use std::time::{Duration, Instant};

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;

use super::large_file;
use crate::Outcome;
use crate::hub::{self, Watch};
use crate::load::Load;
use crate::messages::CONNECTIONS;
use crate::report::progress;

/// Pause before a hub is stopped that has accepted all: an answer that is written as it stops may not
/// reach the server, which then offers the message again.
pub(super) const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// A part of a configuration, and the files that it names secrets by.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// Sections of sources with their routes, or of the sink `out`.
    pub(super) sections: String,
    /// Names and contents of files in the configuration folder.
    pub(super) files: Vec<(&'static str, String)>,
}

/// What the hub has accepted before it is measured how it gives it out.
pub(super) enum Accepted<'a> {
    /// So many messages.
    Messages(u64, fn(u64, &mut Vec<u8>)),
    /// One file.
    File(&'a Path),
}

/// The route of a source whose messages are kept, and go nowhere: the least that the hub does with
/// what it takes.
pub(super) fn kept(source: &str) -> String {
    format!("[inbound.{source}]\nfrom = \"{source}\"\nformat = \"opaque\"\nto = []\n\n")
}

/// Time from the start of the hub until it has accepted so many messages, each committed. The hub is
/// stopped in good order then, so that what it has accepted is answered.
///
/// # Errors
/// They were not accepted, or the disk refuses.
pub(super) async fn takes_in(disk: &Path, setup: &Setup, expected: u64) -> Outcome<Duration> {
    let config = hub::folder(disk, &setup.sections)?;
    write_files(&config, setup)?;
    let begun = Instant::now();
    let hub = HubProcess::start(&config).await;
    let watch = Watch::open(&config)?;
    watch.accepted(expected).await?;
    let took = begun.elapsed();
    tokio::time::sleep(LAST_ANSWERS).await;
    say_cost(&hub, expected)?;
    hub.stop().await;
    has_accepted(&watch, expected).map(|()| took)
}

/// The same for what is pushed to the hub when it runs: `push` says when it began.
///
/// # Errors
/// They were not accepted, or the disk refuses.
pub(super) async fn takes_pushed(
    disk: &Path,
    setup: &Setup,
    expected: u64,
    push: impl AsyncFnOnce(&HubProcess) -> Outcome<Instant>,
) -> Outcome<Duration> {
    let config = hub::folder(disk, &setup.sections)?;
    write_files(&config, setup)?;
    let hub = HubProcess::start(&config).await;
    let watch = Watch::open(&config)?;
    let begun = push(&hub).await?;
    watch.accepted(expected).await?;
    let took = begun.elapsed();
    tokio::time::sleep(LAST_ANSWERS).await;
    say_cost(&hub, expected)?;
    hub.stop().await;
    has_accepted(&watch, expected).map(|()| took)
}

/// Says what the messages cost the hub: where a bar is missed, whether it was the cores.
fn say_cost(hub: &HubProcess, messages: u64) -> Outcome<()> {
    let each = hub::cpu_seconds(hub)? / messages as f64;
    progress(&format!("the hub: {:.0} µs on a core each", each * 1e6));
    Ok(())
}

fn has_accepted(watch: &Watch, expected: u64) -> Outcome<()> {
    match watch.count("SELECT COUNT(*) FROM message")? {
        count if count == expected => Ok(()),
        count => Err(format!("{count} messages were accepted, not {expected}").into()),
    }
}

/// Time from the start of a hub that has messages for the sink `out` until the last is delivered and
/// that is stored.
///
/// # Errors
/// One was not delivered, or the disk refuses.
pub(super) async fn gives_out(
    disk: &Path,
    sink: &Setup,
    accepted: Accepted<'_>,
) -> Outcome<Duration> {
    let source = accepted.source();
    let config = hub::folder(disk, &format!("{source}{}", away("out")))?;
    write_files(&config, sink)?;
    let expected = accept(&config, accepted).await?;
    config.write(&hub::body(&format!("{source}{}", sink.sections)))?;
    let begun = Instant::now();
    let hub = HubProcess::start(&config).await;
    let watch = Watch::open(&config)?;
    watch.all_done().await?;
    let took = begun.elapsed();
    say_cost(&hub, expected)?;
    hub.stop().await;
    match watch.count("SELECT COUNT(*) FROM delivery WHERE state = 3")? {
        count if count == expected => Ok(took),
        count => Err(format!("{count} messages were delivered, not {expected}").into()),
    }
}

/// A sink where nobody is: tried once, and then not for an hour.
fn away(name: &str) -> String {
    format!(
        "[sink.{name}]\nenterprise = \"north\"\nparallel = 1\n\
         retry = {{ initial_milliseconds = 1, max_seconds = 1, attempts = 1000 }}\n\
         circuit = {{ failures = 1, probe_seconds = 3600 }}\n\
         [sink.{name}.http]\nurl = \"http://127.0.0.1:9/\"\n"
    )
}

impl Accepted<'_> {
    fn source(&self) -> String {
        let adapter = match self {
            Self::Messages(..) => "[source.in.http]\ninsecure_allow_anonymous = true\n",
            Self::File(_) => {
                "[source.in.file]\npath = \"../in\"\ncomplete = \"rename\"\npoll_milliseconds = 10\n"
            }
        };
        format!(
            "[source.in]\nenterprise = \"north\"\n{adapter}\n\
             [inbound.all]\nfrom = \"in\"\nformat = \"opaque\"\nto = [\"out\"]\n\n"
        )
    }
}

/// Has the hub accept it, and make of it what is to be delivered. Returns how many messages.
async fn accept(config: &ConfigFolder, accepted: Accepted<'_>) -> Outcome<u64> {
    let folder = config.partner("in")?;
    let hub = HubProcess::start(config).await;
    let watch = Watch::open(config)?;
    let count = match accepted {
        Accepted::Messages(count, body) => {
            let load = Load {
                address: hub.address(),
                path: "/api/v1/messages/in".to_owned(),
                count,
                connections: CONNECTIONS,
                body,
            };
            load.send().await?;
            count
        }
        Accepted::File(path) => {
            large_file::drop_into(path, &folder)?;
            1
        }
    };
    watch.accepted(count).await?;
    watch.processed().await?;
    hub.stop().await;
    Ok(count)
}

fn write_files(config: &ConfigFolder, setup: &Setup) -> Outcome<()> {
    for (name, content) in &setup.files {
        std::fs::write(config.dir().join(name), content)?;
    }
    Ok(())
}
