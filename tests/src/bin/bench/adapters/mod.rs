//! (g) Each adapter between the hub and a real server, and beside it, in turn, the same client
//! library on the same server with no hub in between.
//!
//! The servers are those of `deploy/test-services`; without them a row is not measured, and the notes
//! say which variable was missing. One file for each adapter. The larger part of each is the bare
//! client: what comes in it takes and acknowledges, what goes out it sends and waits for the yes, with
//! the same window and as many connections as the hub has.

mod amqp;
mod amqp10;
mod compare;
mod file;
mod http;
mod hub_side;
mod large_file;
mod mail;
mod mqtt;
mod servers;
mod sftp;
mod smpp;
mod sms;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

use crate::Outcome;
use crate::corpus::Corpus;
use crate::options::Options;
use crate::report::{Report, progress};
use compare::Table;

/// Longest time for one adapter: a server that hangs must not take the figures of the others.
const PATIENCE: Duration = Duration::from_secs(240);

/// Measures all adapters. One that fails leaves a note in the place of its rows.
///
/// # Errors
/// The disk refuses.
pub(crate) async fn run(options: &Options, corpus: &Corpus, report: &mut Report) -> Outcome<()> {
    progress(ABOUT);
    let mut table = Table::new(options, corpus.folder(), report);
    macro_rules! measure {
        ($($adapter:ident),*) => {$(
            let name = stringify!($adapter);
            if options.wants_adapter(name)
                && let Err(problem) = alone($adapter::run(&mut table)).await
            {
                table.note(format!("(g) {name}: not measured to its end: {problem}"));
            }
        )*};
    }
    measure!(amqp, amqp10, sftp, mail, sms, mqtt, http, file);
    Ok(())
}

/// What is the same in all rows.
const ABOUT: &str = "(g) Per adapter: the hub between a real server and its store, and beside it the \
    same client library on the same server, with the same window or as many connections, and no hub. \
    In: what waits at the server is committed and acknowledged, from the start of the hub; it is kept. \
    Out: messages that the hub had stored are sent and their yes is stored, from the start of the hub. The server works on the same two cores, and its share is in both figures.";

/// Runs one adapter's part so that its failure, panic or silence is its own.
async fn alone(part: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    let caught = AssertUnwindSafe(part).catch_unwind();
    match tokio::time::timeout(PATIENCE, caught).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err("it panicked; the reason is above".into()),
        Err(_) => {
            progress("given up: it took too long");
            Err(format!("it took longer than {PATIENCE:?}").into())
        }
    }
}
