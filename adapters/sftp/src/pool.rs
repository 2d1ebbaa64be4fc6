//! A few sessions with one server, each on a thread of its own.
//!
//! SSH calls block. On the runtime's own blocking threads, servers that do not answer would in
//! time take them all; here a stalled server holds up nobody but those who talk to it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::dial::Dial;
use crate::failure::Failure;
use crate::session::Session;

/// How long a refused login is not tried again, whoever asks: servers ban those who insist.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A thread and its session end after this time without work.
const IDLE_END: Duration = Duration::from_secs(300);

/// A session that rested so long is tried before work is given to it.
const PROBE_AFTER: Duration = Duration::from_secs(5);

/// How many sessions, and how they are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) sessions: usize,
    pub(crate) keepalive: Duration,
}

/// Sessions with one server, opened when there is work. Threads end when the pool is dropped.
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    dial: Dial,
    pace: Pace,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
    refused: Option<(Instant, Failure)>,
}

/// Is given a session, or why there is none.
type Job = Box<dyn FnOnce(Result<&Session, Failure>) + Send>;

/// Whether the one who asked for a piece of work still wants it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Failure::Cancelled),
            false => Ok(()),
        }
    }
}

/// Gives the work up when dropped.
struct GiveUp(Wanted);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    pub(crate) fn new(dial: Dial, pace: Pace) -> Self {
        Self(Arc::new(Inner {
            dial,
            pace,
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Does `work` on a session, when one is free. If the returned future is dropped, the work is
    /// not begun any more, and may ask whether it is still wanted.
    ///
    /// # Errors
    /// Of the work, or that there is no session.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session, &Wanted) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let wanted = Wanted::default();
        let give_up = GiveUp(wanted.clone());
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(move |session| {
            let done = wanted
                .check()
                .and(session)
                .and_then(|session| work(session, &wanted));
            // Nobody waits any more: nobody to tell.
            let _ = reply.send(done);
        }));
        let ended = |_| Err(Failure::Connection("the session's thread ended".into()));
        let answer = answer.await.unwrap_or_else(ended);
        drop(give_up);
        answer
    }

    /// As [`Self::run`], for work that goes on after it has answered: `work` answers itself.
    pub(crate) fn submit(&self, job: Job) {
        let mut state = self.0.state();
        state.jobs.push_back(job);
        if state.idle < state.jobs.len() && state.threads < self.0.pace.sessions {
            state.threads += 1;
            let inner = Arc::clone(&self.0);
            let name = format!("sftp {}", self.0.dial.host);
            let spawned = std::thread::Builder::new()
                .name(name)
                .spawn(move || Worker::run(&inner));
            if let Err(error) = spawned {
                state.threads -= 1;
                let orphan = match state.threads {
                    0 => state.jobs.pop_back(),
                    _ => None,
                };
                drop(state);
                if let Some(job) = orphan {
                    job(Err(Failure::Connection(format!("no thread: {error}"))));
                }
                return;
            }
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session, unless the server refused us a moment ago.
    fn open(&self) -> Result<Session, Failure> {
        if let Some((when, refusal)) = &self.state().refused
            && when.elapsed() < REFUSED_PAUSE
        {
            return Err(refusal.clone());
        }
        let opened = self.dial.open();
        if let Err(refusal @ Failure::Refused(_)) = &opened {
            self.state().refused = Some((Instant::now(), refusal.clone()));
        }
        opened
    }

    /// The next job, if one comes within `pause`. A thread that is told to end is counted out.
    fn next(&self, pause: Duration, may_end: bool) -> Next {
        let mut state = self.state();
        state.idle += 1;
        let until = Instant::now() + pause;
        let next = loop {
            if state.closed {
                break Next::End;
            }
            if let Some(job) = state.jobs.pop_front() {
                break Next::Work(job);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break if may_end { Next::End } else { Next::Rest };
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.idle -= 1;
        if matches!(next, Next::End) {
            state.threads -= 1;
        }
        next
    }
}

enum Next {
    Work(Job),
    Rest,
    End,
}

/// One thread and its session.
struct Worker<'a> {
    inner: &'a Inner,
    session: Option<Session>,
    last_work: Instant,
}

impl Worker<'_> {
    fn run(inner: &Inner) {
        let mut worker = Worker {
            inner,
            session: None,
            last_work: Instant::now(),
        };
        loop {
            let may_end = worker.last_work.elapsed() >= IDLE_END;
            match inner.next(inner.pace.keepalive, may_end) {
                Next::Work(job) => worker.work(job),
                Next::Rest => worker.rest(),
                Next::End => return,
            }
        }
    }

    fn work(&mut self, job: Job) {
        let rested = self.last_work.elapsed() >= PROBE_AFTER;
        self.session
            .take_if(|session| session.is_broken() || (rested && session.probe().is_err()));
        let done = catch_unwind(AssertUnwindSafe(|| match self.session() {
            Ok(session) => job(Ok(session)),
            Err(failure) => job(Err(failure)),
        }));
        if done.is_err() {
            // The panic has been reported; whoever asked learns that there is no answer.
            self.session = None;
        }
        self.last_work = Instant::now();
    }

    fn session(&mut self) -> Result<&Session, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.inner.open()?,
        };
        Ok(self.session.insert(session))
    }

    /// A question that must be answered keeps firewalls and the server's own idle time-out away.
    fn rest(&mut self) {
        self.session
            .take_if(|session| session.is_broken() || session.probe().is_err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Login;
    use std::net::TcpListener;

    /// A pool for a server that takes connections and says nothing.
    fn stalled(timeout: Duration, sessions: usize) -> (Pool, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dial = Dial {
            host: "127.0.0.1".into(),
            port: listener.local_addr().unwrap().port(),
            known_hosts: "none".into(),
            login: Login {
                user: "me".into(),
                private_key: None,
                passphrase: None,
                agent: false,
                agent_socket: None,
                password: Some("secret".into()),
            },
            connect_timeout: timeout,
            timeout,
            meter: hub_core::Meter::new("north", "partner"),
        };
        let pace = Pace {
            sessions,
            keepalive: Duration::from_secs(30),
        };
        (Pool::new(dial, pace), listener)
    }

    #[tokio::test]
    async fn a_stalled_server_holds_no_more_than_its_threads() {
        let (pool, listener) = stalled(Duration::from_secs(2), 2);
        let pool = Arc::new(pool);
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(|_, _| Ok(())).await })
            })
            .collect();
        let held = tokio::task::spawn_blocking(move || {
            let held = [listener.accept().unwrap(), listener.accept().unwrap()];
            listener.set_nonblocking(true).unwrap();
            (held, listener.accept().is_err(), listener)
        });
        let (_held, no_third, _listener) = held.await.unwrap();
        assert!(no_third, "a third connection at once");
        for run in runs {
            let failure = run.await.unwrap().unwrap_err();
            assert!(
                failure.to_string().contains("no answer within"),
                "{failure}"
            );
        }
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_work_only() {
        let (pool, listener) = stalled(Duration::from_millis(100), 1);
        pool.submit(Box::new(|_| panic!("on purpose")));
        let failure = pool.run(|_, _| Ok(())).await.unwrap_err();
        assert!(failure.to_string().contains("no answer"), "{failure}");
        drop(listener);
    }
}
