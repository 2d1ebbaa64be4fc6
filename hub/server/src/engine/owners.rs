//! Whose partner posts to which source, for those who ask what became of a message: the name of a
//! source may have belonged to another enterprise before.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::config::Config;

/// Sources and their enterprises, as configured now.
#[derive(Debug, Default)]
pub(crate) struct SourceOwners(RwLock<BTreeMap<String, String>>);

impl SourceOwners {
    /// Takes over what a configuration says.
    pub(super) fn set(&self, config: &Config) {
        let of = |(name, source): (&String, &crate::config::SourceEntry)| {
            (name.clone(), source.enterprise.clone())
        };
        let owners = config.sources.iter().map(of).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = owners;
    }

    /// Whether a source belongs to an enterprise.
    pub(crate) fn is(&self, source: &str, enterprise: &str) -> bool {
        let owners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        owners.get(source).is_some_and(|owner| owner == enterprise)
    }
}
