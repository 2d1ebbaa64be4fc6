//! The message store: inbox, trace, findings, outbox. See `docs/ARCHITECTURE.md` for the story of
//! one message.

#[macro_use]
mod states;

mod answers;
mod apply;
mod at_once;
mod attempts;
mod backlog;
mod begin_again;
mod documents;
mod findings;
mod inbox;
mod outbox;
mod queries;
mod reports;
mod thread;
mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_core::files::Files;
use hub_core::{Clock, IdGenerator, MessageId};

pub use answers::answer_lane;
pub use apply::{
    AppliedChunk, Change, Chunk, Ended, Ending, NewDelivery, NewParts, Publication, Publish,
};
pub use at_once::AtOnce;
pub use attempts::{Attempts, EndedAttempt};
pub use backlog::{Backlog, Waiting};
pub use begin_again::BeginAgain;
pub use inbox::{Acceptance, NewMessage, OpenMessage};
pub use outbox::{DeliveryBody, DeliveryOutcome, DeliveryState, PendingDelivery};
pub use queries::{
    DeliveryView, FindingView, MessageFilter, MessageView, OpenWork, Totals, TraceView, WaitingWork,
};
pub use reports::{ReportView, Said};
pub use thread::{Thread, ThreadView};
pub use trace::Step;

use crate::StoreError;
use crate::content::ContentStore;
use crate::db::{self, Database, Db};
use crate::sqlite::{Sqlite, SqliteOptions};

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Accepted, nothing else done.
    Received,
    /// Being decoded and applied.
    Processing,
    /// All records applied.
    Processed,
    /// Done; some records became findings.
    ProcessedWithFindings,
    /// Nothing, or not enough, of it could be understood.
    Invalid,
}

impl MessageState {
    /// All of them; the position is the number in the database.
    pub const ALL: [Self; 5] = [
        Self::Received,
        Self::Processing,
        Self::Processed,
        Self::ProcessedWithFindings,
        Self::Invalid,
    ];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Processing => "processing",
            Self::Processed => "processed",
            Self::ProcessedWithFindings => "processed_with_findings",
            Self::Invalid => "invalid",
        }
    }

    /// From our word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    pub(crate) const fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_code(code: i64) -> Result<Self, StoreError> {
        usize::try_from(code)
            .ok()
            .and_then(|i| Self::ALL.get(i).copied())
            .ok_or_else(|| StoreError::Damaged(format!("message state {code}")))
    }
}

/// The store of one hub.
#[derive(Clone)]
pub struct Store {
    db: Db,
    content: ContentStore,
    ids: Arc<IdGenerator>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens the embedded store in a folder, making it as needed. Processes that use it at the same
    /// time need different `node` numbers, 0 to 1023, so that their ids differ.
    ///
    /// # Errors
    /// The folder or database cannot be opened.
    pub async fn open(
        folder: &Path,
        node: u16,
        options: SqliteOptions,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        files.create_dir_all(folder)?;
        let database = Sqlite::open(&Self::database(folder), options)?;
        Self::on(database, folder, node, files, clock).await
    }

    /// Opens the store in a folder beside the hub that may be running on it: it is neither made nor
    /// brought to another version.
    ///
    /// # Errors
    /// There is none ([`Self::exists`]), it cannot be opened, or it is of another version.
    pub async fn open_beside(
        folder: &Path,
        node: u16,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let database = Sqlite::open_beside(&Self::database(folder))?;
        Self::on(database, folder, node, files, clock).await
    }

    /// Whether there is a store in a folder.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        Self::database(folder).is_file()
    }

    /// The database file of the store in a folder.
    #[must_use]
    pub fn database(folder: &Path) -> PathBuf {
        folder.join("meterhub.db")
    }

    async fn on(
        database: Arc<dyn Database>,
        folder: &Path,
        node: u16,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let db = Db::new(database);
        let content = ContentStore::open(&folder.join("content"), files)?;
        let newest = db.read(newest_id).await?;
        let ids = Arc::new(IdGenerator::new(node, newest));
        Ok(Self {
            db,
            content,
            ids,
            clock,
        })
    }

    /// The content store.
    #[must_use]
    pub const fn content(&self) -> &ContentStore {
        &self.content
    }

    /// The database, for the estate's queries.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The store's clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// A new id.
    #[must_use]
    pub fn next_id(&self) -> MessageId {
        self.ids.next(self.clock.now())
    }
}

fn newest_id(tx: &mut dyn db::Tx) -> Result<Option<MessageId>, StoreError> {
    // Deliveries and trace rows of a message are made after it, so look at all three.
    let newest = "SELECT MAX(id) FROM (SELECT MAX(id) AS id FROM message \
                  UNION ALL SELECT MAX(id) AS id FROM delivery \
                  UNION ALL SELECT MAX(id) AS id FROM trace \
                    WHERE message_id = (SELECT MAX(id) FROM message)) AS ids";
    Ok(db::first(tx, newest, &[], |row| row.opt_int(0))?
        .flatten()
        .map(MessageId))
}

#[cfg(test)]
mod tests;
