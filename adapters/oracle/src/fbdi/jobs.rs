//! The jobs that were started and have no outcome yet: what sink and source of an account agree on.

use hub_core::{StateEntry, StateError, StateStore};
use serde::{Deserialize, Serialize};

/// Before the number of a job, in the space of the account.
const PREFIX: &str = "job:";

/// A job, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartedJob {
    /// The delivery that started it.
    pub(crate) message_id: String,
    /// The file at Fusion.
    pub(crate) file: String,
    /// When, in microseconds since 1970.
    pub(crate) started: i64,
    /// Whether it was reported that it runs.
    #[serde(default)]
    pub(crate) told: bool,
}

/// By what a delivery and its report find each other.
pub(crate) fn reference(account: &str, job: &str) -> String {
    format!("{account}/{job}")
}

/// What remembers a job.
pub(crate) fn remembered(job: &str, started: &StartedJob) -> StateEntry {
    let value = serde_json::to_string(started).unwrap_or_default();
    (format!("{PREFIX}{job}"), Some(value))
}

/// What forgets it.
pub(crate) fn forgotten(job: &str) -> StateEntry {
    (format!("{PREFIX}{job}"), None)
}

/// All jobs of an account, by number.
pub(crate) async fn open_jobs(
    state: &dyn StateStore,
    account: &str,
) -> Result<Vec<(String, StartedJob)>, StateError> {
    let mut jobs = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let listed = state.list(account, PREFIX, after.as_deref()).await?;
        let Some((last, _)) = listed.last() else {
            return Ok(jobs);
        };
        after = Some(last.clone());
        jobs.extend(listed.iter().filter_map(|(key, value)| {
            let job = key.strip_prefix(PREFIX)?;
            Some((job.to_owned(), serde_json::from_str(value).ok()?))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MemoryState;

    #[tokio::test]
    async fn jobs_are_remembered_until_they_are_forgotten() {
        let state = MemoryState::default();
        let job = StartedJob {
            message_id: "M".into(),
            file: "m.zip".into(),
            started: 7,
            told: false,
        };
        let entries = vec![remembered("12", &job), remembered("7", &job)];
        state.put("a", entries).await.unwrap();
        let other = vec![("cursor".to_owned(), Some("1".to_owned()))];
        state.put("a", other).await.unwrap();
        let found = open_jobs(&state, "a").await.unwrap();
        assert_eq!(
            found,
            [("12".into(), job.clone()), ("7".into(), job.clone())]
        );
        state.put("a", vec![forgotten("12")]).await.unwrap();
        assert_eq!(open_jobs(&state, "a").await.unwrap(), [("7".into(), job)]);
    }
}
