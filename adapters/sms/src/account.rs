//! The accounts in use: sinks and sources of the same account share one bind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hub_core::AdapterContext;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Account;
use crate::link;
use crate::pdu::{Bind, Body, status};
use crate::session::{NoAnswer, Session, decline_without_source};
use crate::unsettled::Unsettled;

/// All accounts of the hub that are in use.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<Vec<Known>>);

struct Known {
    account: Account,
    holder: Weak<BoundAccount>,
    kept: Arc<Kept>,
}

/// What of an account outlives its holder: a source that lost its connection makes a new one.
pub(crate) struct Kept {
    /// Cancelled when the last session is over. It may still be saying good-bye, and a message centre
    /// that allows one bind would refuse a second.
    last_session: Mutex<CancellationToken>,
    unsettled: Mutex<Unsettled>,
}

/// An account, bound when first needed and again after its session ended.
pub(crate) struct BoundAccount {
    account: Account,
    context: AdapterContext,
    kept: Arc<Kept>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Binds that failed, and why the last one did.
    failures: AtomicU64,
    last_failure: Mutex<String>,
}

impl Accounts {
    /// The one holder of this account.
    pub(crate) fn get(&self, account: &Account, context: &AdapterContext) -> Arc<BoundAccount> {
        let mut all = lock(&self.0);
        all.retain(|known| known.holder.strong_count() > 0 || known.kept.is_needed());
        let known = all.iter().position(|known| known.account == *account);
        let known = known.unwrap_or_else(|| {
            all.push(Known::new(account));
            all.len() - 1
        });
        let known = &mut all[known];
        known.holder.upgrade().unwrap_or_else(|| {
            let kept = known.kept.clone();
            let holder = Arc::new(BoundAccount::new(account, context, kept));
            known.holder = Arc::downgrade(&holder);
            holder
        })
    }
}

impl Known {
    fn new(account: &Account) -> Self {
        let over = CancellationToken::new();
        over.cancel();
        Self {
            account: account.clone(),
            holder: Weak::new(),
            kept: Arc::new(Kept {
                last_session: Mutex::new(over),
                unsettled: Mutex::default(),
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn is_needed(&self) -> bool {
        !lock(&self.last_session).is_cancelled() || !lock(&self.unsettled).is_empty()
    }
}

impl BoundAccount {
    fn new(account: &Account, context: &AdapterContext, kept: Arc<Kept>) -> Self {
        Self {
            account: account.clone(),
            context: context.clone(),
            kept,
            session: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
            last_failure: Mutex::default(),
        }
    }

    /// As configured.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Messages to us that were not surely answered.
    pub(crate) fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        lock(&self.kept.unsettled)
    }

    /// The session, made now if there is none. Those who wait for the same attempt share its failure,
    /// so that a crowd does not hammer a message centre that lets nobody in.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, String> {
        let seen = self.failures.load(Ordering::Acquire);
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_alive()) {
            return Ok(session.clone());
        }
        if self.failures.load(Ordering::Acquire) > seen {
            return Err(lock(&self.last_failure).clone());
        }
        *current = None;
        match self.bind().await {
            Ok(session) => Ok(current.insert(session).clone()),
            Err(reason) => {
                lock(&self.last_failure).clone_from(&reason);
                self.failures.fetch_add(1, Ordering::AcqRel);
                Err(reason)
            }
        }
    }

    async fn bind(&self) -> Result<Arc<Session>, String> {
        let patience = self.account.connect_timeout();
        match timeout(patience, self.connect_and_bind()).await {
            Ok(bound) => bound,
            Err(_) => Err(format!(
                "the message centre did not answer within {patience:?}"
            )),
        }
    }

    async fn connect_and_bind(&self) -> Result<Arc<Session>, String> {
        let account = &self.account;
        // Read each time: a file may hold a new one by now.
        let password = account.password.resolve(&self.context.base_dir);
        let bind = Body::Bind(Bind {
            system_id: account.system_id.clone(),
            password: password.map_err(|error| error.to_string())?,
            system_type: account.system_type.clone(),
        });
        let last = lock(&self.kept.last_session).clone();
        // It ends by itself, within a time limit of its own.
        last.cancelled().await;
        let stream = link::open(account, &self.context).await?;
        let session = Arc::new(Session::start(stream, account));
        *lock(&self.kept.last_session) = session.over();
        let answer = session
            .request(bind)
            .await
            .map_err(|error| no_answer(&error))?;
        if answer.status != status::OK {
            let system_id = &account.system_id;
            let answer = status::describe(answer.status);
            return Err(format!("login as `{system_id}` was refused: {answer}"));
        }
        drop(tokio::spawn(decline_without_source(Arc::downgrade(
            &session,
        ))));
        Ok(session)
    }
}

/// Why there is no answer, in words.
pub(crate) fn no_answer(error: &NoAnswer) -> String {
    match error {
        NoAnswer::Ended(reason) => format!("the session ended before it answered: {reason}"),
        NoAnswer::TimedOut(patience) => format!("it did not answer within {patience:?}"),
        NoAnswer::WindowFull => "the window stayed full".to_owned(),
        NoAnswer::TooLong(error) => error.to_string(),
    }
}
