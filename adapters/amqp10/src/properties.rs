//! The sections of an AMQP 1.0 message (part 3 of the standard), to and from the hub's headers.

use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Data, Header, Message, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{Binary, OrderedMap, SimpleValue, Symbol, Timestamp, Uuid};
use hub_broker::{Kept, LONGEST_HEADER};
use hub_core::{Headers, OutgoingMessage};

/// Application property that names a message.
const FILE_NAME: &str = "x-filename";

/// Names that are fields of the protocol and not application properties: a sender must not write
/// under them what the broker or the hub vouches for.
const PROTOCOL: [&str; 17] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
    "durable",
    "priority",
    "ttl",
    "delivery-count",
];

/// What a configuration says of every message, and what its templates made of this one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configured {
    pub(crate) headers: Headers,
    pub(crate) reply_to: Option<String>,
    /// The message's header `reply-to` is where it goes itself.
    pub(crate) is_reply: bool,
    pub(crate) subject: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) ttl_milliseconds: Option<u32>,
}

/// Whether a configuration may set an application property of this name.
///
/// # Errors
/// Why not.
pub(crate) fn is_free(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 255 {
        return Err(format!("`{name}` is empty or too long a name"));
    }
    if PROTOCOL.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "`{name}` is a field of the protocol, not an application property"
        ));
    }
    Ok(())
}

/// An outgoing message, durable. Its own headers win over the configured values.
///
/// # Errors
/// A value cannot be expressed in the protocol.
pub(crate) fn outgoing(
    message: &OutgoingMessage,
    configured: &Configured,
    address: &str,
    body: Vec<u8>,
) -> Result<Message<Data>, String> {
    let own = |name: &str| own(message, name);
    let number = |name: &str| {
        let read = |value: String| {
            let problem = || format!("`{name}` is `{value}`, expected milliseconds");
            value.parse::<i64>().map_err(|_| problem())
        };
        own(name).map(read).transpose()
    };
    let reply_to = own("reply-to").filter(|_| !configured.is_reply);
    let ttl = match number("ttl")? {
        None => configured.ttl_milliseconds,
        Some(ttl) => Some(u32::try_from(ttl).map_err(|_| format!("`ttl` is {ttl}, too much"))?),
    };
    let created = message.created.micros() / 1_000;
    let expiry =
        number("absolute-expiry-time")?.or_else(|| ttl.map(|ttl| created + i64::from(ttl)));
    let properties = Properties {
        message_id: Some(MessageId::String(message.message_id.to_string())),
        user_id: None,
        to: Some(address.to_owned()),
        subject: own("subject").or_else(|| configured.subject.clone()),
        reply_to: reply_to.or_else(|| configured.reply_to.clone()),
        correlation_id: Some(MessageId::String(
            own("correlation-id").unwrap_or_else(|| message.correlation_id.to_string()),
        )),
        content_type: symbol("content-type", Some(message.media_type.clone()))?,
        content_encoding: symbol("content-encoding", own("content-encoding"))?,
        absolute_expiry_time: expiry.map(Timestamp::from_milliseconds),
        creation_time: Some(Timestamp::from_milliseconds(created)),
        group_id: own("group-id").or_else(|| configured.group_id.clone()),
        group_sequence: None,
        reply_to_group_id: own("reply-to-group-id"),
    };
    let priority = own("priority").and_then(|value| value.parse::<u8>().ok());
    let mut header = Header::builder().durable(true).ttl(ttl);
    if let Some(priority) = priority {
        header = header.priority(priority);
    }
    Ok(Message {
        header: Some(header.build()),
        delivery_annotations: None,
        message_annotations: None,
        properties: Some(properties),
        application_properties: application_properties(message, configured),
        body: Data(Binary::from(body)),
        footer: None,
    })
}

fn own(message: &OutgoingMessage, name: &str) -> Option<String> {
    let mut named = message
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.clone())
}

/// Symbols are ASCII; a broker may end the connection for another.
fn symbol(what: &str, value: Option<String>) -> Result<Option<Symbol>, String> {
    match value {
        Some(value) if !value.is_ascii() => Err(format!(
            "`{what}` is `{value}`, and only ASCII can be sent there"
        )),
        Some(value) if !value.is_empty() => Ok(Some(Symbol::from(value))),
        _ => Ok(None),
    }
}

fn application_properties(
    message: &OutgoingMessage,
    configured: &Configured,
) -> Option<ApplicationProperties> {
    let mut map = OrderedMap::new();
    for (name, value) in configured.headers.iter().chain(&message.headers) {
        if is_free(name).is_ok() {
            map.insert(name.clone(), SimpleValue::String(value.clone()));
        }
    }
    (!map.is_empty()).then_some(ApplicationProperties(map))
}

