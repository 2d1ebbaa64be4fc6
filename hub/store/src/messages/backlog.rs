//! What waits, by source and by endpoint: how much, and since when.

use hub_model::Instant;

use super::Store;
use crate::StoreError;
use crate::db::{Row, Tx, all};

/// What waits in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that are accepted and not done, by source.
    pub messages: Vec<Waiting>,
    /// Deliveries that are neither delivered nor set aside, by endpoint.
    pub deliveries: Vec<Waiting>,
    /// Deliveries that are parked, by endpoint.
    pub parked: Vec<Waiting>,
}

/// What waits at one place. A place where nothing waits has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Whose it is.
    pub enterprise: String,
    /// The source or endpoint.
    pub place: String,
    /// How much.
    pub count: u64,
    /// When the oldest came, or was made.
    pub oldest: Instant,
}

impl Store {
    /// What waits.
    ///
    /// # Errors
    /// The database refused.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.db
            .read(|tx| {
                Ok(Backlog {
                    messages: waiting(
                        tx,
                        concat!(
                            "SELECT enterprise, source, COUNT(*), MIN(received_at) FROM message WHERE state ",
                            is_open!(),
                            " GROUP BY enterprise, source"
                        ),
                    )?,
                    deliveries: waiting(
                        tx,
                        concat!(
                            "SELECT enterprise, endpoint, COUNT(*), MIN(created_at) FROM delivery WHERE state ",
                            is_open!(),
                            " GROUP BY enterprise, endpoint"
                        ),
                    )?,
                    parked: waiting(
                        tx,
                        concat!(
                            "SELECT enterprise, endpoint, COUNT(*), MIN(created_at) FROM delivery WHERE state ",
                            is_parked!(),
                            " GROUP BY enterprise, endpoint"
                        ),
                    )?,
                })
            })
            .await
    }
}

fn waiting(tx: &mut dyn Tx, sql: &'static str) -> Result<Vec<Waiting>, StoreError> {
    let read = |row: &dyn Row| {
        Ok(Waiting {
            enterprise: row.text(0)?.to_owned(),
            place: row.text(1)?.to_owned(),
            count: row.int(2)?.cast_unsigned(),
            oldest: Instant::from_micros(row.int(3)?),
        })
    };
    all(tx, sql, &[], read)
}
