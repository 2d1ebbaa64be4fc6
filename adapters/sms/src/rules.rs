//! What holds for every text, whatever carries it: who wants none, when nobody is to be woken, how
//! much may be sent in a day, and what a part costs.

use std::sync::Arc;

use hub_core::{Clock, Meter, SinkError, StateError};
use hub_model::Zone;
use schemars::JsonSchema;
use serde::Deserialize;
use tracing::warn;

use crate::address::display;
use crate::endpoint::Endpoint;
use crate::memory::opt_out::OptOutError;
use crate::memory::{Allowance, Limit, Memory, NotAllowed};
use crate::metrics;
use crate::outgoing::Sms;
use crate::price::{Money, Prices};
use crate::quiet::Quiet;

/// Which texts those get who opted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptOut {
    /// None.
    #[default]
    All,
    /// Only those that say `"transactional": true`: what somebody asked for or must know.
    ExceptTransactional,
    /// All: the list is not looked at.
    Ignore,
}

/// What becomes of a text beyond the daily limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenReached {
    /// It waits for the next day.
    #[default]
    Wait,
    /// It is refused.
    Refuse,
}

/// The rules of a sink.
pub(crate) struct Rules {
    pub(crate) endpoint: Endpoint,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) meter: Meter,
    pub(crate) opt_out: OptOut,
    pub(crate) quiet: Option<Quiet>,
    pub(crate) limit: Option<Limit>,
    pub(crate) when_reached: WhenReached,
    pub(crate) prices: Option<Prices>,
    /// Where the days are that are counted.
    pub(crate) zone: Zone,
}

impl Rules {
    /// Whether so many parts may go now. `begun`: other parts of the same text are gone already, and
    /// the rest of what has begun to arrive wakes nobody any more.
    ///
    /// # Errors
    /// Not now, or never, and why.
    pub(crate) async fn admit(
        &self,
        sms: &Sms,
        parts: usize,
        begun: bool,
    ) -> Result<Allowance, SinkError> {
        self.heed_opt_out(sms).await?;
        if !begun {
            self.wait_while_quiet()?;
        }
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        let each = self.price(sms);
        let at = (self.clock.now(), &self.zone);
        let ledger = &self.memory.ledger;
        let taken = ledger.take(parts, each, self.limit.as_ref(), at).await;
        taken.map_err(|reason| match (reason, self.when_reached) {
            (NotAllowed::State(error), _) => self.endpoint.no_memory(&error),
            (NotAllowed::UsedUp(reason, seconds), WhenReached::Wait) => {
                self.endpoint.held(&reason, seconds)
            }
            (NotAllowed::UsedUp(reason, _), WhenReached::Refuse) => self.endpoint.refused(reason),
        })
    }

    /// Sends while what is sent is counted on disk; both are done when it returns.
    pub(crate) async fn while_counted<T>(
        &self,
        counted: impl Future<Output = Result<(), StateError>>,
        sending: impl Future<Output = T>,
    ) -> T {
        let (sent, counted) = tokio::join!(sending, counted);
        if let Err(problem) = counted {
            let endpoint = &self.endpoint.0;
            warn!(%endpoint, %problem, "after a crash now, a text would be sent that is not counted");
        }
        sent
    }

    /// What a part costs.
    pub(crate) fn price(&self, sms: &Sms) -> Option<Money> {
        let prices = self.prices.as_ref()?;
        Some(prices.per_part(&display(&sms.to)))
    }

    /// Counts parts that were accepted. Returns what they cost, for the note.
    pub(crate) fn count(&self, sms: &Sms, parts: usize) -> Option<Money> {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        self.meter.count(metrics::PARTS, u64::from(parts));
        let today = self.memory.ledger.today(self.clock.now(), &self.zone);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge; nobody sends 2^53 parts in a day"
        )]
        self.meter.set(metrics::TODAY, today.parts as f64);
        let cost = self.price(sms)?.times(parts);
        self.meter.count(metrics::COST, cost.millionths());
        Some(cost)
    }

    async fn heed_opt_out(&self, sms: &Sms) -> Result<(), SinkError> {
        let is_free = match self.opt_out {
            OptOut::All => false,
            OptOut::ExceptTransactional => sms.transactional,
            OptOut::Ignore => true,
        };
        if is_free {
            return Ok(());
        }
        let found = self.memory.opt_outs.find(&display(&sms.to)).await;
        let found = match found {
            Ok(found) => found,
            // What is no number cannot be on the list.
            Err(OptOutError::NoNumber(_)) => None,
            Err(OptOutError::State(error)) => return Err(self.endpoint.no_memory(&error)),
        };
        let Some(found) = found else {
            return Ok(());
        };
        self.meter.count(metrics::OPTED_OUT, 1);
        Err(self.endpoint.refused(format!(
            "the recipient opted out at {} ({}), and `opt_out` lets {} through",
            found.since,
            found.by,
            match self.opt_out {
                OptOut::ExceptTransactional => "only texts that say `\"transactional\": true`",
                OptOut::All | OptOut::Ignore => "none",
            }
        )))
    }

    fn wait_while_quiet(&self) -> Result<(), SinkError> {
        let quiet = self.quiet.as_ref();
        match quiet.and_then(|quiet| quiet.seconds_left(self.clock.now())) {
            Some(seconds) => Err(self.endpoint.held("these are quiet hours", seconds)),
            None => Ok(()),
        }
    }
}
