//! What is published of messages that are not decoded: the message itself, or nothing.

use std::sync::Arc;

use hub_core::MessageId;
use hub_store::messages::{AtOnce, Change, NewDelivery, Publication, Publish};

use crate::config::Inbound;

/// Tells nobody: for messages that are given up.
pub(super) struct Silent;

impl Publish for Silent {
    fn publish(&self, _: MessageId, _: &[Change<'_>], _: bool) -> Publication {
        Publication::default()
    }

    /// What was told of a message before it was given up stays told.
    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// Passes a message on as it is: routes with the format `opaque`.
pub(super) struct Forward {
    pub(super) route: Arc<Inbound>,
    pub(super) media_type: Option<String>,
    pub(super) name: String,
}

/// Whether a route is done with a message as soon as it is accepted: there is nothing to read, and
/// nobody to tell what came of it.
pub(super) const fn is_done_at_once(route: &Inbound) -> bool {
    route.decoder.is_none() && route.answer.is_none()
}

impl Forward {
    /// How a message is done with when it is accepted, if its route can do that.
    pub(super) fn at_once(self) -> Option<AtOnce> {
        is_done_at_once(&self.route).then(|| AtOnce {
            route: self.route.name.clone(),
            decoded_by: self.route.decoded_by,
            publisher: Arc::new(self),
        })
    }
}

impl Publish for Forward {
    fn publish(&self, message: MessageId, _: &[Change<'_>], _: bool) -> Publication {
        let extension = self
            .name
            .rsplit_once('.')
            .map_or("bin", |(_, extension)| extension);
        let delivery = |endpoint: &String| NewDelivery {
            route: self.route.name.clone(),
            endpoint: endpoint.clone(),
            // Messages passed on unread have no business object, so nothing asks for an order.
            lane: format!("message:{message}"),
            subject: String::new(),
            media_type: self
                .media_type
                .clone()
                .unwrap_or_else(|| "application/octet-stream".into()),
            extension: extension.to_owned(),
            headers: Vec::new(),
            body: None,
        };
        Publication {
            deliveries: self.route.to.iter().map(delivery).collect(),
            ..Publication::default()
        }
    }

    /// No document is made in parts of what is passed on.
    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}
