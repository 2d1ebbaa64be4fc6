//! How many parts were sent, and what they cost: by local day and month, of all SMS sinks of an
//! enterprise together.
//!
//! Where there is a limit, counted on disk before anything is sent. What was surely not taken is given
//! back; that is on disk with the next text. So a crash may leave a few parts counted that were not
//! sent (those that were on their way), and none sent that are not counted. Without a limit the disk
//! is written while the text is sent, and before it is taken for delivered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::{StateError, StateStore};
use hub_model::{Decimal, Instant, LocalDay, Zone};

use super::journal::{Journal, Ticket};
use crate::price::{Money, Total};

const SPACE: &str = "sms.count";

/// What was sent in a day or month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// `2026-03-29` or `2026-03`.
    pub period: String,
    /// Parts.
    pub parts: u64,
    /// What they cost, by currency.
    pub cost: BTreeMap<String, Decimal>,
}

/// Days that were counted, the oldest first; or months.
///
/// # Errors
/// The store refused.
pub async fn list(state: &dyn StateStore, months: bool) -> Result<Vec<Counted>, StateError> {
    let prefix = if months { "month/" } else { "day/" };
    let mut counted = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = state.list(SPACE, prefix, after.as_deref()).await?;
        let Some((last, _)) = page.last() else {
            return Ok(counted);
        };
        after = Some(last.clone());
        counted.extend(page.into_iter().map(|(key, value)| {
            let total = Total::parse(&value);
            Counted {
                period: key.trim_start_matches(prefix).to_owned(),
                parts: total.parts,
                cost: total.cost,
            }
        }));
    }
}

/// How much may be sent in a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) parts: Option<u32>,
    pub(crate) cost: Option<Money>,
}

/// Why parts may not be sent.
#[derive(Debug)]
pub(crate) enum NotAllowed {
    /// The day's are used up: why, and the seconds until the next day.
    UsedUp(String, u64),
    /// The count cannot be kept now.
    State(StateError),
}

/// The count of an enterprise.
pub(crate) struct Ledger {
    journal: Journal,
    totals: Mutex<BTreeMap<String, Total>>,
    loading: tokio::sync::Mutex<()>,
}

/// Parts that may be sent; what is not sent of them is given back.
pub(crate) struct Allowance {
    ledger: Arc<Ledger>,
    keys: [String; 2],
    parts: u32,
    each: Option<Money>,
    /// To be on disk before the text is taken for delivered; `None`: it is.
    uncounted: Option<Ticket>,
}

impl Ledger {
    pub(crate) fn new(state: Arc<dyn StateStore>) -> Self {
        Self {
            journal: Journal::new(state, SPACE),
            totals: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
        }
    }

    /// Counts so many parts at so much each: under a limit on disk when it returns, else once
    /// [`Allowance::counted`] has.
    ///
    /// # Errors
    /// The day's are used up, or the store refused: nothing is counted.
    pub(crate) async fn take(
        self: &Arc<Self>,
        parts: u32,
        each: Option<Money>,
        limit: Option<&Limit>,
        (now, zone): (Instant, &Zone),
    ) -> Result<Allowance, NotAllowed> {
        let day = zone.day_of(now);
        let keys = keys(day);
        for key in &keys {
            self.load(key).await.map_err(NotAllowed::State)?;
        }
        let mut allowance = {
            let mut totals = self.totals();
            let today = totals.get(&keys[0]).cloned().unwrap_or_default();
            if let Some(reason) = limit.and_then(|l| l.exceeded(&today, parts, each.as_ref())) {
                let (_, tomorrow) = zone.bounds(day);
                let left = u64::try_from(tomorrow.seconds() - now.seconds()).unwrap_or_default();
                return Err(NotAllowed::UsedUp(reason, left.max(1)));
            }
            for key in &keys {
                totals
                    .entry(key.clone())
                    .or_default()
                    .add(parts, each.as_ref());
            }
            let ticket = self.note(&totals, &keys);
            Allowance {
                ledger: self.clone(),
                keys,
                parts,
                each,
                uncounted: Some(ticket),
            }
        };
        if limit.is_some() {
            // On an error the allowance is dropped, and gives all back.
            allowance.counted().await.map_err(NotAllowed::State)?;
            allowance.uncounted = None;
        }
        Ok(allowance)
    }

