//! `cargo run --profile dist -p meterhub-tests --bin bench`: how fast the whole hub is on this machine.
//!
//! Each benchmark runs the real `meterhub`, built as it is shipped, as a process of its own, and beside it,
//! in turn, what the machine itself can do: a bare parser over the same bytes, synced writes, the
//! same HTTP libraries without a store. It asserts that nothing was lost; it asserts no time.
//!
//! ```text
//! bench                 all, three runs each
//! bench --quick         a tenth of the size, one run each: does it work?
//! bench only a,d        some
//! bench --write         puts the table into docs/BENCHMARKS.md
//! bench only g          adapters, under `deploy/test-services run`; `--adapters amqp,sftp` some
//! bench --keep          leaves the generated files under target/bench for the next time
//! ```

#![warn(missing_docs)]

mod adapters;
mod corpus;
mod hub;
mod ingest;
mod limits;
mod load;
mod machine;
mod messages;
mod options;
mod receiver;
mod relay;
mod report;
mod restart;

use std::process::ExitCode;

use corpus::Corpus;
use options::Options;
use report::{Part, Report};

/// What goes wrong is told and ends the run: a benchmark that failed has no figures.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("the benchmark failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Outcome<()> {
    report::progress("building meterhub, if it is not built");
    let binary = meterhub_tests::hub_process::binary();
    report::progress(&format!("measuring {}", binary.display()));
    let corpus = Corpus::open(options)?;
    let machine = machine::describe(corpus.folder())?;
    let mut report = Report::new(Part::Hub, machine.clone(), options);
    let mut adapters = Report::new(Part::Adapters, machine, options);
    if options.wants('a') {
        ingest::cim(options, &corpus, &mut report).await?;
    }
    if options.wants('b') {
        ingest::csv(options, &corpus, &mut report).await?;
    }
    if options.wants('c') {
        ingest::memory(options, &corpus, &mut report).await?;
    }
    if options.wants('d') {
        messages::run(options, &corpus, &mut report).await?;
    }
    if options.wants('e') {
        restart::after_a_kill(options, &corpus, &mut report).await?;
    }
    if options.wants('f') {
        restart::start_up(options, &corpus, &mut report).await?;
    }
    if options.wants('g') {
        adapters::run(options, &corpus, &mut adapters).await?;
    }
    for table in [report, adapters].iter().filter(|table| !table.is_empty()) {
        println!("{}", table.markdown());
        if options.write {
            table.write_into_docs()?;
        }
    }
    corpus.close(options)
}
