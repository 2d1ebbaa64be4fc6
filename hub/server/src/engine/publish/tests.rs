//! What is made of changes, by routes with a format written for this.

use hub_domain::EventKind;
use hub_model::mapping::{Encode, Inexpressible};
use hub_model::{Record, RecordKind, WorkOrder};
use hub_store::estate::Event;

use super::*;

/// Writes so many bytes for each record.
struct Letters(usize);

impl Encode for Letters {
    fn media_type(&self) -> &'static str {
        "text/plain"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn writes(&self) -> &'static [RecordKind] {
        &[RecordKind::WorkOrder]
    }

    fn head(&self, _: &Envelope, out: &mut Vec<u8>) {
        out.push(b'(');
    }

    fn record(&self, _: &Envelope, _: &Record, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        out.resize(out.len() + self.0, b'x');
        Ok(())
    }

    fn tail(&self, _: &Envelope, out: &mut Vec<u8>) {
        out.push(b')');
    }
}

fn route(name: &str, record_bytes: usize) -> Arc<Outbound> {
    Arc::new(Outbound {
        name: name.to_owned(),
        enterprise: "north".to_owned(),
        on: vec![EventKind::WorkOrderCreated],
        filter: None,
        encoder: Arc::new(Letters(record_bytes)),
        encoded_by: 1,
        batch: Batch::Message,
        to: vec!["erp".to_owned()],
    })
}

/// What these routes make of so many new orders.
fn published(routes: Vec<Arc<Outbound>>, orders: usize, whole: bool) -> Publication {
    let publisher = Publisher {
        routes,
        zone: Zone::utc(),
        now: Instant::from_seconds(0),
    };
    let (place, record) = (
        Place::default(),
        Record::WorkOrder(Box::new(WorkOrder::new("1"))),
    );
    let change = |record_number| Change {
        event: Event {
            kind: EventKind::WorkOrderCreated,
            subject: "work_order:1".into(),
            record: record_number,
        },
        place: &place,
        record: &record,
    };
    let changes: Vec<_> = (0..orders).map(change).collect();
    publisher.publish(MessageId(1), &changes, whole)
}

#[test]
fn a_document_in_parts_is_cut_into_pieces_of_about_a_mebibyte() {
    let record = PIECE_BYTES / 4 + 1;
    let mut published = published(vec![route("tell", record)], 10, false);
    assert!(published.deliveries.is_empty());
    let parts = published.parts.remove(0);
    let lengths: Vec<_> = parts.pieces.iter().map(Vec::len).collect();
    assert_eq!(lengths, [4 * record, 4 * record, 2 * record]);
    assert_eq!((parts.head, parts.tail), (b"(".to_vec(), b")".to_vec()));
    assert_eq!(parts.deliveries.len(), 1);
}

/// Else what one route tells about an object may overtake what another tells about it.
#[test]
fn whole_documents_of_all_routes_to_a_sink_share_a_lane() {
    let routes = || vec![route("created", 1), route("changed", 1)];
    let small = published(routes(), 1, true);
    let lanes: Vec<_> = small.deliveries.iter().map(|d| d.lane.as_str()).collect();
    assert_eq!(lanes, [DOCUMENT_LANE, DOCUMENT_LANE]);
    let large = published(routes(), 1, false);
    for parts in &large.parts {
        assert_eq!(parts.deliveries[0].lane, DOCUMENT_LANE, "{}", parts.route);
    }
    assert_eq!(large.parts.len(), 2);
}

#[test]
fn a_document_goes_on_only_where_its_route_still_goes() {
    let publisher = Publisher {
        routes: vec![route("tell", 1)],
        zone: Zone::utc(),
        now: Instant::from_seconds(0),
    };
    assert_eq!(publisher.obstacle("tell", "erp"), None);
    let elsewhere = publisher.obstacle("tell", "mdm").unwrap();
    assert_eq!(elsewhere, "goes to sink `mdm` no more");
    let gone = publisher.obstacle("told", "erp").unwrap();
    assert_eq!(gone, "was taken out of the configuration");
}