/// What is known of an incoming message beside its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// The sender's id, as text: of a number its digits, of a UUID its usual form, of a binary its
    /// hexadecimal digits.
    pub(crate) business_key: Option<String>,
    pub(crate) name: String,
    pub(crate) media_type: Option<String>,
    /// Names in lower case.
    pub(crate) headers: Headers,
}

/// Reads the sections before the body.
pub(crate) fn incoming(
    header: Option<&Header>,
    properties: Option<Properties>,
    application: Option<&ApplicationProperties>,
) -> Incoming {
    let properties = properties.unwrap_or_default();
    let business_key = properties.message_id.as_ref().and_then(id_text);
    let mut kept = Kept::default();
    kept.keep(
        "correlation-id",
        properties.correlation_id.as_ref().and_then(id_text),
    );
    kept.keep("reply-to", properties.reply_to);
    kept.keep("to", properties.to);
    kept.keep("subject", properties.subject);
    kept.keep(
        "content-encoding",
        properties.content_encoding.map(Symbol::into_inner),
    );
    let milliseconds = |time: Timestamp| time.milliseconds().to_string();
    kept.keep("creation-time", properties.creation_time.map(milliseconds));
    kept.keep(
        "absolute-expiry-time",
        properties.absolute_expiry_time.map(milliseconds),
    );
    kept.keep("group-id", properties.group_id);
    kept.keep(
        "group-sequence",
        properties.group_sequence.map(|n| n.to_string()),
    );
    kept.keep("reply-to-group-id", properties.reply_to_group_id);
    if let Some(header) = header {
        kept.keep("ttl", header.ttl.map(|ttl| ttl.to_string()));
        // The protocol's default says nothing.
        let priority = Some(header.priority.0).filter(|priority| *priority != 4);
        kept.keep("priority", priority.map(|priority| priority.to_string()));
    }
    for (name, value) in application.into_iter().flat_map(|map| map.iter()) {
        if is_free(name).is_ok() {
            kept.keep(name, plain(value));
        }
    }
    let file_name = application
        .and_then(|map| map.get(FILE_NAME))
        .and_then(plain);
    let fits = |text: &String| !text.is_empty() && text.len() <= LONGEST_HEADER;
    Incoming {
        name: file_name
            .filter(fits)
            .or_else(|| business_key.clone())
            .unwrap_or_default(),
        business_key,
        media_type: properties.content_type.map(Symbol::into_inner).filter(fits),
        headers: kept.into_headers(),
    }
}

/// An id as text; `None` if it is empty or too long to be one.
fn id_text(id: &MessageId) -> Option<String> {
    let text = match id {
        MessageId::String(text) => text.clone(),
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => uuid_text(uuid.clone()),
        MessageId::Binary(bytes) if bytes.len() <= LONGEST_HEADER => hexadecimal(bytes),
        MessageId::Binary(_) => return None,
    };
    (!text.is_empty() && text.len() <= LONGEST_HEADER).then_some(text)
}