    /// What is counted for the day.
    pub(crate) fn today(&self, now: Instant, zone: &Zone) -> Total {
        let [day, _] = keys(zone.day_of(now));
        self.totals().get(&day).cloned().unwrap_or_default()
    }

    async fn load(&self, key: &str) -> Result<(), StateError> {
        let _alone = self.loading.lock().await;
        if self.totals().contains_key(key) {
            return Ok(());
        }
        let kept = self.journal.read(key).await?;
        let total = kept.map(|kept| Total::parse(&kept)).unwrap_or_default();
        self.totals().insert(key.to_owned(), total);
        Ok(())
    }

    /// Notes totals in the order in which they change.
    fn note(&self, totals: &BTreeMap<String, Total>, keys: &[String; 2]) -> Ticket {
        let entries = keys.iter().map(|key| {
            let total = totals.get(key).map(Total::to_json);
            (key.clone(), total)
        });
        self.journal.note(entries)
    }

    fn totals(&self) -> MutexGuard<'_, BTreeMap<String, Total>> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limit {
    /// Why so many more parts would be too many.
    fn exceeded(&self, today: &Total, parts: u32, each: Option<&Money>) -> Option<String> {
        if let Some(limit) = self.parts
            && today.parts.saturating_add(u64::from(parts)) > u64::from(limit)
        {
            let sent = today.parts;
            return Some(format!(
                "the daily limit of {limit} parts is reached: {sent} are sent, {parts} more wanted"
            ));
        }
        let (limit, each) = (self.cost.as_ref()?, each?);
        let spent = today.cost_in(&limit.currency);
        let more = each.times(parts);
        let sum = spent.checked_add(more.amount).map(|amount| Money {
            amount,
            currency: limit.currency.clone(),
        });
        let fits = sum.is_some_and(|sum| sum.is_within(limit));
        (!fits).then(|| {
            let more = more.amount;
            format!("the daily limit of {limit} is reached: {spent} is spent, {more} more wanted")
        })
    }
}

fn keys(day: LocalDay) -> [String; 2] {
    let date = day.to_string();
    let month = date.get(..date.len().saturating_sub(3)).unwrap_or_default();
    [format!("day/{date}"), format!("month/{month}")]
}

impl Allowance {
    /// Waits until it is counted on disk.
    pub(crate) fn counted(&self) -> impl Future<Output = Result<(), StateError>> + Send + use<> {
        let (ledger, uncounted) = (self.ledger.clone(), self.uncounted);
        async move {
            match uncounted {
                Some(ticket) => ledger.journal.written(ticket).await,
                None => Ok(()),
            }
        }
    }

