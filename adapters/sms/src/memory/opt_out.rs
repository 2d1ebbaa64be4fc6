//! Who wants no texts: by an answer such as `STOP`, or by an operator. One list per enterprise, which
//! all its SMS sources write and all its SMS sinks heed.

use std::sync::Arc;

use hub_core::{StateError, StateStore};
use hub_model::Instant;
use serde::{Deserialize, Serialize};

use super::lookups::Lookups;

const SPACE: &str = "sms.opt-out";

/// Longest number in digits, and shortest.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// Somebody who wants no texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptedOut {
    /// The number, digits only: message centres write the same with and without `+`.
    pub number: String,
    /// Since when.
    pub since: String,
    /// By what: the word and the number it was sent to, or the operator and why.
    pub by: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    since: String,
    by: String,
}

/// Why the list cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum OptOutError {
    /// No number.
    #[error("`{0}` is no telephone number, expected 3 to 15 digits, with or without `+`")]
    NoNumber(String),
    /// The store refused.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Adds a number. One that is on the list stays as it is. Returns whether it is new.
///
/// # Errors
/// It is no number, or the store refused.
pub async fn add(
    state: &dyn StateStore,
    number: &str,
    by: &str,
    now: Instant,
) -> Result<bool, OptOutError> {
    let key = key(number)?;
    if state.get(SPACE, &key).await?.is_some() {
        return Ok(false);
    }
    let kept = Kept {
        since: now.to_string(),
        by: by.to_owned(),
    };
    // Two texts are always JSON.
    let value = serde_json::to_string(&kept).unwrap_or_default();
    state.put(SPACE, vec![(key, Some(value))]).await?;
    Ok(true)
}

/// Removes a number. Returns whether it was there.
///
/// # Errors
/// It is no number, or the store refused.
pub async fn remove(state: &dyn StateStore, number: &str) -> Result<bool, OptOutError> {
    let key = key(number)?;
    if state.get(SPACE, &key).await?.is_none() {
        return Ok(false);
    }
    state.put(SPACE, vec![(key, None)]).await?;
    Ok(true)
}

/// A page of the list, by number, after this one.
///
/// # Errors
/// The store refused.
pub async fn list(
    state: &dyn StateStore,
    after: Option<&str>,
) -> Result<Vec<OptedOut>, OptOutError> {
    let page = state.list(SPACE, "", after).await?;
    let page = page.into_iter();
    Ok(page.map(|(key, kept)| opted_out(key, &kept)).collect())
}

/// The list, as sinks ask it: for each text, and many at a time.
pub(crate) struct OptOuts(Lookups);

impl OptOuts {
    pub(crate) fn new(state: Arc<dyn StateStore>) -> Self {
        Self(Lookups::new(state, SPACE))
    }

    /// Whether a number is on the list.
    ///
    /// # Errors
    /// It is no number, or the store refused.
    pub(crate) async fn find(&self, number: &str) -> Result<Option<OptedOut>, OptOutError> {
        let key = key(number)?;
        let kept = self.0.get(&key).await?;
        Ok(kept.map(|kept| opted_out(key, &kept)))
    }
}

/// What cannot be read counts as well: whoever is on the list gets no texts.
fn opted_out(number: String, kept: &str) -> OptedOut {
    let kept = serde_json::from_str(kept).unwrap_or_else(|_| Kept {
        since: String::new(),
        by: kept.to_owned(),
    });
    OptedOut {
        number,
        since: kept.since,
        by: kept.by,
    }
}

fn key(number: &str) -> Result<String, OptOutError> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_number = DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    match is_number {
        true => Ok(digits.to_owned()),
        false => Err(OptOutError::NoNumber(number.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MemoryState;

    #[tokio::test]
    async fn a_number_is_the_same_with_and_without_its_plus() {
        let state = MemoryState::default();
        let now: Instant = "2026-03-29T00:15:00Z".parse().unwrap();
        assert!(
            add(&state, "37255500001", "`STOP` to 12345", now)
                .await
                .unwrap()
        );
        assert!(
            !add(&state, "+37255500001", "again", now.plus_seconds(1))
                .await
                .unwrap()
        );
        let opt_outs = OptOuts::new(Arc::new(state.clone()));
        let found = opt_outs.find("+37255500001").await.unwrap().unwrap();
        assert_eq!(found.by, "`STOP` to 12345");
        assert_eq!(found.since, "2026-03-29T00:15:00Z");
        assert_eq!(list(&state, None).await.unwrap(), [found]);
        assert!(remove(&state, "+37255500001").await.unwrap());
        assert!(!remove(&state, "+37255500001").await.unwrap());
        assert_eq!(opt_outs.find("37255500001").await.unwrap(), None);
    }

    #[tokio::test]
    async fn names_are_no_numbers() {
        let state = MemoryState::default();
        for wrong in ["", "+", "Nordkraft", "12", "+372 555"] {
            let added = add(&state, wrong, "x", Instant::EPOCH).await;
            assert!(matches!(added, Err(OptOutError::NoNumber(_))), "{wrong}");
        }
    }
}
