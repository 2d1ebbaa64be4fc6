//! The accounts in use: sinks and sources of the same account share one bind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hub_core::AdapterContext;
use tokio::time::timeout;

use crate::config::Account;
use crate::link;
use crate::pdu::{Bind, Body, status};
use crate::session::{NoAnswer, Session, decline_without_source};
use crate::unsettled::Unsettled;

/// All accounts of the hub that are in use.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<Vec<(Account, Weak<BoundAccount>)>>);

/// An account, bound when first needed and again after its session ended.
pub(crate) struct BoundAccount {
    account: Account,
    context: AdapterContext,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Binds that were tried and are over.
    attempts: AtomicU64,
    last_failure: Mutex<String>,
    /// Messages to us that were not surely answered.
    pub(crate) unsettled: Mutex<Unsettled>,
}

impl Accounts {
    /// The one holder of this account.
    pub(crate) fn get(&self, account: &Account, context: &AdapterContext) -> Arc<BoundAccount> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, holder)| holder.strong_count() > 0);
        let known = all.iter().find(|(known, _)| known == account);
        if let Some(holder) = known.and_then(|(_, holder)| holder.upgrade()) {
            return holder;
        }
        let holder = Arc::new(BoundAccount::new(account.clone(), context.clone()));
        all.push((account.clone(), Arc::downgrade(&holder)));
        holder
    }
}

impl BoundAccount {
    fn new(account: Account, context: AdapterContext) -> Self {
        Self {
            account,
            context,
            session: tokio::sync::Mutex::default(),
            attempts: AtomicU64::new(0),
            last_failure: Mutex::default(),
            unsettled: Mutex::default(),
        }
    }

    /// The session, made now if there is none. Those who wait for the same attempt share its failure,
    /// so that a crowd does not hammer a message centre that lets nobody in.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, String> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_alive()) {
            return Ok(session.clone());
        }
        if self.attempts.load(Ordering::Acquire) > seen {
            return Err(self.last_failure().clone());
        }
        *current = None;
        let bound = self.bind().await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        match bound {
            Ok(session) => Ok(current.insert(session).clone()),
            Err(reason) => {
                self.last_failure().clone_from(&reason);
                Err(reason)
            }
        }
    }

    fn last_failure(&self) -> std::sync::MutexGuard<'_, String> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        let stream = link::open(account, &self.context).await?;
        let session = Arc::new(Session::start(stream, account));
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