fn uuid_text(uuid: Uuid) -> String {
    let digits = hexadecimal(&uuid.into_inner());
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A property's value as text; `None` for bytes and types that no text can say.
fn plain(value: &SimpleValue) -> Option<String> {
    Some(match value {
        SimpleValue::Bool(v) => v.to_string(),
        SimpleValue::Ubyte(v) => v.to_string(),
        SimpleValue::Ushort(v) => v.to_string(),
        SimpleValue::Uint(v) => v.to_string(),
        SimpleValue::Ulong(v) => v.to_string(),
        SimpleValue::Byte(v) => v.to_string(),
        SimpleValue::Short(v) => v.to_string(),
        SimpleValue::Int(v) => v.to_string(),
        SimpleValue::Long(v) => v.to_string(),
        SimpleValue::Float(v) => v.to_string(),
        SimpleValue::Double(v) => v.to_string(),
        SimpleValue::Char(v) => v.to_string(),
        SimpleValue::Timestamp(v) => v.milliseconds().to_string(),
        SimpleValue::Uuid(v) => uuid_text(v.clone()),
        SimpleValue::String(v) => v.clone(),
        SimpleValue::Symbol(v) => v.as_str().to_owned(),
        SimpleValue::Null
        | SimpleValue::Binary(_)
        | SimpleValue::Decimal32(_)
        | SimpleValue::Decimal64(_)
        | SimpleValue::Decimal128(_)
        | SimpleValue::Described(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterhub_tests::conformance;

    fn message(headers: &[(&str, &str)]) -> OutgoingMessage {
        OutgoingMessage {
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            ..conformance::message(4_711, "meter:7")
        }
    }

    fn sent(message: &OutgoingMessage, configured: &Configured) -> Result<Incoming, String> {
        let sent = outgoing(message, configured, "orders", b"body".to_vec())?;
        assert!(sent.header.as_ref().unwrap().durable);
        Ok(incoming(
            sent.header.as_ref(),
            sent.properties,
            sent.application_properties.as_ref(),
        ))
    }

    #[test]
    fn what_is_sent_comes_back() {
        let configured = Configured {
            headers: vec![("x-sender".into(), "nord".into())],
            reply_to: Some("answers".into()),
            subject: Some("order".into()),
            group_id: Some("meter:7".into()),
            ttl_milliseconds: Some(1_000),
            ..Configured::default()
        };
        let message = message(&[("x-batch", "12"), ("reply-to", "mine"), ("priority", "7")]);
        let found = sent(&message, &configured).unwrap();
        assert_eq!(found.business_key, Some(message.message_id.to_string()));
        assert_eq!(found.name, message.message_id.to_string());
        assert_eq!(found.media_type.as_deref(), Some("text/plain"));
        let correlation = message.correlation_id.to_string();
        let expected = [
            ("correlation-id", correlation.as_str()),
            ("reply-to", "mine"),
            ("to", "orders"),
            ("subject", "order"),
            ("creation-time", "1774743300000"),
            ("absolute-expiry-time", "1774743301000"),
            ("group-id", "meter:7"),
            ("ttl", "1000"),
            ("priority", "7"),
            ("x-sender", "nord"),
            ("x-batch", "12"),
        ];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(found.headers, expected);
    }

    #[test]
    fn an_answer_says_what_it_answers() {
        let answer = message(&[("correlation-id", "request-9"), ("reply-to", "answers")]);
        let configured = Configured {
            is_reply: true,
            ..Configured::default()
        };
        let found = sent(&answer, &configured).unwrap();
        let wants_an_answer = |(name, _): &(String, String)| name == "reply-to";
        assert!(!found.headers.iter().any(wants_an_answer));
        assert!(
            found
                .headers
                .contains(&("correlation-id".into(), "request-9".into()))
        );
    }

    #[test]
    fn ids_of_every_type_are_a_key() {
        let key = |id: MessageId| {
            let properties = Properties::builder().message_id(id).build();
            incoming(None, Some(properties), None).business_key
        };
        assert_eq!(key(MessageId::String("ID:1".into())).unwrap(), "ID:1");
        assert_eq!(
            key(MessageId::Ulong(u64::MAX)).unwrap(),
            "18446744073709551615"
        );
        let uuid = Uuid::from([
            0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0, 0xa0, 0xc9, 0x1e, 0x6b,
            0xf6,
        ]);
        let expected = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert_eq!(key(MessageId::Uuid(uuid)).unwrap(), expected);
        let binary = Binary::from(b"AMQ \x01".to_vec());
        assert_eq!(key(MessageId::Binary(binary)).unwrap(), "414d512001");
        assert_eq!(key(MessageId::String(String::new())), None);
        assert_eq!(key(MessageId::String("x".repeat(5_000))), None);
    }

    #[test]
    fn a_property_cannot_pose_as_a_field() {
        let forged = message(&[("message-id", "1"), ("user-id", "admin")]);
        let found = sent(&forged, &Configured::default()).unwrap();
        assert_eq!(found.business_key, Some(forged.message_id.to_string()));
        let mut map = OrderedMap::new();
        map.insert(
            "Correlation-ID".to_owned(),
            SimpleValue::String("forged".into()),
        );
        map.insert("X-Count".to_owned(), SimpleValue::Int(3));
        map.insert(
            "bytes".to_owned(),
            SimpleValue::Binary(Binary::from(vec![1])),
        );
        map.insert(FILE_NAME.to_owned(), SimpleValue::String("a.csv".into()));
        let found = incoming(None, None, Some(&ApplicationProperties(map)));
        let expected = [("x-count", "3"), (FILE_NAME, "a.csv")];
        assert_eq!(
            found.headers,
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(found.name, "a.csv");
    }

    #[test]
    fn what_the_protocol_cannot_say_is_an_error() {
        let none = Configured::default();
        assert!(sent(&message(&[("ttl", "soon")]), &none).is_err());
        assert!(sent(&message(&[("ttl", "-1")]), &none).is_err());
        assert!(sent(&message(&[("content-encoding", "gzïp")]), &none).is_err());
        assert!(is_free("x-ok").is_ok() && is_free("Message-Id").is_err());
    }

    #[test]
    fn headers_are_bounded() {
        let mut map = OrderedMap::new();
        map.insert("long".to_owned(), SimpleValue::String("x".repeat(5_000)));
        for number in 0..100 {
            map.insert(format!("h{number}"), SimpleValue::Int(number));
        }
        let found = incoming(None, None, Some(&ApplicationProperties(map)));
        assert_eq!(found.headers.len(), hub_broker::MOST_HEADERS);
        assert!(found.headers.iter().all(|(name, _)| name != "long"));
    }
}