    /// One part was accepted, or may have been.
    pub(crate) fn spend(&mut self) {
        self.parts = self.parts.saturating_sub(1);
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        if self.parts == 0 {
            return;
        }
        let mut totals = self.ledger.totals();
        for key in &self.keys {
            if let Some(total) = totals.get_mut(key) {
                total.give_back(self.parts, self.each.as_ref());
            }
        }
        self.ledger.note(&totals, &self.keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MemoryState;

    fn money(amount: &str) -> Money {
        Money {
            amount: amount.parse().unwrap(),
            currency: "EUR".into(),
        }
    }

    struct Sending {
        state: MemoryState,
        ledger: Arc<Ledger>,
        limit: Limit,
        each: Option<Money>,
    }

    impl Sending {
        fn new(state: &MemoryState, limit: Limit, each: Option<Money>) -> Self {
            let ledger = Arc::new(Ledger::new(Arc::new(state.clone())));
            let state = state.clone();
            Self {
                state,
                ledger,
                limit,
                each,
            }
        }

        /// Seconds to wait, if it is not allowed.
        async fn send(&self, parts: u32, accepted: u32, now: Instant) -> Result<(), u64> {
            let zone = Zone::named("Europe/Tallinn").unwrap();
            let at = (now, &zone);
            let taken = self
                .ledger
                .take(parts, self.each.clone(), Some(&self.limit), at);
            match taken.await {
                Ok(mut allowance) => (0..accepted).for_each(|_| allowance.spend()),
                Err(NotAllowed::UsedUp(_, seconds)) => return Err(seconds),
                Err(NotAllowed::State(error)) => panic!("{error}"),
            }
            Ok(())
        }
    }

    /// 23:00 local.
    fn evening() -> Instant {
        "2026-01-10T21:00:00Z".parse().unwrap()
    }

    #[tokio::test]
    async fn a_day_has_so_many_and_the_next_has_as_many_again() {
        let limit = Limit {
            parts: Some(5),
            cost: None,
        };
        let now = evening();
        let state = MemoryState::default();
        let sending = Sending::new(&state, limit.clone(), None);
        assert_eq!(sending.send(3, 3, now).await, Ok(()));
        assert_eq!(sending.send(3, 3, now).await, Err(3_600));
        // One of two is not accepted, and given back.
        assert_eq!(sending.send(2, 1, now).await, Ok(()));
        assert_eq!(sending.send(1, 1, now).await, Ok(()));
        // After a restart the day is as full as before.
        let sending = Sending::new(&sending.state, limit, None);
        assert_eq!(sending.send(1, 1, now.plus_seconds(3_599)).await, Err(1));
        assert_eq!(sending.send(5, 5, now.plus_seconds(3_600)).await, Ok(()));
        let months = list(&sending.state, true).await.unwrap();
        assert_eq!(
            (months[0].period.as_str(), months[0].parts),
            ("2026-01", 10)
        );
    }

    #[tokio::test]
    async fn a_day_costs_no_more_than_it_may() {
        let limit = Limit {
            parts: None,
            cost: Some(money("0.10")),
        };
        let state = MemoryState::default();
        let sending = Sending::new(&state, limit, Some(money("0.033")));
        assert_eq!(sending.send(2, 2, evening()).await, Ok(()));
        assert_eq!(sending.send(2, 2, evening()).await, Err(3_600));
        assert_eq!(sending.send(1, 1, evening()).await, Ok(()));
        let days = list(&sending.state, false).await.unwrap();
        assert_eq!(days.len(), 1);
        assert_eq!((days[0].period.as_str(), days[0].parts), ("2026-01-10", 3));
        assert_eq!(days[0].cost["EUR"].to_string(), "0.099");
    }

    #[tokio::test]
    async fn without_a_limit_the_disk_is_written_while_a_text_is_sent() {
        let state = MemoryState::default();
        let ledger = Arc::new(Ledger::new(Arc::new(state.clone())));
        let zone = Zone::named("Europe/Tallinn").unwrap();
        let taken = ledger.take(2, None, None, (evening(), &zone)).await;
        let mut allowance = taken.unwrap();
        assert!(list(&state, false).await.unwrap().is_empty());
        allowance.counted().await.unwrap();
        assert_eq!(list(&state, false).await.unwrap()[0].parts, 2);
        allowance.spend();
        allowance.spend();
    }

    #[tokio::test]
    async fn a_crash_leaves_counted_what_was_on_its_way() {
        let limit = Limit {
            parts: Some(5),
            cost: None,
        };
        let state = MemoryState::default();
        let sending = Sending::new(&state, limit.clone(), None);
        let zone = Zone::named("Europe/Tallinn").unwrap();
        let at = (evening(), &zone);
        let on_its_way = sending.ledger.take(3, None, Some(&limit), at).await;
        // The process ends here: nothing is given back.
        std::mem::forget(on_its_way);
        let sending = Sending::new(&state, limit, None);
        assert_eq!(sending.send(3, 3, evening()).await, Err(3_600));
        assert_eq!(sending.send(2, 2, evening()).await, Ok(()));
    }
}
