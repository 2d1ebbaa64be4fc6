//! The body of a message: its sections made one text of bytes.

use bytes::{Buf, Bytes, BytesMut};
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::LazyValue;

/// The bytes of a body: of `data` sections, one after the other; of an `amqp-value`, if it is a
/// binary or a string.
///
/// # Errors
/// What it is instead, and what would be valid.
pub(crate) fn bytes(body: Body<LazyValue>) -> Result<Bytes, String> {
    match body {
        Body::Data(sections) => {
            let mut sections = sections.into_iter().map(|data| data.0.into_vec());
            let first = sections.next().unwrap_or_default();
            let Some(second) = sections.next() else {
                return Ok(Bytes::from(first));
            };
            let mut all = BytesMut::from(first.as_slice());
            for section in std::iter::once(second).chain(sections) {
                all.extend_from_slice(&section);
            }
            Ok(all.freeze())
        }
        Body::Value(value) => of_value(value.0.into_bytes()),
        Body::Sequence(_) => Err(unusable("`amqp-sequence`")),
        Body::Empty => Ok(Bytes::new()),
    }
}

/// Of an encoded value (part 1 of the standard, sections 1.6.19 and 1.6.20). It is looked at, not
/// decoded: only two types are of use.
fn of_value(mut value: Bytes) -> Result<Bytes, String> {
    const NULL: u8 = 0x40;
    const BINARY_8: u8 = 0xa0;
    const STRING_8: u8 = 0xa1;
    const BINARY_32: u8 = 0xb0;
    const STRING_32: u8 = 0xb1;
    let code = value.try_get_u8().unwrap_or(NULL);
    let length = match code {
        NULL => return Ok(Bytes::new()),
        BINARY_8 | STRING_8 => value.try_get_u8().map(usize::from),
        BINARY_32 | STRING_32 => value
            .try_get_u32()
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        other => {
            return Err(unusable(&format!(
                "`amqp-value` of type code 0x{other:02x}"
            )));
        }
    };
    if length.ok() != Some(value.len()) {
        return Err("the `amqp-value` of the message is damaged".to_owned());
    }
    Ok(value)
}

fn unusable(what: &str) -> String {
    format!(
        "the message's body is an {what}, expected `data`, or an `amqp-value` that is a binary or \
         a string"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
    use fe2o3_amqp::types::messaging::{AmqpSequence, Batch, Data};
    use fe2o3_amqp::types::primitives::Binary;

    fn value(encoded: &[u8]) -> Result<Bytes, String> {
        of_value(Bytes::copy_from_slice(encoded))
    }

    #[test]
    fn data_sections_are_one_body() {
        let data = |bytes: &[u8]| Data(Binary::from(bytes.to_vec()));
        let one = Body::Data(Batch::new(vec![data(b"abc")]));
        assert_eq!(bytes(one).unwrap(), "abc");
        let three = Body::Data(Batch::new(vec![data(b"a"), data(b""), data(b"bc")]));
        assert_eq!(bytes(three).unwrap(), "abc");
        assert_eq!(bytes(Body::Empty).unwrap(), "");
    }

    /// As the library reads them, in their order.
    #[test]
    fn encoded_sections_are_one_body() {
        let encoded = b"\0\x53\x75\xa0\x02ab\0\x53\x75\xa0\x01c\0\x53\x75\xa0\x02de";
        let reader = serde_amqp::read::SliceReader::new(encoded);
        let decoded = Body::<LazyValue>::decode_message_from_reader(reader).unwrap();
        assert_eq!(bytes(decoded.body).unwrap(), "abcde");
    }

    #[test]
    fn binaries_and_strings_are_taken_and_nothing_else() {
        assert_eq!(value(b"\xa0\x03abc").unwrap(), "abc");
        assert_eq!(value(b"\xa1\x03abc").unwrap(), "abc");
        assert_eq!(value(b"\xb0\0\0\0\x03abc").unwrap(), "abc");
        assert_eq!(value(b"\xb1\0\0\0\0").unwrap(), "");
        assert_eq!(value(b"\x40").unwrap(), "");
        let refused = value(b"\x45").unwrap_err();
        assert!(refused.contains("0x45") && refused.contains("expected `data`"));
        let sequence = Body::Sequence(Batch::new(vec![AmqpSequence(Vec::new())]));
        assert!(bytes(sequence).unwrap_err().contains("amqp-sequence"));
    }

    #[test]
    fn a_damaged_value_is_told() {
        for damaged in [&b"\xa0\x04abc"[..], b"\xa1\x02abc", b"\xb0\0\0", b"\xa0"] {
            assert!(value(damaged).unwrap_err().contains("damaged"));
        }
    }
}
