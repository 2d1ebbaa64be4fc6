//! Turns changes of the estate into outgoing messages, by the outbound routes of an enterprise.

use std::sync::Arc;

use hub_core::MessageId;
use hub_model::mapping::{Envelope, Loss, write_record};
use hub_model::{Finding, Instant, Place, Zone};
use hub_store::messages::{Change, NewDelivery, NewParts, Publication, Publish};

use crate::config::{Batch, Outbound};

/// The lane of all documents of whole messages at a sink. Such a one may be about any object, so it
/// keeps its order against all others, those of other routes among them.
const DOCUMENT_LANE: &str = "documents";
/// A piece of a document that is made in parts ends with the record that fills it. Larger pieces
/// take more memory when they are sent, smaller ones more rows. One record may be larger.
const PIECE_BYTES: usize = 1024 * 1024;

/// The outbound routes of one enterprise.
pub(super) struct Publisher {
    pub(super) routes: Vec<Arc<Outbound>>,
    pub(super) zone: Zone,
    pub(super) now: Instant,
}

impl Publisher {
    fn envelope(&self, message: MessageId) -> Envelope {
        Envelope {
            message_id: message.to_string(),
            created: self.now,
            zone: self.zone.clone(),
        }
    }

    /// The changes that a route tells about.
    fn selected<'a, 'c>(
        route: &Outbound,
        changes: &'a [Change<'c>],
        findings: &mut Vec<Finding>,
    ) -> Vec<&'a Change<'c>> {
        let writes = route.encoder.writes();
        let mut selected = Vec::new();
        for change in changes {
            if !route.on.contains(&change.event.kind) || !writes.contains(&change.record.kind()) {
                continue;
            }
            match route
                .filter
                .as_ref()
                .map_or(Ok(true), |filter| filter.matches(change.record))
            {
                Ok(true) => selected.push(change),
                Ok(false) => {}
                Err(reason) => {
                    let place = change.place.clone();
                    findings.push(not_published(route, change, place, "filter", &reason));
                }
            }
        }
        selected
    }

    /// Encodes records one after the other, and returns how many, each reading counting as one.
    /// What the format cannot say becomes a finding; it does not take other readings with it.
    fn encode(
        &self,
        route: &Outbound,
        envelope: &Envelope,
        changes: &[&Change<'_>],
        out: &mut Vec<u8>,
        findings: &mut Vec<Finding>,
    ) -> u64 {
        let mut written = 0;
        let mut losses = Vec::new();
        for change in changes {
            written += write_record(&*route.encoder, envelope, change.record, out, &mut losses);
            findings.extend(losses.drain(..).map(|loss| lost(route, change, &loss)));
        }
        written
    }

    fn document(
        &self,
        route: &Outbound,
        envelope: &Envelope,
        changes: &[&Change<'_>],
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        route.encoder.head(envelope, &mut bytes);
        if self.encode(route, envelope, changes, &mut bytes, findings) == 0 {
            return None;
        }
        route.encoder.tail(envelope, &mut bytes);
        Some(bytes)
    }

    /// Pieces of the document that is made of a whole message, with all that makes it a document.
    fn parts(
        &self,
        route: &Outbound,
        envelope: &Envelope,
        changes: &[&Change<'_>],
        findings: &mut Vec<Finding>,
    ) -> Option<NewParts> {
        let pieces = self.pieces(route, envelope, changes, findings);
        if pieces.is_empty() {
            return None;
        }
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        route.encoder.head(envelope, &mut head);
        route.encoder.tail(envelope, &mut tail);
        Some(NewParts {
            route: route.name.clone(),
            encoded_by: route.encoded_by,
            head,
            tail,
            deliveries: deliveries(route, "", DOCUMENT_LANE, None).collect(),
            pieces,
        })
    }

    fn pieces(
        &self,
        route: &Outbound,
        envelope: &Envelope,
        changes: &[&Change<'_>],
        findings: &mut Vec<Finding>,
    ) -> Vec<Vec<u8>> {
        let (mut pieces, mut bytes) = (Vec::new(), Vec::new());
        for change in changes {
            let change = std::slice::from_ref(change);
            self.encode(route, envelope, change, &mut bytes, findings);
            if bytes.len() >= PIECE_BYTES {
                pieces.push(std::mem::take(&mut bytes));
            }
        }
        if !bytes.is_empty() {
            pieces.push(bytes);
        }
        pieces
    }
}

impl Publish for Publisher {
    fn publish(&self, message: MessageId, changes: &[Change<'_>], whole: bool) -> Publication {
        let mut publication = Publication::default();
        if changes.is_empty() {
            return publication;
        }
        let envelope = self.envelope(message);
        for route in &self.routes {
            let selected = Self::selected(route, changes, &mut publication.findings);
            if selected.is_empty() {
                continue;
            }
            let findings = &mut publication.findings;
            match route.batch {
                Batch::Record => {
                    for change in selected {
                        if let Some(bytes) = self.document(route, &envelope, &[change], findings) {
                            let subject = &change.event.subject;
                            publication.deliveries.extend(deliveries(
                                route,
                                subject,
                                subject,
                                Some(bytes),
                            ));
                        }
                    }
                }
                Batch::Message if whole => {
                    let subject = common_subject(&selected);
                    if let Some(bytes) = self.document(route, &envelope, &selected, findings) {
                        publication.deliveries.extend(deliveries(
                            route,
                            &subject,
                            DOCUMENT_LANE,
                            Some(bytes),
                        ));
                    }
                }
                Batch::Message => {
                    let parts = self.parts(route, &envelope, &selected, findings);
                    publication.parts.extend(parts);
                }
            }
        }
        publication
    }

    fn obstacle(&self, route: &str, endpoint: &str) -> Option<String> {
        match self.routes.iter().find(|known| known.name == route) {
            None => Some("was taken out of the configuration".to_owned()),
            Some(route) if route.to.iter().any(|to| to == endpoint) => None,
            Some(_) => Some(format!("goes to sink `{endpoint}` no more")),
        }
    }
}

/// The business object that all changes are about, if it is one.
fn common_subject(changes: &[&Change<'_>]) -> String {
    let first = &changes[0].event.subject;
    let same = changes.iter().all(|change| change.event.subject == *first);
    if same {
        first.to_string()
    } else {
        String::new()
    }
}

fn deliveries<'a>(
    route: &'a Outbound,
    subject: &'a str,
    lane: &'a str,
    bytes: Option<Vec<u8>>,
) -> impl Iterator<Item = NewDelivery> + 'a {
    let body = bytes.map(bytes::Bytes::from);
    route.to.iter().map(move |endpoint| NewDelivery {
        route: route.name.clone(),
        endpoint: endpoint.clone(),
        lane: lane.to_owned(),
        subject: subject.to_owned(),
        media_type: route.encoder.media_type().to_owned(),
        extension: route.encoder.extension().to_owned(),
        headers: Vec::new(),
        body: body.clone(),
    })
}

fn lost(route: &Outbound, change: &Change<'_>, loss: &Loss) -> Finding {
    let problem = &loss.problem;
    let reason = match loss.records {
        1 => problem.reason.clone(),
        more => format!("{} ({more} readings are left out)", problem.reason),
    };
    let mut place = change.place.clone();
    // A format without lines has none to count from.
    if place.line > 0 {
        place.line += u64::from(loss.line);
    }
    not_published(route, change, place, problem.field, &reason)
}

fn not_published(
    route: &Outbound,
    change: &Change<'_>,
    place: Place,
    field: &str,
    reason: &str,
) -> Finding {
    let (route, subject) = (&route.name, &change.event.subject);
    let reason = format!("route `{route}` cannot tell about {subject}: {reason}");
    Finding::warning("not_published", place, reason).in_field(field)
}

#[cfg(test)]
mod tests;
