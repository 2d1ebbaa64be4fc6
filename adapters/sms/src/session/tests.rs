//! The session against the other side of the protocol, for what the simulator cannot be made to do.

use super::*;
use crate::joining::{Joining, Part};
use crate::pdu::status;
use crate::pdu::{HEADER_BYTES, Tlv, tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

/// The message centre's side, for what the simulator cannot be made to send.
struct Centre(DuplexStream);

impl Centre {
    fn begin() -> (Arc<Session>, Self) {
        let toml = "server = 'localhost:1'\nsystem_id = 'hub'\npassword = 'env:P'";
        let account: Account = toml::from_str(toml).unwrap();
        let (ours, theirs) = tokio::io::duplex(4_096);
        (
            Arc::new(Session::start(Box::new(ours), &account)),
            Self(theirs),
        )
    }

    async fn send(&mut self, pdu: Pdu) {
        self.0.write_all(&pdu.encode().unwrap()).await.unwrap();
    }

    async fn deliver(&mut self, sequence: u32, message: ShortMessage) {
        let body = Body::DeliverSm(Box::new(message));
        self.send(Pdu::request(sequence, body)).await;
    }

    async fn read(&mut self) -> Pdu {
        let mut unit = vec![0; HEADER_BYTES];
        self.0.read_exact(&mut unit).await.unwrap();
        let length = u32::from_be_bytes(unit[..4].try_into().unwrap());
        unit.resize(length as usize, 0);
        self.0.read_exact(&mut unit[HEADER_BYTES..]).await.unwrap();
        Pdu::decode(&unit).unwrap()
    }

    /// The next answer to a message: its sequence number and status.
    async fn answer(&mut self) -> (u32, u32) {
        let pdu = self.read().await;
        assert_eq!(pdu.body, Body::DeliverSmResp);
        (pdu.sequence, pdu.status)
    }
}

fn part(number: u8, of: u8, text: &str) -> ShortMessage {
    let mut short_message = vec![5, 0, 3, 17, of, number];
    short_message.extend_from_slice(text.as_bytes());
    ShortMessage {
        esm_class: 0x40,
        short_message,
        ..ShortMessage::default()
    }
}

async fn next(session: &Session) -> Inbound {
    session.next_inbound().await.unwrap()
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let (session, mut centre) = Centre::begin();
    let submit = || session.submit(ShortMessage::default());
    let serve = async {
        let (first, second) = (centre.read().await, centre.read().await);
        for (sequence, id) in [(second.sequence, "second"), (first.sequence, "first")] {
            let message_id = id.to_owned();
            centre
                .send(Pdu::request(sequence, Body::SubmitSmResp { message_id }))
                .await;
        }
    };
    let (first, second, ()) = tokio::join!(submit(), submit(), serve);
    let id = |answer: Result<Pdu, NoAnswer>| match answer.unwrap().body {
        Body::SubmitSmResp { message_id } => message_id,
        body => panic!("{body:?}"),
    };
    assert_eq!(
        (id(first), id(second)),
        ("first".to_owned(), "second".to_owned())
    );
    assert!(session.wire.waiting().is_empty());
}

#[tokio::test]
async fn parts_are_joined_in_their_order_and_answered_together() {
    let (session, mut centre) = Centre::begin();
    let mut joining = Joining::new(Duration::from_secs(5));
    let now = Instant::now();
    centre.deliver(1, part(2, 3, "b")).await;
    centre.deliver(2, part(3, 3, "c")).await;
    // The message centre sends one again.
    centre.deliver(3, part(2, 3, "b")).await;
    centre.deliver(4, part(1, 3, "a")).await;
    for _ in 0..3 {
        assert!(joining.take(next(&session).await, now).is_none());
    }
    let piece = joining.take(next(&session).await, now).unwrap();
    assert_eq!((piece.octets.as_slice(), piece.part), (&b"abc"[..], None));
    assert_eq!(joining.deadline(), None);
    for answer in piece.answers {
        assert!(answer.give(status::OK).await);
    }
    let mut answered = Vec::new();
    for _ in 0..4 {
        answered.push(centre.answer().await);
    }
    answered.sort_unstable();
    assert_eq!(answered, [(1, 0), (2, 0), (3, 0), (4, 0)]);
}

#[tokio::test]
async fn parts_whose_others_stay_away_are_offered_one_by_one() {
    let (session, mut centre) = Centre::begin();
    let mut joining = Joining::new(Duration::from_secs(5));
    let now = Instant::now();
    let mut sar = ShortMessage {
        short_message: b"c".to_vec(),
        ..ShortMessage::default()
    };
    sar.tlvs = vec![
        Tlv::short(tag::SAR_MSG_REF_NUM, 17),
        Tlv::octet(tag::SAR_TOTAL_SEGMENTS, 3),
        Tlv::octet(tag::SAR_SEGMENT_SEQNUM, 3),
    ];
    centre.deliver(1, sar).await;
    centre.deliver(2, part(1, 3, "a")).await;
    for _ in 0..2 {
        assert!(joining.take(next(&session).await, now).is_none());
    }
    assert!(joining.expired(now).is_empty());
    let deadline = joining.deadline().unwrap();
    let found: Vec<_> = joining
        .expired(deadline)
        .into_iter()
        .map(|piece| (piece.part, piece.octets))
        .collect();
    let part = |number| {
        Some(Part {
            reference: 17,
            number,
            of: 3,
        })
    };
    assert_eq!(found, [(part(1), b"a".to_vec()), (part(3), b"c".to_vec())]);
    // Dropped, so declined.
    assert_eq!(centre.answer().await.1, status::TEMPORARY_APPLICATION_ERROR);
    assert_eq!(centre.answer().await.1, status::TEMPORARY_APPLICATION_ERROR);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_the_rest_goes_on() {
    let (session, mut centre) = Centre::begin();
    let broken = [0, 0, 0, 18, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, b'x', 1];
    centre.0.write_all(&broken).await.unwrap();
    assert_eq!(
        centre.answer().await,
        (9, status::PERMANENT_APPLICATION_ERROR)
    );
    centre.send(Pdu::request(10, Body::Other(0x0102))).await;
    let nack = centre.read().await;
    assert_eq!((nack.sequence, nack.body), (10, Body::GenericNack));
    centre.send(Pdu::request(11, Body::EnquireLink)).await;
    assert_eq!(centre.read().await.body, Body::EnquireLinkResp);
    // An address in Latin-1, as some write their names.
    let mut named = part(1, 1, "a");
    named.source.digits = "Nordkräft".to_owned();
    centre.deliver(12, named).await;
    assert_eq!(next(&session).await.message.source.digits, "Nordkräft");
    centre.0.write_all(&[0; HEADER_BYTES]).await.unwrap();
    session.wire.ended.cancelled().await;
    assert_eq!(session.reason(), "what it sent is not SMPP");
}

#[tokio::test(start_paused = true)]
async fn without_a_source_a_message_waits_and_is_declined() {
    let (session, mut centre) = Centre::begin();
    let declining = tokio::spawn(decline_without_source(Arc::downgrade(&session)));
    let claim = session.claim().unwrap();
    assert!(session.claim().is_none());
    drop(claim);
    centre.deliver(1, part(1, 1, "a")).await;
    assert_eq!(
        centre.answer_amid_enquiries().await,
        (1, status::TEMPORARY_APPLICATION_ERROR)
    );
    drop(session);
    declining.await.unwrap();
}

impl Centre {
    async fn answer_amid_enquiries(&mut self) -> (u32, u32) {
        loop {
            let pdu = self.read().await;
            match pdu.body {
                Body::DeliverSmResp => return (pdu.sequence, pdu.status),
                _ => {
                    self.send(Pdu::request(pdu.sequence, Body::EnquireLinkResp))
                        .await
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_message_centre_is_noticed() {
    let (session, mut centre) = Centre::begin();
    assert_eq!(centre.read().await.body, Body::EnquireLink);
    session.wire.ended.cancelled().await;
    assert!(
        session.reason().contains("enquire_link"),
        "{}",
        session.reason()
    );
    assert!(matches!(
        session.request(Body::EnquireLink).await,
        Err(NoAnswer::Ended(_))
    ));
}

#[tokio::test]
async fn a_session_that_nobody_uses_says_good_bye() {
    let (session, mut centre) = Centre::begin();
    drop(session);
    let unbind = centre.read().await;
    assert_eq!(unbind.body, Body::Unbind);
    centre
        .send(Pdu::request(unbind.sequence, Body::UnbindResp))
        .await;
    assert_eq!(centre.0.read(&mut [0]).await.unwrap(), 0, "and hangs up");
}
