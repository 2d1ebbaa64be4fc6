//! What happened, as the store and the warehouse's stand-in know it.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::estate::{EstateCounts, enterprise, estate_counts};
use hub_store::messages::{DeliveryView, FindingView, MessageFilter, MessageView, Store};

use super::DemoError;
use super::warehouse::Request;

/// Rows read of each kind; the demo has far fewer.
const MANY: usize = 1_000;

/// All that happened.
pub(super) struct Outcome {
    /// Messages, the oldest first.
    pub(super) messages: Vec<Handled>,
    /// Files that were recognised as sent before.
    pub(super) resends: Vec<Resend>,
    /// What each enterprise has now.
    pub(super) estates: Vec<(String, EstateCounts)>,
    /// What the warehouse was asked, in order.
    pub(super) requests: Vec<Request>,
}

/// A message and what became of it.
pub(super) struct Handled {
    pub(super) message: MessageView,
    pub(super) findings: Vec<FindingView>,
    pub(super) deliveries: Vec<DeliveryView>,
}

/// A file that was recognised.
pub(super) struct Resend {
    /// Its name.
    pub(super) name: &'static str,
    /// The message it is.
    pub(super) message: MessageId,
    /// The name that message came under first.
    pub(super) first_name: String,
}

impl Outcome {
    /// Reads it.
    pub(super) async fn read(
        store: &Store,
        enterprises: &[String],
        resends: Vec<Resend>,
        requests: Vec<Request>,
    ) -> Result<Self, DemoError> {
        let filter = MessageFilter {
            limit: MANY,
            ..MessageFilter::default()
        };
        let mut messages = Vec::new();
        for message in store.messages(filter).await?.into_iter().rev() {
            let findings = store.findings(message.id, MANY).await?;
            let deliveries = store.deliveries_of(message.id, MANY).await?;
            messages.push(Handled {
                message,
                findings,
                deliveries,
            });
        }
        let estates = estates(store, enterprises.to_vec()).await?;
        Ok(Self {
            messages,
            resends,
            estates,
            requests,
        })
    }

    /// All deliveries.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = &DeliveryView> {
        self.messages.iter().flat_map(|handled| &handled.deliveries)
    }
}

async fn estates(
    store: &Store,
    names: Vec<String>,
) -> Result<Vec<(String, EstateCounts)>, StoreError> {
    let read = store.db().read(move |tx| {
        let mut estates = Vec::new();
        for name in names {
            if let Some(known) = enterprise::named(tx, &name)? {
                estates.push((name, estate_counts(tx, known.id)?));
            }
        }
        Ok(estates)
    });
    read.await
}
