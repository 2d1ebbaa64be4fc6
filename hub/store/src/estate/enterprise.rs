//! Enterprises: the clients whose estate this is.

use hub_model::Zone;

use super::ids;
use crate::StoreError;
use crate::db::{Row, Tx, first};

/// Identifies an enterprise within this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnterpriseId(pub i64);

/// An enterprise.
#[derive(Debug, Clone, PartialEq)]
pub struct Enterprise {
    /// Its id.
    pub id: EnterpriseId,
    /// Its name in the configuration.
    pub name: String,
    /// The zone whose local days its readings are kept by.
    pub zone: Zone,
}

/// The enterprise of this name, made if it is new.
///
/// The zone of an enterprise that has readings stays what it is, because they are kept by its
/// local days: compare [`Enterprise::zone`] with the one asked for.
///
/// # Errors
/// The database refused.
pub fn ensure(tx: &mut dyn Tx, name: &str, zone: &Zone) -> Result<Enterprise, StoreError> {
    match named(tx, name)? {
        Some(known) if known.zone == *zone || has_series(tx, known.id)? => Ok(known),
        Some(known) => {
            tx.execute(
                "UPDATE enterprise SET zone = ?2 WHERE id = ?1",
                &[known.id.0.into(), zone.name().as_str().into()],
            )?;
            Ok(Enterprise {
                zone: zone.clone(),
                ..known
            })
        }
        None => {
            let id = ids::next(tx, "enterprise")?;
            tx.execute(
                "INSERT INTO enterprise (id, name, zone) VALUES (?1, ?2, ?3)",
                &[id.into(), name.into(), zone.name().as_str().into()],
            )?;
            Ok(Enterprise {
                id: EnterpriseId(id),
                name: name.to_owned(),
                zone: zone.clone(),
            })
        }
    }
}

/// The enterprise of this name, if there is one.
///
/// # Errors
/// The database refused.
pub fn named(tx: &mut dyn Tx, name: &str) -> Result<Option<Enterprise>, StoreError> {
    first(
        tx,
        "SELECT id, name, zone FROM enterprise WHERE name = ?1",
        &[name.into()],
        read,
    )
}

fn read(row: &dyn Row) -> Result<Enterprise, StoreError> {
    let zone = Zone::named(row.text(2)?).map_err(|e| StoreError::Damaged(e.to_string()))?;
    Ok(Enterprise {
        id: EnterpriseId(row.int(0)?),
        name: row.text(1)?.to_owned(),
        zone,
    })
}

fn has_series(tx: &mut dyn Tx, id: EnterpriseId) -> Result<bool, StoreError> {
    let found = first(
        tx,
        "SELECT 1 FROM series WHERE enterprise_id = ?1 LIMIT 1",
        &[id.0.into()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
