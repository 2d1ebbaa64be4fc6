//! The one thread that writes. It takes every job that is waiting, runs them in one transaction,
//! commits once, and only then answers: one sync serves many. If one of them fails, all are taken
//! back and run again, each in a savepoint of its own, so that it takes nothing of the others along.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{LogRestarter, WalSize};
use super::connection::SqliteTx;
use crate::StoreError;
use crate::db::WriteJob;

/// Jobs that may wait for the writer. More would only wait longer; senders wait instead.
const MAX_QUEUED_JOBS: usize = 4_096;
/// Jobs that share one commit. More would make the first of them wait too long for its answer.
const MAX_GROUPED_JOBS: usize = 1_024;

type Answer = oneshot::Sender<Result<(), StoreError>>;

struct Request {
    job: WriteJob,
    answer: Answer,
}

pub(super) struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, wal: WalSize) -> Self {
        let (queue, requests) = mpsc::channel(MAX_QUEUED_JOBS);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&connection, requests, LogRestarter::new(wal)))
            .expect("the process can start a thread at start-up");
        Self {
            queue: Some(queue),
            thread: Some(thread),
        }
    }

    pub(super) async fn write(&self, job: WriteJob) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue
            .send(Request { job, answer })
            .await
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, mut requests: mpsc::Receiver<Request>, mut log: LogRestarter) {
    let (seconds, jobs) = (
        metrics::histogram!("meterhub_store_commit_seconds"),
        metrics::histogram!("meterhub_store_commit_jobs"),
    );
    let mut group = Vec::new();
    while let Some(first) = requests.blocking_recv() {
        group.push(first);
        while group.len() < MAX_GROUPED_JOBS {
            match requests.try_recv() {
                Ok(request) => group.push(request),
                Err(_) => break,
            }
        }
        jobs.record(f64::from(u32::try_from(group.len()).unwrap_or(u32::MAX)));
        let begun = Instant::now();
        commit(connection, &mut group);
        seconds.record(begun.elapsed());
        log.restart_if_too_large(connection);
    }
}

/// Runs a group of jobs in one transaction and answers them after the commit.
fn commit(connection: &Connection, group: &mut Vec<Request>) {
    let together = run_together(connection, group);
    if let Ok(()) = together {
        group
            .drain(..)
            .for_each(|request| answer(request.answer, Ok(())));
        return;
    }
    let _ = connection.execute_batch("ROLLBACK");
    run_apart(connection, group.drain(..));
}

/// Savepoints cost a copy of each page a job touches, so the first try does without.
fn run_together(connection: &Connection, group: &mut [Request]) -> Result<(), StoreError> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for request in group {
        run_job(connection, &mut request.job)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// Runs each job in a savepoint, so that one that fails takes back its own changes only.
fn run_apart(connection: &Connection, group: impl Iterator<Item = Request>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        let reason = error.to_string();
        group.for_each(|request| answer(request.answer, Err(StoreError::Database(reason.clone()))));
        return;
    }
    let mut done: Vec<Answer> = Vec::new();
    for mut request in group {
        // SQLite ends the whole transaction on some errors (disk full, I/O): what the group did is
        // gone, the COMMIT below fails for all of it, and nothing more may run outside of it.
        let outcome = if connection.is_autocommit() {
            Err(rolled_back())
        } else {
            run_in_savepoint(connection, &mut request.job)
        };
        match outcome {
            Ok(()) => done.push(request.answer),
            Err(error) => answer(request.answer, Err(error)),
        }
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => done.into_iter().for_each(|waiting| answer(waiting, Ok(()))),
        Err(error) => {
            // Nothing is stored; a failed COMMIT (disk full) may leave the transaction open.
            let _ = connection.execute_batch("ROLLBACK");
            let reason = error.to_string();
            done.into_iter()
                .for_each(|waiting| answer(waiting, Err(StoreError::Database(reason.clone()))));
        }
    }
}

fn rolled_back() -> StoreError {
    StoreError::Database("the transaction was rolled back".into())
}

/// Runs a job. A panic is a failure, and so is a transaction that SQLite ended meanwhile.
fn run_job(connection: &Connection, job: &mut WriteJob) -> Result<(), StoreError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| job(&mut SqliteTx(connection))));
    let panicked = || StoreError::Contradiction("a store job panicked; see the log".into());
    let outcome = outcome.unwrap_or_else(|_| Err(panicked()));
    if connection.is_autocommit() {
        outcome.and(Err(rolled_back()))
    } else {
        outcome
    }
}

/// A failed or panicking job takes back its own changes and nobody else's.
fn run_in_savepoint(connection: &Connection, job: &mut WriteJob) -> Result<(), StoreError> {
    savepoint(connection, "SAVEPOINT job")?;
    match run_job(connection, job) {
        Ok(()) => savepoint(connection, "RELEASE job"),
        Err(error) if connection.is_autocommit() => Err(error),
        Err(error) => {
            savepoint(connection, "ROLLBACK TO job")?;
            savepoint(connection, "RELEASE job")?;
            Err(error)
        }
    }
}

fn savepoint(connection: &Connection, sql: &'static str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn answer(waiting: Answer, outcome: Result<(), StoreError>) {
    // Who asked may have given up; the commit stands all the same.
    let _ = waiting.send(outcome);
}
