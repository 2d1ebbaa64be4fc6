//! Looks into a hub's store and into partners' folders, and says what is there in the oracle's
//! words. Reads only; the hub may be running.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hub_core::files::OsFiles;
use hub_core::{MessageId, SystemClock};
use hub_model::Instant;
use hub_store::StoreError;
use hub_store::db::{Tx, all};
use hub_store::estate::readings::{ReadingsQuery, StoredReading, SubjectId, readings};
use hub_store::estate::{EnterpriseId, enterprise};
use hub_store::messages::{MessageFilter, Store};
use hub_store::sqlite::SqliteOptions;

use crate::files_load::files_of;
use crate::oracle::{Fact, KeptDelivery, KeptMessage, Receipt};
use crate::receiver::Received;
use crate::workload::{MISSING, facts_of_json, sha256_hex};

/// Node number of a test that opens a store: neither the hub's nor a command line's.
const TEST_NODE: u16 = 1_023;
/// More than any test makes.
const ALL: usize = 1_000_000;

/// Opens the store of a data folder.
///
/// # Errors
/// It cannot be opened.
pub async fn open(data_dir: &Path) -> Result<Store, StoreError> {
    Store::open(
        data_dir,
        TEST_NODE,
        SqliteOptions::default(),
        Arc::new(OsFiles),
        Arc::new(SystemClock),
    )
    .await
}

/// All messages.
///
/// # Errors
/// The store cannot be read.
pub async fn messages(store: &Store) -> Result<Vec<KeptMessage>, StoreError> {
    let mut kept = Vec::new();
    let filter = MessageFilter {
        limit: ALL,
        ..MessageFilter::default()
    };
    for message in store.messages(filter).await? {
        let findings = store.findings(message.id, ALL).await?;
        kept.push(KeptMessage {
            id: message.id.to_string(),
            source: message.source,
            identity: message.business_key.unwrap_or(message.content_sha256),
            state: message.state.as_str().to_owned(),
            records: message.records,
            applied: message.applied,
            rejected: message.rejected,
            rejected_by_findings: findings.iter().map(|finding| finding.rejects).sum(),
        });
    }
    Ok(kept)
}

/// All deliveries of these messages.
///
/// # Errors
/// The store cannot be read.
pub async fn deliveries(
    store: &Store,
    messages: &[KeptMessage],
) -> Result<Vec<KeptDelivery>, StoreError> {
    let mut kept = Vec::new();
    for message in messages {
        let id = message
            .id
            .parse::<MessageId>()
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        kept.extend(
            store
                .deliveries_of(id, ALL)
                .await?
                .into_iter()
                .map(|delivery| KeptDelivery {
                    id: delivery.id.to_string(),
                    message_id: message.id.clone(),
                    route: delivery.route,
                    endpoint: delivery.endpoint,
                    subject: delivery.subject,
                    state: delivery.state.as_str().to_owned(),
                }),
        );
    }
    Ok(kept)
}

/// How often a message that was cut off went on where it stood, instead of from its beginning.
///
/// # Errors
/// The store cannot be read.
pub async fn resumptions(store: &Store) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM trace WHERE note LIKE 'goes on after %'";
    let count = store
        .db()
        .read(move |tx| all(tx, sql, &[], |row| row.int(0)))
        .await?;
    Ok(count.into_iter().sum())
}

/// The whole estate of an enterprise: every reading, and every order with its revision.
///
/// # Errors
/// The store cannot be read.
pub async fn estate(store: &Store, enterprise: &str) -> Result<Vec<Fact>, StoreError> {
    let name = enterprise.to_owned();
    store.db().read(move |tx| facts_of_estate(tx, &name)).await
}

fn facts_of_estate(tx: &mut dyn Tx, name: &str) -> Result<Vec<Fact>, StoreError> {
    let Some(owner) = enterprise::named(tx, name)? else {
        return Ok(Vec::new());
    };
    let orders = "SELECT number, COALESCE(revision, 0) FROM work_order WHERE enterprise_id = ?1 ORDER BY number";
    let mut facts = all(tx, orders, &[owner.id.0.into()], |row| {
        Ok(Fact::Order {
            number: row.text(0)?.to_owned(),
            revision: row.int(1)?,
        })
    })?;
    let devices = "SELECT name FROM end_device WHERE enterprise_id = ?1 ORDER BY name";
    for id in names(tx, devices, owner.id)? {
        facts.extend(readings_of(tx, owner.id, SubjectId::Device(&id), &id)?);
    }
    let usage_points = "SELECT name FROM usage_point WHERE enterprise_id = ?1 ORDER BY name";
    for id in names(tx, usage_points, owner.id)? {
        facts.extend(readings_of(tx, owner.id, SubjectId::UsagePoint(&id), &id)?);
    }
    Ok(facts)
}

fn names(
    tx: &mut dyn Tx,
    sql: &'static str,
    owner: EnterpriseId,
) -> Result<Vec<String>, StoreError> {
    all(tx, sql, &[owner.0.into()], |row| {
        Ok(row.text(0)?.to_owned())
    })
}

fn readings_of(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    subject: SubjectId<'_>,
    id: &str,
) -> Result<Vec<Fact>, StoreError> {
    let query = ReadingsQuery {
        enterprise,
        subject,
        reading_type: None,
        after: Instant::from_seconds(-1_000_000_000),
        until: Instant::from_seconds(10_000_000_000),
    };
    let mut facts = Vec::new();
    readings(tx, &query, &mut |_, day| {
        let value = |reading: &StoredReading| reading.value.map(|value| value.to_string());
        facts.extend(day.block.readings.iter().map(|reading| Fact::Reading {
            meter: id.to_owned(),
            at: reading.at.micros(),
            value: value(reading).unwrap_or_else(|| MISSING.to_owned()),
        }));
        Ok(())
    })?;
    Ok(facts)
}

/// What a partner's server took, as receipts of an endpoint.
#[must_use]
pub fn receipts_of_requests(endpoint: &str, received: &[Received]) -> Vec<Receipt> {
    let taken = received.iter().filter(|received| received.taken);
    taken
        .map(|received| receipt(endpoint, received.id(), &received.body))
        .collect()
}

/// The files of an output folder as receipts of an endpoint, oldest first. Their names are the
/// deliveries' ids. What is not a whole document says something that was never sent.
///
/// # Errors
/// The folder cannot be read.
pub fn receipts_of_files(endpoint: &str, folder: &Path) -> std::io::Result<Vec<Receipt>> {
    let mut receipts = BTreeMap::new();
    for path in files_of(folder)? {
        let id = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let modified = std::fs::metadata(&path)?.modified()?;
        let receipt = receipt(endpoint, &id, &std::fs::read(&path)?);
        receipts.insert((modified, id), receipt);
    }
    Ok(receipts.into_values().collect())
}

fn receipt(endpoint: &str, id: &str, body: &[u8]) -> Receipt {
    let torn = |line: String| {
        vec![Fact::Order {
            number: format!("not a document of ours: {line}"),
            revision: 0,
        }]
    };
    Receipt {
        endpoint: endpoint.to_owned(),
        id: id.to_owned(),
        hash: sha256_hex(body),
        facts: facts_of_json(body).unwrap_or_else(torn),
    }
}
