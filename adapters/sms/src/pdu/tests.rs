//! Units against the standard, and whatever else may come.

use super::*;
use proptest::prelude::*;

/// The example of SMPP 3.4, 7.2.4, but as a transceiver.
#[test]
fn a_bind_is_what_the_standard_shows() {
    let bind = Bind {
        system_id: "SMPP3TEST".into(),
        password: "secret08".into(),
        system_type: "SUBMIT1".into(),
    };
    let mut expected = vec![0, 0, 0, 0x2F, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1];
    expected.extend_from_slice(b"SMPP3TEST\0secret08\0SUBMIT1\0\x34\0\0\0");
    let bound = Pdu::request(1, Body::Bind(bind));
    assert_eq!(bound.encode().unwrap(), expected);
}

#[test]
fn a_refusal_with_and_without_a_body_is_read() {
    let mut unit = vec![0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0x0B, 0, 0, 0, 2];
    let refused = |unit: &[u8]| {
        let pdu = Pdu::decode(unit).unwrap();
        assert_eq!((pdu.status, pdu.sequence), (status::INVALID_DESTINATION, 2));
        assert!(matches!(pdu.body, Body::SubmitSmResp { message_id } if message_id.is_empty()));
    };
    refused(&unit);
    unit.extend_from_slice(b"0A000000\0");
    refused(&unit);
}

#[test]
fn a_cut_message_can_still_be_answered() {
    let unit = [0, 0, 0, 18, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, b'x', 1];
    let error = Pdu::decode(&unit).unwrap_err();
    assert_eq!(error.sequence, 9);
    assert!(error.is_request() && error.is_delivery());
    assert_eq!(Pdu::decode(&unit[..9]).unwrap_err().sequence, 0);
}

fn latin1(longest: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(1u8..=255, 0..=longest)
        .prop_map(|bytes| bytes.into_iter().map(char::from).collect())
}

fn address() -> impl Strategy<Value = Address> {
    (any::<u8>(), any::<u8>(), latin1(20)).prop_map(|(ton, npi, digits)| Address {
        ton,
        npi,
        digits,
    })
}

fn tlv() -> impl Strategy<Value = Tlv> {
    (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(tag, value)| Tlv { tag, value })
}

fn message() -> impl Strategy<Value = Box<ShortMessage>> {
    let texts = (latin1(5), latin1(16), latin1(16));
    let octets = any::<[u8; 7]>();
    let body = proptest::collection::vec(any::<u8>(), 0..=255);
    let tlvs = proptest::collection::vec(tlv(), 0..4);
    (texts, address(), address(), octets, body, tlvs).prop_map(
        |((service_type, schedule, validity), source, destination, o, short_message, tlvs)| {
            Box::new(ShortMessage {
                service_type,
                source,
                destination,
                esm_class: o[0],
                protocol_id: o[1],
                priority: o[2],
                schedule,
                validity,
                registered_delivery: o[3],
                replace_if_present: o[4],
                data_coding: o[5],
                default_message: o[6],
                short_message,
                tlvs,
            })
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        message().prop_map(Body::SubmitSm),
        message().prop_map(Body::DeliverSm),
        latin1(64).prop_map(|message_id| Body::SubmitSmResp { message_id }),
        latin1(15).prop_map(|system_id| Body::BindResp { system_id }),
        (latin1(15), latin1(64), latin1(12)).prop_map(|(system_id, password, system_type)| {
            Body::Bind(Bind {
                system_id,
                password,
                system_type,
            })
        }),
        Just(Body::DeliverSmResp),
        Just(Body::EnquireLink),
        Just(Body::EnquireLinkResp),
        Just(Body::Unbind),
        Just(Body::UnbindResp),
        Just(Body::GenericNack),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(sequence in any::<u32>(), body in body()) {
        let pdu = Pdu::request(sequence, body);
        let unit = pdu.encode().unwrap();
        prop_assert_eq!(unit[..4].to_vec(), u32::try_from(unit.len()).unwrap().to_be_bytes());
        prop_assert_eq!(Pdu::decode(&unit).unwrap(), pdu);
    }

    #[test]
    fn any_octets_are_survived(command in 0u32..0x20, response in any::<bool>(),
                               rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut unit = vec![0; 4];
        unit.extend((command | u32::from(response) << 31).to_be_bytes());
        unit.extend(rest);
        if let Ok(pdu) = Pdu::decode(&unit) {
            // What was read can be written, unless a field is over the standard's length.
            let _ = pdu.encode();
        }
    }
}
