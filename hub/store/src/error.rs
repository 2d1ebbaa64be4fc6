//! What can go wrong in the store.

use hub_core::MessageId;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused: disk full, damaged, locked by another program ...
    #[error("the database refused: {0}")]
    Database(String),
    /// The statement contradicts what is stored, or a store job failed on its own account: a defect,
    /// and it lies in what was asked, not in the database.
    #[error("the store cannot take this: {0}")]
    Contradiction(String),
    /// A part of a message came when it was not its turn; what is stored is as it was.
    #[error("message {0} is being worked on elsewhere, or comes after one that must be done first")]
    OutOfTurn(MessageId),
    /// The file system refused.
    #[error("the content store refused")]
    Content(#[from] std::io::Error),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What is stored cannot be understood: damaged, or written by a newer version.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The database belongs to an older version of the program, which may be running on it.
    #[error(
        "the hub's database is of version {found}, this program expects {known}; run the program that the hub runs, \
         or first start the hub with this one (`meterhub run`), which brings the database up to date"
    )]
    TooOld {
        /// Version found.
        found: i64,
        /// The version this program works on.
        known: i64,
    },
    /// The database belongs to a newer version of the program.
    #[error(
        "the hub's database is of version {found}, this program expects {known}; run the newer program"
    )]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether trying the same again must fail the same way, while other work can go on.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Contradiction(_) | Self::Damaged(_))
    }
}
