//! Fusion's call when a job has ended: a reason to ask, never an answer.
//!
//! What the call looks like depends on the release and on the kind of job (JSON, or JSON in a SOAP
//! envelope), and anybody who knows the address could make one. So it is only searched for numbers:
//! those that are jobs of ours are asked about at once. A call that is lost costs one pause.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::response::Response;
use hub_web::{Handler, PostedBody, Problem, Taken};
use tokio::sync::Notify;

/// Largest call that is read.
const LARGEST_CALL: usize = 256 * 1024;
/// Most numbers that wait to be looked at; a flood of others must not fill the memory.
const MOST_WAITING: usize = 10_000;
/// Longest number of a job, in digits.
const LONGEST_NUMBER: usize = 19;

/// The numbers that calls named, until they are looked at.
#[derive(Default)]
pub(crate) struct Nudges {
    named: Mutex<HashSet<String>>,
    more: Notify,
}

impl Nudges {
    fn add(&self, numbers: impl Iterator<Item = String>) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            if named.len() < MOST_WAITING {
                named.insert(number);
            }
        }
        self.more.notify_one();
    }

    /// Takes them.
    pub(crate) fn take(&self) -> HashSet<String> {
        std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for more. Cancel-safe.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }
}

/// The door for calls.
pub(crate) struct Callbacks {
    nudges: Arc<Nudges>,
}

impl Callbacks {
    pub(crate) fn new(nudges: Arc<Nudges>) -> Self {
        Self { nudges }
    }
}

#[async_trait]
impl Handler for Callbacks {
    async fn take(&self, head: &Parts, body: PostedBody) -> Result<Taken, Problem> {
        let body = body.whole(LARGEST_CALL).await?;
        let query = head.uri.query().unwrap_or_default();
        let texts = [query.as_bytes(), &body];
        self.nudges.add(texts.into_iter().flat_map(numbers));
        Ok(Taken::Answered(Response::new("ok\n".into())))
    }
}

/// All numbers in a text.
fn numbers(text: &[u8]) -> impl Iterator<Item = String> {
    let runs = text.split(|byte| !byte.is_ascii_digit());
    let fitting = runs.filter(|run| (1..=LONGEST_NUMBER).contains(&run.len()));
    fitting.map(|run| String::from_utf8_lossy(run).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_whatever_a_call_is() {
        let found: Vec<String> =
            numbers(b"<r>{\"REQUESTID\":\"2749017\",\"x\":12}</r> 0").collect();
        assert_eq!(found, ["2749017", "12", "0"]);
        assert_eq!(numbers(&[b'1'; 400]).count(), 0);
    }

    #[test]
    fn a_flood_is_bounded() {
        let nudges = Nudges::default();
        nudges.add((0..50_000).map(|n| n.to_string()));
        assert_eq!(nudges.take().len(), MOST_WAITING);
        assert!(nudges.take().is_empty());
    }
}
